"""A port from beginning to end: opening, subclassing, counting, forking, being collected, being closed."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compl_core import Completion, CompletionPort, ForkedPortError, Interest, Kind, PortClosedError
from compl_epoll import EpollPort, _native

Pair = tuple[socket.socket, socket.socket]
Child = Callable[[str], str]


class Token:
    """Something that a weak reference can watch."""


def tasks() -> int:
    """Threads of this process, those that Python knows nothing of among them."""
    return len(list(Path("/proc/self/task").iterdir()))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# ---- opening and subclassing ----------------------------------------------------------------------------------------


def test_what_it_is(port: EpollPort) -> None:
    assert isinstance(port, CompletionPort)
    assert isinstance(port, _native.Port)
    assert port.name == EpollPort.name == "epoll"
    assert repr(port) == f"<EpollPort 0 in flight at {id(port):#x}>"
    port.close()
    assert repr(port) == f"<EpollPort closed at {id(port):#x}>"


def test_opened_once(port: EpollPort) -> None:
    for again in (port, EpollPort.__new__(EpollPort)):
        with contextlib.closing(again):
            if again is not port:
                again.__init__()  # type: ignore[misc]
            again.post(1)
            with pytest.raises(RuntimeError, match="twice"):
                again.__init__()  # type: ignore[misc]
            assert [done.key for done in again.wait(timeout=0)] == [1]
        if again is not port:
            with pytest.raises((RuntimeError, PortClosedError)):
                again.__init__()  # type: ignore[misc]


def test_never_opened() -> None:
    port = EpollPort.__new__(EpollPort)
    assert port.closed
    assert port.in_flight == 0
    for call in (port.nop, port.wait, port.fileno, port.statistics, lambda: port.post(1)):
        with pytest.raises(PortClosedError):
            call()
    port.close()


def test_no_arguments() -> None:
    with pytest.raises(TypeError):
        EpollPort(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        EpollPort(name="x")  # type: ignore[call-arg]


def test_subclasses(pair: Pair) -> None:
    class Counting(EpollPort):
        def __init__(self, start: int) -> None:
            super().__init__()
            self.count = start

        def post(self, key: int, result: int = 0, token: object = None) -> None:
            self.count += 1
            super().post(key, result, token)

        def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
            return [done for done in super().wait(*arguments, **named) if done.kind is not Kind.NOP]

    @_native.specialise
    class Specialised(Counting):
        __slots__ = ("extra",)

    for cls in (Counting, Specialised):
        with cls(5) as port:
            assert not port.__class__.__abstractmethods__
            port.nop()
            port.post(1)
            port.recv(pair[0], bytearray(1), 0, "recv")
            pair[1].send(b"x")
            done = port.wait(timeout=30, min_completions=3)
            assert (port.count, [each.kind for each in done]) == (6, [Kind.POSTED, Kind.RECV])
            weakref.ref(port)
        assert port.closed


def test_specialised_methods_are_the_same_methods() -> None:
    """Only so does the interpreter's inline cache hold them for the subclass."""
    for name in ("recv", "send", "post", "wait", "register", "fileno", "close"):
        assert getattr(EpollPort, name).__objclass__ is EpollPort
        assert getattr(EpollPort, name).__name__ == name
        assert getattr(EpollPort, name).__doc__ == getattr(_native.Port, name).__doc__


# ---- counting -------------------------------------------------------------------------------------------------------


