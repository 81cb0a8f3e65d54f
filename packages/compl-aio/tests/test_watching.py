"""How a port watches files: by IOCB_CMD_POLL, by the epoll set for what POLL does not take, and how it lets go."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_aio import AioPort
from compl_core import Completion, Interest, Kind

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE
Pair = tuple[socket.socket, socket.socket]
Until = Callable[[Callable[[], Any]], None]


def state(port: AioPort) -> tuple[int, int]:
    """Requests that the kernel has or gets for files, and files in the epoll set."""
    counters = port.statistics()
    return counters["polls"], counters["in_epoll_set"]


def one(port: AioPort, timeout: float = 10) -> Completion:
    (done,) = port.wait(timeout=timeout)
    return done


def settled(port: AioPort, until: Until) -> None:
    """The events of polls that were given up have come."""
    until(lambda: port.wait(timeout=0) == [] and port.statistics()["polls"] == 0)


def test_what_is_there_needs_no_poll(port: AioPort, pair: Pair) -> None:
    pair[1].send(b"data")
    port.recv(pair[0], bytearray(4))
    port.send(pair[0], b"more")
    assert state(port) == (0, 0)
    assert [done.result for done in port.wait()] == [4, 4]


def test_sockets_and_pipes_by_poll(port: AioPort, pair: Pair, tcp: Pair, pipe: tuple[int, int]) -> None:
    port.recv(pair[0], bytearray(4), 0, "unix")
    port.recv(tcp[0], bytearray(4), 0, "tcp")
    port.read(pipe[0], bytearray(4), None, "pipe")
    assert port.wait(timeout=0) == []
    assert state(port) == (3, 0)
    os.write(pipe[1], b"x")
    assert one(port).token == "pipe"
    tcp[1].send(b"y")
    assert one(port).token == "tcp"
    pair[1].send(b"z")
    assert one(port).token == "unix"
    assert state(port) == (0, 0)


def test_one_poll_for_each_direction(port: AioPort, pair: Pair) -> None:
    left, _ = pair
    left.setblocking(False)
    port.recv(left, bytearray(1))
    port.recv(left, bytearray(1))
    port.send_all(left, bytes(1 << 22))
    port.poll(left, READABLE)
    assert port.wait(timeout=0) == []
    assert state(port) == (2, 0)


def test_a_poll_is_one_event(port: AioPort, tcp: Pair) -> None:
    """Nothing is armed while nothing waits; what comes meanwhile is not lost."""
    client, server = tcp
    for round in range(50):
        port.recv(client, bytearray(8))
        if round % 2:
            assert port.wait(timeout=0) == []
            assert state(port) == (1, 0)
        server.send(b"%08d" % round)
        assert one(port).result == 8
        assert state(port) == (0, 0)


# ---- what POLL does not take ----------------------------------------------------------------------------------------


def test_terminals_by_the_epoll_set(port: AioPort, terminal: tuple[int, int]) -> None:
    mine, theirs = terminal
    port.read(theirs, buffer := bytearray(8), None, "read")
    port.register(mine, 5, READABLE)
    assert port.wait(timeout=0) == []
    assert state(port) == (0, 2)
    os.write(mine, b"to them")
    done = one(port)
    assert (done.token, done.result, bytes(buffer[:7])) == ("read", 7, b"to them")
    os.write(theirs, b"to me")
    for _ in range(3):  # level-triggered
        done = one(port)
        assert (done.kind, done.key, done.readiness) == (Kind.READY, 5, READABLE)
    assert os.read(mine, 8) == b"to me"
    assert port.wait(timeout=0) == []


def test_a_ready_terminal_is_the_same(port: AioPort, terminal: tuple[int, int]) -> None:
    """The kernel's POLL takes a terminal that is ready just then, and refuses it a moment later."""
    mine, theirs = terminal
    os.write(mine, b"early")
    port.register(theirs, 1, READABLE)
    assert one(port).readiness == READABLE
    assert os.read(theirs, 8) == b"early"
    assert port.wait(timeout=0) == []
    os.write(mine, b"late")
    assert one(port).readiness == READABLE


def test_a_fifo_for_both_directions(port: AioPort, fifo: int) -> None:
    port.read(fifo, buffer := bytearray(4), None, "read")
    assert port.wait(timeout=0) == []
    assert state(port) == (0, 1)
    port.write(fifo, b"loop", None, "write")
    assert {done.token: done.result for done in port.wait(min_completions=2, timeout=10)} == {"read": 4, "write": 4}
    assert buffer == b"loop"
    port.register(fifo, 3, READABLE | WRITABLE)
    assert one(port).readiness == WRITABLE
    os.write(fifo, b"x")
    assert one(port).readiness == READABLE | WRITABLE


