"""Operations that share a ring, on the kernel: timeouts, connections, files, failures, threads, signals, stopping."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    Error,
    ErrorKind,
    Exit,
    Opcode,
    OperationRing,
    Ring,
    RingError,
    RingOperation,
    Submitter,
    Warn,
)

Background = Callable[..., Future[Any]]
Pair = tuple[socket.socket, socket.socket]
Flow = tuple[ControlFlow, Any]


class Scripted(RingOperation[Any]):
    """Does what a test says, and keeps what it was called with."""

    def __init__(
        self,
        setup: Callable[[Submitter[Any]], object],
        completion: Callable[[CompletionEntry, Any, Submitter[Any]], Any] = lambda *_: (Continue(), None),
        teardown: Callable[[CompletionEntry, Any, Submitter[Any]], object] = lambda *_: None,
    ) -> None:
        self.calls = setup, completion, teardown
        self.completed: list[tuple[Any, int]] = []
        self.torn_down: list[tuple[Any, int]] = []

    def setup(self, submitter: Submitter[Any]) -> None:
        self.calls[0](submitter)

    def on_completion(self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> Flow:
        self.completed.append((data, entry.res))
        answer: Flow = self.calls[1](entry, data, submitter)
        return answer

    def on_teardown_completion(self, entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> None:
        self.torn_down.append((data, entry.res))
        self.calls[2](entry, data, submitter)


def nops(count: int) -> Callable[[Submitter[Any]], object]:
    return lambda submitter: [submitter.push(submitter.prepare.nop(), number) for number in range(count)]


def raises(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise error

    return call


# ---- the loop -------------------------------------------------------------------------------------------------------


def test_the_loop_ends_when_nothing_is_left(ring: Ring) -> None:
    one, two = Scripted(nops(3)), Scripted(nops(2))
    program = OperationRing(ring, one=one, two=two)
    program.run()
    assert one.completed == [(0, 0), (1, 0), (2, 0)]
    assert two.completed == [(0, 0), (1, 0)]
    assert (program.in_flight, program.backlog, program.running, ring.in_flight) == (0, 0, False, 0)
    program.run()  # again
    assert len(one.completed) == 6


def test_a_ring_stays_its_owners(ring: Ring) -> None:
    OperationRing(ring, one=Scripted(nops(1))).run()
    ring.nop(7)
    assert [entry.user_data for entry in ring.submit_and_wait(1, 10.0)] == [7]


def test_data_of_any_type(ring: Ring) -> None:
    things = [None, 0, "text", [1], object(), socket]

    def setup(submitter: Submitter[Any]) -> None:
        for thing in things:
            submitter.push(submitter.prepare.nop(), thing)

    operation = Scripted(setup)
    OperationRing(ring, one=operation).run()
    assert all(data is thing for (data, _), thing in zip(operation.completed, things, strict=True))


def test_a_timeout_that_repeats_itself(ring: Ring) -> None:
    def setup(submitter: Submitter[Any]) -> None:
        submitter.push(submitter.prepare.timeout(0.001), 1)

    def again(entry: CompletionEntry, tick: int, submitter: Submitter[Any]) -> Flow:
        if tick == 5:
            return Exit(), None
        submitter.push(submitter.prepare.timeout(0.001), tick + 1)
        return Continue(), None

    operation = Scripted(setup, again)
    OperationRing(ring, clock=operation).run()
    assert operation.completed == [(tick, -errno.ETIME) for tick in range(1, 6)]
    assert operation.torn_down == []


def test_data_goes_with_a_multishot_request(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    """It changes with every connection; the accept goes on until it is torn down, and no connection is lost."""
    needs(Opcode.SOCKET)  # as old as multishot accepts
    accepted: list[socket.socket] = []

    def welcome(entry: CompletionEntry, count: int, submitter: Submitter[Any]) -> Flow:
        assert entry.more
        accepted.append(socket.socket(fileno=entry.res))
        return Exit() if count == 4 else Continue(), count + 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        operation = Scripted(lambda submitter: submitter.push(submitter.prepare.accept_multishot(listener), 0), welcome)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
        OperationRing(ring, listener=operation).run()
    assert [data for data, _ in operation.completed] == [0, 1, 2, 3, 4]
    assert operation.torn_down == [(5, -errno.ECANCELED)]
    assert {sock.getpeername() for sock in accepted} == {client.getsockname() for client in clients}
    for sock in [*accepted, *clients]:
        sock.close()


def test_linked_entries_stay_one_chain(ring: Ring, tmp_path: Path) -> None:
    """Write and read back, through a queue too small for more than one chain at a time."""
    with (tmp_path / "file").open("w+b", buffering=0) as file, Ring(2) as small:
        buffers = [bytearray(2) for _ in range(20)]

        def setup(submitter: Submitter[Any]) -> None:
            for number, buffer in enumerate(buffers):
                write = submitter.prepare.write(file, b"%02d" % number, number * 2)
                write.flags |= 1 << 2  # IO_LINK
                read = submitter.prepare.read(file, buffer, number * 2)
                submitter.push_many([(write, ("write", number)), (read, ("read", number))])

        operation = Scripted(setup)
        OperationRing(small, copy=operation).run()
    assert [moved for _, moved in operation.completed] == [2] * 40
    order = [data for data, _ in operation.completed]
    assert all(order.index(("write", number)) < order.index(("read", number)) for number in range(20))
    assert buffers == [b"%02d" % number for number in range(20)]


def test_buffers_live_as_long_as_the_kernel_needs_them(ring: Ring, pair: Pair) -> None:
    buffer = bytearray(10)

    def setup(submitter: Submitter[Any]) -> None:
        submitter.push(submitter.prepare.recv(pair[0], buffer), "recv")
        with pytest.raises(BufferError):
            buffer.extend(b"more")
        pair[1].sendall(b"hello")

    operation = Scripted(setup)
    OperationRing(ring, one=operation).run()
    assert operation.completed == [("recv", 5)]
    buffer.extend(b"more")


# ---- control flow ---------------------------------------------------------------------------------------------------


def test_exit_tears_everything_down(ring: Ring, pair: Pair) -> None:
    waits = Scripted(lambda submitter: submitter.push(submitter.prepare.recv(pair[0], bytearray(1)), "recv"))
    exits = Scripted(nops(1), lambda *_: (Exit(), None))
    OperationRing(ring, waits=waits, exits=exits).run()
    assert (waits.completed, waits.torn_down) == ([], [("recv", -errno.ECANCELED)])
    assert ring.in_flight == 0


def test_warn_is_logged(ring: Ring, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "compl_uring"):
        OperationRing(ring, noisy=Scripted(nops(2), lambda *_: (Warn(OSError("odd")), None))).run()
    assert [record.getMessage() for record in caplog.records] == ["operation ring: operation 'noisy': OSError: odd"] * 2


problem = ValueError("odd")


@pytest.mark.parametrize("answer", [lambda *_: (Error(problem), None), raises(problem)], ids=["returned", "raised"])
def test_error_is_raised_after_the_teardown(ring: Ring, answer: Callable[..., Any]) -> None:
    operation = Scripted(
        lambda submitter: (nops(1)(submitter), submitter.push(submitter.prepare.timeout(3600), "long")), answer
    )
    with pytest.raises(RingError) as caught:
        OperationRing(ring, one=operation).run()
    assert (caught.value.kind, caught.value.operation) == (ErrorKind.COMPLETION, "one")
    assert caught.value.__cause__ is problem
    assert operation.torn_down == [("long", -errno.ECANCELED)]


def test_failures_of_the_teardown_are_all_raised(ring: Ring) -> None:
    operation = Scripted(
        lambda submitter: [submitter.push(submitter.prepare.timeout(3600), number) for number in range(3)],
        teardown=raises(problem),
    )
    program = OperationRing(ring, one=operation)
    program.stop()
    with pytest.raises(ExceptionGroup, match="operation ring: 3 failures") as caught:
        program.run()
    matched, rest = caught.value.split(lambda error: isinstance(error, RingError) and error.kind is ErrorKind.TEARDOWN)
    assert matched and not rest
    assert [data for data, _ in operation.torn_down] == [0, 1, 2]


# ---- threads, signals, stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["idle", "busy"])
def test_stop_from_another_thread(
    ring: Ring, background: Background, until: Callable[[Callable[[], Any]], None], reason: str
) -> None:
    """Also while completions keep coming."""

    def busy(entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> Flow:
        submitter.push(submitter.prepare.nop(), data)
        return Continue(), None

    setup = nops(1) if reason == "busy" else lambda submitter: submitter.push(submitter.prepare.timeout(3600), 0)
    operation = Scripted(setup, busy)
    program = OperationRing(ring, one=operation)
    run = background(program.run)
    until(lambda: program.in_flight)
    assert f"running, {program.in_flight} in flight" in repr(program)
    program.stop()
    run.result(30)
    assert len(operation.torn_down) == 1
    assert repr(program) == "<OperationRing of one: not running>"


def test_a_run_in_each_of_several_threads(background: Background) -> None:
    def work(number: int) -> list[tuple[Any, int]]:
        with Ring(4) as ring:
            operation = Scripted(nops(50))
            OperationRing(ring, one=operation).run()
            return operation.completed

    runs = [background(work, number) for number in range(4)]
    assert [run.result(30) for run in runs] == [[(number, 0) for number in range(50)]] * 4


def test_a_ring_that_another_thread_made(ring: Ring, background: Background) -> None:
    program = OperationRing(ring, one=Scripted(nops(10)))
    for _ in range(3):
        background(program.run).result(30)


def test_signals_run_their_handlers(child: Callable[[str], str]) -> None:
    """One calls stop(), which is safe there; and an interrupt comes out once everything is torn down."""
    output = child("""
        import os, signal, threading
        from compl_uring import Continue, OperationRing, Ring, RingOperation

        class Sleeps(RingOperation):
            def setup(self, submitter):
                submitter.push(submitter.prepare.timeout(3600), "sleep")
                threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
            def on_completion(self, entry, data, submitter):
                raise AssertionError(entry)
            def on_teardown_completion(self, entry, data, submitter):
                print("torn down:", data)

        with Ring(4) as ring:
            program = OperationRing(ring, sleeps=Sleeps())
            signal.signal(signal.SIGUSR1, lambda *_: program.stop())
            number = signal.SIGUSR1
            program.run()
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
            number = signal.SIGINT
            try:
                program.run()
            except KeyboardInterrupt:
                print("interrupted,", ring.in_flight, "in flight")
    """)
    assert output.splitlines() == ["torn down: sleep", "torn down: sleep", "interrupted, 0 in flight"]


def test_a_ring_that_is_closed_under_the_loop(pair: Pair) -> None:
    """Everything has ended then: each request is torn down, and the failure says what happened."""
    ring = Ring(8)

    def setup(submitter: Submitter[Any]) -> None:
        submitter.push(submitter.prepare.recv(pair[0], bytearray(1)), "recv")
        submitter.push(submitter.prepare.nop(), "nop")

    def close(entry: CompletionEntry, data: Any, submitter: Submitter[Any]) -> Flow:
        ring.close()
        return Continue(), None

    operation = Scripted(setup, close)
    with pytest.raises(RingError) as caught:
        OperationRing(ring, one=operation).run()
    assert caught.value.kind is ErrorKind.API
    assert operation.torn_down == [("recv", -errno.ECANCELED)]


# ---- making one -----------------------------------------------------------------------------------------------------


def test_what_is_no_operation(ring: Ring) -> None:
    with pytest.raises(TypeError, match="operation 'x' is a RingOperation, not 'int'"):
        OperationRing(ring, x=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs an operation"):
        OperationRing(ring)
    with pytest.raises(ValueError, match="backlog"):
        OperationRing(ring, -1, x=Scripted(nops(1)))
    with pytest.raises(TypeError, match="abstract"):
        RingOperation()  # type: ignore[abstract]


def test_the_operations_by_name(ring: Ring) -> None:
    one = Scripted(nops(1))
    program = OperationRing(ring, 5, one=one, ring=Scripted(nops(1)))
    assert program.operations["one"] is one
    assert list(program.operations) == ["one", "ring"]
    assert program.ring is ring


def test_one_run_at_a_time(ring: Ring, background: Background, until: Callable[[Callable[[], Any]], None]) -> None:
    program = OperationRing(ring, one=Scripted(lambda submitter: submitter.open_mailbox(None)))
    run = background(program.run)
    until(lambda: program.in_flight)
    with pytest.raises(RingError, match="already run by thread") as caught:
        program.run()
    assert caught.value.kind is ErrorKind.API
    program.stop()
    run.result(30)


def test_nothing_is_left_open() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with Ring(4) as ring:
        OperationRing(ring, one=Scripted(nops(1))).run()
        before = descriptors()
        for _ in range(5):
            OperationRing(ring, one=Scripted(nops(1))).run()
        assert descriptors() == before
    assert threading.active_count() == 1