def test_statistics(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    zero = port.statistics()
    assert {"submitted", "in_flight", "ready", "posted", "via_thread", "resubmitted", "kernel_waits"} <= set(zero)
    assert set(zero.values()) == {0}
    port.post(1)
    port.nop()
    port.recv(left, bytearray(1))
    port.timeout(3600)
    found = port.statistics()
    assert (found["submitted"], found["in_flight"], found["ready"], found["posted"]) == (3, 3, 2, 1)
    assert port.in_flight == 3
    assert len(port.wait()) == 2
    found = port.statistics()
    assert (found["submitted"], found["in_flight"], found["ready"], found["posted"]) == (3, 2, 0, 1)
    right.send(b"x")
    assert len(port.wait(timeout=30)) == 1
    found = port.statistics()
    assert (found["in_flight"], found["waits"]) == (1, 2)
    assert found["kernel_waits"] >= 1


def submissions(port: EpollPort, left: socket.socket, file: Any, buffer: bytearray, token: object) -> Iterator[int]:
    """One of each operation; all complete."""
    host = ("127.0.0.1", 9)
    yield port.nop(token)
    yield port.timeout(0, token)
    yield port.send(left, b"x", 0, token)
    yield port.send_all(left, b"x", token)
    yield port.recv(left, buffer, 0, token)
    yield port.recv_exactly(left, buffer, token)
    yield port.recv_from(left, buffer, 0, token)
    yield port.send_to(left, buffer, host, 0, token)
    yield port.connect(left, host, token)
    yield port.accept(left, token)
    yield port.accept(left, token, multishot=True)
    yield port.poll(left, Interest.READABLE, token)
    yield port.read(file, buffer, 0, token)
    yield port.read(file, buffer, None, token)
    yield port.write(file, buffer, 0, token)
    yield port.read_vectored(file, [buffer, buffer], 0, token)
    yield port.write_vectored(file, [b"abc", b"def"], None, token)
    yield port.fsync(file, token)


@pytest.mark.parametrize("end", ["wait", "cancel", "close"])
def test_every_reference_is_given_back(tcp: Pair, tmp_path: Path, end: str) -> None:
    left, right = tcp
    buffer, token = bytearray(3), Token()
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        held = [buffer, token, left, file, b"abc"]
        before = [sys.getrefcount(each) for each in held]
        for _ in range(10):
            with EpollPort() as port:
                port.register(left, 2**64 - 1)
                count = len([*submissions(port, left, file, buffer, token)])
                assert port.in_flight == count
                with pytest.raises(BufferError):
                    buffer.append(0)
                right.sendall(b"y" * 10)
                if end == "cancel":
                    port.cancel_all(left)
                while end != "close" and port.in_flight:
                    assert port.wait(timeout=30)
        assert [sys.getrefcount(each) for each in held] == before
        buffer.append(0)


def test_calls_that_raise_keep_nothing(port: EpollPort, pair: Pair) -> None:
    buffer, token = bytearray(3), Token()
    held = [buffer, token, pair[0]]
    before = [sys.getrefcount(each) for each in held]
    blocks = port.statistics()
    wrong: list[Callable[[], object]] = [
        lambda: port.recv(pair[0], b"read-only", 0, token),
        lambda: port.recv(object(), buffer, 0, token),  # type: ignore[arg-type]
        lambda: port.read(pair[0], buffer, 5, token),
        lambda: port.read(pair[0], buffer, -5, token),
        lambda: port.read_vectored(pair[0], [buffer, b"read-only"], None, token),
        lambda: port.read_vectored(pair[0], [], None, token),
        lambda: port.connect(pair[0], 5, token),  # type: ignore[arg-type]
        lambda: port.timeout(-1, token),
        lambda: port.poll(pair[0], Interest.NONE, token),
        lambda: port.post(-1, 0, token),
        lambda: port.register(pair[0], 2**64),
    ]
    for call in wrong * 5:
        with pytest.raises((TypeError, ValueError, BufferError, OverflowError)):
            call()
    assert [sys.getrefcount(each) for each in held] == before
    assert port.statistics() == blocks
    assert port.wait(timeout=0) == []


# ---- being collected ------------------------------------------------------------------------------------------------


def cycle(pair: Pair, *, close: bool) -> weakref.ref[Token]:
    """A port that is referred to by all that it holds."""
    port = EpollPort()
    token = Token()
    token.port = port  # type: ignore[attr-defined]

    class File(Token):
        def fileno(self) -> int:
            return pair[0].fileno()

    file = File()
    file.port = port  # type: ignore[attr-defined]
    port.post(1, 0, token)
    port.nop(token)
    port.timeout(3600, token)
    port.register(file, 1)
    port.recv(file, bytearray(1), 0, token)
    port.recv(file, memoryview(bytearray(1)), 0, token)
    if close:
        port.close()
    return weakref.ref(token)


@pytest.mark.parametrize("close", [False, True])
def test_cycles_are_collected(pair: Pair, close: bool) -> None:
    """References that the port keeps in C memory are seen by the collector; an open port says that it was left so."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        token = cycle(pair, close=close)
        if close:
            assert token() is None
        gc.collect()
    assert token() is None
    assert [each.category for each in caught] == ([] if close else [ResourceWarning])
    assert close or "unclosed epoll port" in str(caught[0].message)
    gc.collect()
    assert gc.garbage == []


def test_a_living_port_is_not_collected(port: EpollPort) -> None:
    tokens = [Token() for _ in range(100)]
    watched = [weakref.ref(token) for token in tokens]
    for token in tokens:
        port.nop(token)
    del tokens, token
    gc.collect()
    assert all(each() is not None for each in watched)
    assert len(port.wait(1000)) == 100
    assert all(each() is None for each in watched)


def test_dropping_an_open_port_closes_it(pair: Pair) -> None:
    before = descriptors()
    buffer = bytearray(1)
    port = EpollPort()
    port.recv(pair[0], buffer)
    assert port.fileno() >= 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del port
        gc.collect()
    assert [each.category for each in caught] == [ResourceWarning]
    assert "unclosed epoll port <EpollPort 1 in flight" in str(caught[0].message)
    buffer.append(0)
    assert descriptors() == before


# ---- helper threads and forks ---------------------------------------------------------------------------------------


def test_helper_threads_end_with_the_port(tmp_path: Path) -> None:
    before = tasks()
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        with EpollPort() as port:
            for n in range(40):
                port.write(file, bytes(1 << 20), n << 20)
            assert before < tasks() <= before + 16
            while port.in_flight:
                port.wait(timeout=30)
            assert port.statistics()["via_thread"] > 0
            port.fsync(file)  # in flight, or waiting for a thread
        deadline = time.monotonic() + 10
        while tasks() > before and time.monotonic() < deadline:  # a thread that is done is still leaving the kernel
            time.sleep(0.001)
        assert tasks() == before


def test_a_forked_child_leaves_the_parent_alone(child: Child) -> None:
    child("""
        import os, sys, tempfile
        import faulthandler, warnings
        faulthandler.dump_traceback_later(60, exit=True)
        warnings.simplefilter("ignore", DeprecationWarning)  # fork() beside threads is what is tested
        from compl_core import CompletionFlags, ForkedPortError
        from compl_epoll import EpollPort

        with tempfile.TemporaryFile(buffering=0) as file, EpollPort() as port:
            written = 0
            for n in range(100):
                port.write(file, bytes([n]) * (1 << 20), n << 20, n)
                if n % 10 == 0:
                    pid = os.fork()
                    if pid == 0:
                        for call in (port.nop, port.fileno, lambda: port.wait(timeout=0), lambda: port.post(1)):
                            try:
                                call()
                            except ForkedPortError as error:
                                assert str(os.getppid()) in str(error)
                            else:
                                os._exit(2)
                        if n % 20:
                            port.close()
                        else:
                            del port  # no warning: it was never the child's
                        with EpollPort() as mine:
                            mine.write(file, b"", 0)
                            mine.post(3)
                            assert len(mine.wait(timeout=20, min_completions=2)) == 2
                        os._exit(0)
                    assert os.waitpid(pid, 0)[1] == 0
            done = []
            while port.in_flight:
                done += port.wait(timeout=20)
            assert sorted(each.token for each in done) == list(range(100))
            assert all(each.result == 1 << 20 for each in done)
            assert sum(bool(each.flags & CompletionFlags.VIA_THREAD) for each in done) == 100
            for n in range(100):
                assert os.pread(file.fileno(), 3, n << 20) == bytes([n]) * 3
    """)


def test_a_fork_does_not_disturb_a_waiter(child: Child) -> None:
    child("""
        import os, threading, warnings
        import faulthandler
        faulthandler.dump_traceback_later(60, exit=True)
        warnings.simplefilter("ignore", DeprecationWarning)
        from compl_epoll import EpollPort

        with EpollPort() as port:
            found = []
            waiter = threading.Thread(target=lambda: found.extend(port.wait()))
            waiter.start()
            pid = os.fork()
            if pid == 0:
                port.close()  # its own descriptors only
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            port.post(7)
            waiter.join()
            assert [done.key for done in found] == [7]
    """)


def test_interpreter_exit_with_everything_open(child: Child) -> None:
    """Waiters, timers, helper threads, a port that nobody closes: the process ends."""
    output = child("""
        import os, socket, tempfile, threading, warnings
        from compl_epoll import EpollPort

        warnings.simplefilter("ignore", ResourceWarning)
        port = EpollPort()
        left, right = socket.socketpair()
        file = tempfile.TemporaryFile(buffering=0)
        for _ in range(3):
            threading.Thread(target=port.wait, daemon=True, args=(64, None)).start()
        port.recv(left, bytearray(10))
        port.timeout(3600)
        port.write(file, bytes(1 << 20), 0)
        print("ends")
    """)
    assert output == "ends"


def test_refused_in_a_child_by_name(port: EpollPort) -> None:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            port.post(1)
        except ForkedPortError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    message = os.read(reader, 1000).decode()
    os.close(reader)
    assert f"belongs to process {os.getpid()}" in message
    assert str(pid) in message
    port.post(1)
    assert len(port.wait(timeout=0)) == 1