def test_eventfds_by_the_epoll_set(port: AioPort) -> None:
    number = os.eventfd(0)
    try:
        port.register(number, 2, READABLE)
        assert port.wait(timeout=0) == []
        assert state(port) == (0, 1)
        os.eventfd_write(number, 1)
        assert one(port).key == 2
        port.unregister(number)
        assert state(port) == (0, 0)
    finally:
        os.close(number)


def test_the_epoll_set_wakes_a_sleeper(port: AioPort, fifo: int, background: Callable[..., Any]) -> None:
    port.register(fifo, 9, READABLE)
    waiter = background(port.wait, 1, 20)
    os.write(fifo, b"x")
    (done,) = waiter.result(20)
    assert done.key == 9


def test_more_sockets_than_the_context_has_room_for(port: AioPort) -> None:
    """Those beyond go to the epoll set, and none is missed."""
    pairs = [socket.socketpair() for _ in range(450)]
    try:
        for index, (left, _) in enumerate(pairs):
            port.recv(left, bytearray(1), 0, index)
        assert port.wait(timeout=0) == []
        polls, in_set = state(port)
        assert polls + in_set == 450
        assert 0 < in_set < 450
        for _, right in pairs:
            right.send(b"x")
        seen: set[object] = set()
        while len(seen) < 450:
            batch = port.wait(100, timeout=10)
            assert batch
            seen |= {done.token for done in batch}
    finally:
        for left, right in pairs:
            left.close()
            right.close()


def test_ready_by_its_level_and_not_for_the_operation(port: AioPort) -> None:
    """The error queue is empty while a datagram waits: asking for the level again and again would never sleep."""
    mine, theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with mine, theirs:
        mine.bind(("127.0.0.1", 0))
        theirs.connect(mine.getsockname())
        theirs.send(b"data")
        port.recv(mine, bytearray(8), socket.MSG_ERRQUEUE, "errors")
        before = port.statistics()["kernel_waits"]
        assert port.wait(timeout=0.1) == []
        assert port.statistics()["kernel_waits"] - before < 20
        assert state(port) == (0, 1)
        port.recv_from(mine, bytearray(8), 0, "behind it")
        port.cancel_all(mine)
        assert [done.result for done in port.wait(min_completions=2)] == [-errno.ECANCELED] * 2


def test_a_datagram_to_somebody_whose_queue_is_full(port: AioPort, tmp_path: Path) -> None:
    """The sender is writable all the time, and no event tells of the room: it is tried again now and then."""
    mine, theirs = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    with mine, theirs:
        mine.bind(str(tmp_path / "mine"))
        theirs.bind(str(tmp_path / "theirs"))
        mine.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while True:
                mine.sendto(b"fill", str(tmp_path / "theirs"))
                sent += 1
        port.send_to(mine, b"last", str(tmp_path / "theirs"), 0, "last")
        before = port.statistics()["kernel_waits"]
        assert port.wait(timeout=0.2) == []
        assert port.statistics()["kernel_waits"] - before < 1000
        for _ in range(sent):
            assert theirs.recv(8) == b"fill"
        done = one(port)
        assert (done.token, done.result) == ("last", 4)
        assert theirs.recv(8) == b"last"


# ---- readiness ------------------------------------------------------------------------------------------------------


def test_bits_that_nobody_asked_for_do_not_show(port: AioPort, tcp: Pair) -> None:
    """A wake-up tells PRI and others beside IN; the report has what was asked for, woken or ready at once."""
    client, server = tcp
    port.register(client, 1, READABLE)
    assert port.wait(timeout=0) == []
    server.send(b"x")
    assert one(port).readiness == READABLE
    assert one(port).readiness == READABLE
    port.modify(client, interest=READABLE | WRITABLE)
    assert one(port).readiness == READABLE | WRITABLE


def test_what_was_read_since_is_not_reported(port: AioPort, pair: Pair) -> None:
    """The poll's event is in the ring when the data has gone."""
    left, right = pair
    port.register(left, 1, READABLE)
    assert port.wait(timeout=0) == []
    right.send(b"x")
    assert left.recv(1) == b"x"
    assert port.wait(timeout=0) == []
    right.send(b"y")
    assert one(port).key == 1


