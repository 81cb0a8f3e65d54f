"""The end of an OperationRing, on the kernel: nothing stays in flight, each request is told once, none is swallowed.

What a loop over io_uring gets wrong easily stands here by name.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    ErrorKind,
    Exit,
    Opcode,
    OperationRing,
    Ring,
    RingError,
    RingOperation,
    Submitter,
)

Pair = tuple[socket.socket, socket.socket]
Needs = Callable[[Opcode], None]


class Tells(RingOperation[Any]):
    """Keeps in one log, shared by several, what it is told."""

    def __init__(self, log: list[tuple[str, Any, int]], setup: Callable[[Submitter[Any]], object]) -> None:
        self.log = log
        self.start = setup

    def setup(self, submitter: Submitter[Any]) -> None:
        self.start(submitter)

    def on_completion(self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> tuple[ControlFlow, Any]:
        self.log.append(("completed", data, entry.res))
        return Exit() if data == "exit" else Continue(), None

    def on_teardown_completion(self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> None:
        self.log.append(("torn down", data, entry.res))


def waits(*names: str) -> Callable[[Submitter[Any]], object]:
    return lambda submitter: [submitter.push(submitter.prepare.timeout(3600), name) for name in names]


def fails(submitter: Submitter[Any]) -> None:
    submitter.push(submitter.prepare.timeout(3600), "half set up")
    raise ValueError("odd")


# ---- the five faults ------------------------------------------------------------------------------------------------


def test_the_backlog_is_torn_down() -> None:
    """What has not reached the kernel never does, and ends as well, once, as cancelled."""
    log: list[tuple[str, Any, int]] = []
    room: list[int] = []

    def setup(submitter: Submitter[Any]) -> None:
        room.append(submitter.ring.room)
        for number in range(20):
            submitter.push(submitter.prepare.nop(), number)

    with Ring(4) as ring:
        program = OperationRing(ring, one=Tells(log, setup))
        program.stop()
        program.run()
        assert (program.backlog, program.in_flight, ring.in_flight) == (0, 0, 0)
    assert log == [("torn down", number, 0 if number < room[0] else -errno.ECANCELED) for number in range(20)]


def test_a_failed_setup_takes_down_the_earlier_ones(ring: Ring) -> None:
    """And what it had started itself; the later ones are not set up."""
    log: list[tuple[str, Any, int]] = []
    operations = {"one": waits("one"), "two": waits("two"), "fails": fails, "late": waits("never")}
    program = OperationRing(ring, None, **{name: Tells(log, setup) for name, setup in operations.items()})
    with pytest.raises(RingError) as caught:
        program.run()
    assert (caught.value.kind, caught.value.operation) == (ErrorKind.SETUP, "fails")
    assert log == [("torn down", name, -errno.ECANCELED) for name in ("half set up", "two", "one")]
    assert ring.in_flight == 0


def test_user_data_0_is_not_swallowed(ring: Ring, needs: Needs) -> None:
    """Neither of a raw entry nor of a message."""
    needs(Opcode.MSG_RING)
    raw: list[int] = []
    log: list[tuple[str, Any, int]] = []

    class Raw(Tells):
        def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[Any]) -> ControlFlow:
            raw.append(entry.user_data)
            return Continue()

    def setup(submitter: Submitter[Any]) -> None:
        submitter.open_mailbox("exit", 0)
        submitter.push_raw(submitter.prepare.nop(user_data=0))
        submitter.push_raw(submitter.prepare.msg_ring(submitter.ring, res=5, message=0, user_data=0))

    OperationRing(ring, one=Raw(log, setup)).run()
    assert raw in ([0, 0], [0])  # the exit may come before the second
    assert log == [("completed", "exit", 5), ("torn down", "exit", -errno.ECANCELED)]


def test_none_for_a_multishot_entry_frees_nothing(ring: Ring, pair: Pair, needs: Needs) -> None:
    """Its data is there for the next one."""
    needs(Opcode.MKDIRAT)  # a little younger than multishot polls, which cannot be asked for
    log: list[tuple[str, Any, int]] = []
    left, right = pair

    def setup(submitter: Submitter[Any]) -> None:
        submitter.push(submitter.prepare.poll_add(left, 1, multishot=True), {"precious": "data"})

    class Polls(Tells):
        def on_completion(
            self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]
        ) -> tuple[ControlFlow, Any]:
            assert entry.more
            super().on_completion(entry, data, submitter)
            left.recv(1)
            if len(self.log) == 3:
                return Exit(), None
            right.send(b"x")
            return Continue(), None

    right.send(b"x")
    OperationRing(ring, one=Polls(log, setup)).run()
    assert [(what, data) for what, data, _ in log] == [("completed", {"precious": "data"})] * 3 + [
        ("torn down", {"precious": "data"})
    ]


def test_submissions_of_the_teardown_are_waited_for(ring: Ring, pair: Pair) -> None:
    """What can be done at once is done (a goodbye, a close), what would wait is cancelled; all are told."""
    log: list[tuple[str, Any, int]] = []
    spare = os.dup(pair[0].fileno())

    class Leaves(Tells):
        def on_teardown_completion(self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> None:
            super().on_teardown_completion(entry, data, submitter)
            if data == "first":
                submitter.push(submitter.prepare.send(pair[0], b"goodbye"), "goodbye")
                submitter.push(submitter.prepare.recv(pair[0], bytearray(1)), "hanging")
            elif data == "goodbye":
                submitter.push(submitter.prepare.close_file(spare), "close")

    program = OperationRing(ring, one=Leaves(log, waits("first")))
    program.stop()
    program.run()
    assert log == [
        ("torn down", "first", -errno.ECANCELED),
        ("torn down", "goodbye", 7),
        ("torn down", "hanging", -errno.ECANCELED),
        ("torn down", "close", 0),
    ]
    assert pair[1].recv(100) == b"goodbye"
    with pytest.raises(OSError):
        os.fstat(spare)
    assert ring.in_flight == 0


# ---- what else may be in flight -------------------------------------------------------------------------------------


def test_operations_are_told_in_reverse_order_of_setup(ring: Ring) -> None:
    log: list[tuple[str, Any, int]] = []
    first, second = Tells(log, waits("a", "b")), Tells(log, waits("c", "d"))
    program = OperationRing(ring, first=first, second=second)
    program.stop()
    program.run()
    assert [data for _, data, _ in log] == ["c", "d", "a", "b"]


def test_hard_links_are_cancelled_one_after_the_other(ring: Ring) -> None:
    """The next entry of the chain starts when the one before was cancelled: it has to be found by a later cancel."""
    log: list[tuple[str, Any, int]] = []

    def setup(submitter: Submitter[Any]) -> None:
        chain = []
        for number in range(3):
            entry = submitter.prepare.timeout(3600)
            entry.flags |= 1 << 3  # IO_HARDLINK
            chain.append((entry, number))
        submitter.push_many(chain)

    program = OperationRing(ring, one=Tells(log, setup))
    program.stop()
    program.run()
    assert log == [("torn down", number, -errno.ECANCELED) for number in range(3)]


def test_a_zero_copy_send_is_told_of_its_buffer(ring: Ring, needs: Needs) -> None:
    """Its notification is its last completion."""
    needs(Opcode.SEND_ZC)
    log: list[tuple[str, Any, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        send = Tells(log, lambda submitter: submitter.push(submitter.prepare.send_zc(client, b"x" * 5000), "send"))
        OperationRing(ring, one=send).run()
        assert len(server.recv(5000, socket.MSG_WAITALL)) == 5000
    assert log == [("completed", "send", 5000), ("completed", "send", 0)]


def test_connections_that_come_too_late_are_not_lost(ring: Ring, needs: Needs) -> None:
    """Those that a multishot accept has brought before its cancel are completions: no descriptor is lost."""
    needs(Opcode.SOCKET)  # as old as multishot accepts
    log: list[tuple[str, Any, int]] = []
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(50)]
        accept = Tells(log, lambda submitter: submitter.push(submitter.prepare.accept_multishot(listener), "accept"))
        exits = Tells([], lambda submitter: submitter.push(submitter.prepare.nop(), "exit"))
        OperationRing(ring, accept=accept, exits=exits).run()
        assert log[-1] == ("torn down", "accept", -errno.ECANCELED)
        for _, _, number in log[:-1]:
            os.close(number)
    for client in clients:
        client.close()


@pytest.mark.parametrize("seed", range(10))
def test_each_request_is_told_exactly_once(seed: int) -> None:
    """Whatever completes, is cancelled, waits, is started by callbacks, until it ends at some random point."""
    choose = random.Random(seed)
    pushed: Counter[int] = Counter()
    told: Counter[int] = Counter()
    refusals: list[ErrorKind] = []

    class Random(RingOperation[int]):
        def push(self, submitter: Submitter[int]) -> None:
            for _ in range(choose.randrange(4)):
                number = len(pushed)
                entry = (
                    submitter.prepare.nop()
                    if choose.random() < 0.5
                    else submitter.prepare.timeout(choose.random() / 50)
                )
                try:
                    request = submitter.push(entry, number)
                except RingError as error:
                    refusals.append(error.kind)
                    return
                pushed[number] += 1
                if choose.random() < 0.3:
                    submitter.cancel(request)

        def setup(self, submitter: Submitter[int]) -> None:
            for _ in range(20):
                self.push(submitter)

        def on_completion(
            self, entry: CompletionEntry, data: int, submitter: Submitter[int]
        ) -> tuple[ControlFlow, int | None]:
            told[data] += 1
            self.push(submitter)
            return Exit() if len(pushed) > 1000 or choose.random() < 0.002 else Continue(), None

        def on_teardown_completion(self, entry: CompletionEntry, data: int, submitter: Submitter[int]) -> None:
            told[data] += 1
            if len(pushed) < 1500:
                self.push(submitter)

    with Ring(8) as ring:
        OperationRing(ring, choose.choice([None, 5, 40]), one=Random(), two=Random()).run()
        assert ring.in_flight == 0
    assert told == pushed
    assert set(refusals) <= {ErrorKind.PUSH}
    assert set(told.values()) == {1}
    assert threading.active_count() == 1