def test_an_interest_that_changes_while_it_is_armed(port: AioPort, pair: Pair) -> None:
    left, _ = pair
    port.register(left, 1, READABLE)
    assert port.wait(timeout=0) == []
    port.modify(left, interest=WRITABLE)
    assert one(port, 0).readiness == WRITABLE
    port.modify(left, interest=READABLE)
    assert port.wait(timeout=0) == []


# ---- cancelling -----------------------------------------------------------------------------------------------------


def test_late_events_of_cancelled_polls(port: AioPort, pair: Pair, until: Until) -> None:
    """Cancelled and begun anew many times: each operation ends once, and late events meet nobody else's."""
    left, right = pair
    for round in range(200):
        port.cancel(port.recv(left, bytearray(1), 0, ("cancelled", round)))
        port.recv(left, buffer := bytearray(1), 0, ("kept", round))
        (done,) = port.wait(timeout=10)
        assert (done.token, done.result) == (("cancelled", round), -errno.ECANCELED)
        if round % 3 == 0:
            port.wait(timeout=0)
        right.send(b"%c" % (round % 256))
        (done,) = port.wait(timeout=10)
        assert (done.token, done.result, buffer[0]) == (("kept", round), 1, round % 256)
    settled(port, until)
    assert state(port) == (0, 0)


def test_begun_and_cancelled_without_a_wait(port: AioPort, pair: Pair) -> None:
    """What the kernel never got leaves nothing behind."""
    for _ in range(1000):
        assert port.cancel(port.recv(pair[0], bytearray(1)))
    assert port.statistics()["prepared"] < 100
    assert state(port) == (0, 0)
    assert len(port.wait(1000)) == 1000


def test_a_cancelled_poll_lets_go_of_its_file(port: AioPort, pair: Pair, until: Until) -> None:
    """An armed poll refers to its file: closed meanwhile, the peer would see no end."""
    left, right = pair
    identity = port.recv(left, bytearray(1))
    assert port.wait(timeout=0) == []
    assert port.cancel(identity)
    port.wait(timeout=0)
    settled(port, until)
    left.close()
    right.settimeout(10)
    assert right.recv(1) == b""


def test_an_unregistered_file_is_let_go(port: AioPort, pair: Pair, until: Until) -> None:
    left, right = pair
    port.register(left, 1, READABLE)
    assert port.wait(timeout=0) == []
    port.unregister(left)
    left.close()
    settled(port, until)
    right.settimeout(10)
    assert right.recv(1) == b""


def test_close_file_waits_for_the_polls(port: AioPort, pair: Pair) -> None:
    """When its completion comes the peer sees the end."""
    for _ in range(20):
        left, right = socket.socketpair()
        with right:
            right.setblocking(False)
            port.recv(left, bytearray(1), 0, "recv")
            port.register(left, 4, READABLE)
            assert port.wait(timeout=0) == []
            port.close_file(left, "close")
            done = port.wait(min_completions=2, timeout=10)
            assert [(each.token, each.result) for each in done] == [("recv", -errno.ECANCELED), ("close", 0)]
            right.settimeout(10)
            assert right.recv(1) == b""


def test_a_file_closed_before_its_polls_are_handed_over(port: AioPort, pair: Pair, until: Until) -> None:
    """The kernel refuses the first of several: those of the same file that stand behind it are dropped with it."""
    others = [socket.socketpair() for _ in range(3)]
    number = os.dup(pair[0].fileno())
    for index, (left, _) in enumerate(others):
        port.recv(left, bytearray(1), 0, index)
        if index == 1:
            port.register(number, 1, READABLE)
            port.recv(number, bytearray(1), 0, "closed")
            port.poll(number, READABLE, "closed")
    os.close(number)
    done = [*port.wait(timeout=10), *port.wait(timeout=0)]
    assert [(each.token, each.result) for each in done] == [("closed", -errno.EBADF)] * 2
    assert state(port) == (3, 0)
    for index, (left, right) in enumerate(others):
        right.send(b"x")
        assert one(port).token == index
        left.close()
        right.close()
    settled(port, until)


def test_a_number_that_is_reused(port: AioPort, pair: Pair) -> None:
    """The poll of the closed file is given up; its event does not reach the file that has the number now."""
    left, right = pair
    number = os.dup(left.fileno())
    port.register(number, 1, READABLE)
    assert port.wait(timeout=0) == []
    reader, writer = os.pipe()
    try:
        os.dup2(reader, number)
        port.register(number, 2, READABLE)
        right.send(b"for the old one")
        assert port.wait(timeout=0.05) == []
        os.write(writer, b"x")
        assert one(port).key == 2
    finally:
        for each in (reader, writer, number):
            os.close(each)
