"""Pipes, terminals and devices: submitting never blocks, whatever their flags say, and SIGPIPE stays away."""

from __future__ import annotations

import errno
import os
import tty
from collections.abc import Callable, Iterator

import pytest

from compl_core import Completion, Interest, Kind
from compl_epoll import EpollPort

Pipe = tuple[int, int]
Child = Callable[[str], str]


def one(port: EpollPort) -> Completion:
    (done,) = port.wait(timeout=30)
    return done


# ---- pipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True])
def test_reading_an_empty_pipe(port: EpollPort, pipe: Pipe, blocking: bool) -> None:
    reader, writer = pipe
    os.set_blocking(reader, blocking)
    buffer = bytearray(10)
    port.read(reader, buffer, None, "read")
    assert port.wait(timeout=0) == []
    os.write(writer, b"abc")
    done = one(port)
    assert (done.kind, done.result, bytes(buffer[:3])) == (Kind.READ, 3, b"abc")
    assert os.get_blocking(reader) == blocking
    port.read(reader, buffer)
    os.close(writer)
    done = one(port)
    assert (done.result, done.eof) == (0, True)


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("size", [1, 4096, 5000, 65536, 1 << 20])
def test_filling_a_pipe(port: EpollPort, pipe: Pipe, blocking: bool, size: int) -> None:
    """Writes go on as far as the pipe has room; the one that finds none waits, and so does everything behind it."""
    reader, writer = pipe
    for fd in pipe:
        os.set_blocking(fd, blocking)
    payload = os.urandom(size)
    written = 0
    while True:
        port.write(writer, payload[written % size :])
        done = port.wait(timeout=0)
        if not done:
            break
        written += done[0].unwrap()
    received = bytearray()
    while len(received) < written:
        received += os.read(reader, 1 << 16)
    written += one(port).unwrap()
    while len(received) < written:
        received += os.read(reader, 1 << 16)
    assert received == (payload * (written // size + 1))[:written]
    assert port.statistics()["via_thread"] == 0


def test_the_reader_goes_away(port: EpollPort, pipe: Pipe) -> None:
    reader, writer = pipe
    while True:
        port.write(writer, bytes(1 << 16), None, "write")
        if not port.wait(timeout=0):
            break
    os.close(reader)
    done = one(port)
    assert isinstance(done.error, BrokenPipeError)
    port.write(writer, b"x")
    assert isinstance(one(port).error, BrokenPipeError)


SIGPIPES = """
    import os, signal, socket, sys, threading
    from compl_epoll import EpollPort

    mode = {mode!r}
    calls = []
    if mode == "handled":
        signal.signal(signal.SIGPIPE, lambda number, frame: calls.append(number))
    elif mode == "blocked":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
    else:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # it would end the process

    def broken(port, submit):
        submit()
        (done,) = port.wait(timeout=30)
        assert isinstance(done.error, BrokenPipeError), done

    with EpollPort() as port:
        for blocking in (False, True):
            reader, writer = os.pipe()
            os.set_blocking(writer, blocking)
            os.close(reader)
            broken(port, lambda: port.write(writer, b"x"))
            broken(port, lambda: port.write_vectored(writer, [b"x", b"y"]))
            os.close(writer)
            reader, writer = os.pipe()
            os.set_blocking(writer, blocking)
            while True:  # until one has to wait
                port.write(writer, bytes(1 << 16))
                if not port.wait(timeout=0):
                    break
            broken(port, lambda: os.close(reader))
            os.close(writer)
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            for submit in (port.send, port.send_all, port.write, lambda s, b: port.write_vectored(s, [b])):
                left, right = socket.socketpair(socket.AF_UNIX, kind)
                right.close()
                broken(port, lambda: submit(left, b"x"))
                left.close()
    if mode == "blocked":
        assert signal.SIGPIPE not in signal.sigpending()
        assert signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    else:
        assert signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert calls == []
    print("alive")
"""


@pytest.mark.parametrize("mode", ["default", "handled", "blocked"])
def test_a_broken_pipe_is_an_error_and_no_signal(child: Child, mode: str) -> None:
    assert child(SIGPIPES.replace("{mode!r}", repr(mode))) == "alive"


def test_a_pending_sigpipe_of_others_stays(child: Child) -> None:
    """One that the program blocked and has to come: ours must not take it away."""
    child("""
        import os, signal
        from compl_epoll import EpollPort

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
        os.kill(os.getpid(), signal.SIGPIPE)
        reader, writer = os.pipe()
        os.close(reader)
        with EpollPort() as port:
            port.write(writer, b"x")
            (done,) = port.wait(timeout=30)
            assert isinstance(done.error, BrokenPipeError)
        assert signal.SIGPIPE in signal.sigpending()
    """)


def test_fifos_and_vectors(port: EpollPort, pipe: Pipe) -> None:
    reader, writer = pipe
    first, second = bytearray(2), bytearray(10)
    port.read_vectored(reader, [first, second], None, "read")
    port.write_vectored(writer, [b"abc", b"", b"de"], None, "write")
    done = {each.token: each for each in port.wait(timeout=30, min_completions=2)}
    assert (done["read"].result, done["write"].result) == (5, 5)
    assert (bytes(first), bytes(second[:3])) == (b"ab", b"cde")


# ---- terminals ------------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo terminal: the master and the slave, raw."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, slave
    for fd in (master, slave):
        os.close(fd)


def test_reading_a_terminal(port: EpollPort, terminal: tuple[int, int]) -> None:
    for near, far in (terminal, terminal[::-1]):
        assert os.get_blocking(near)
        buffer = bytearray(100)
        port.read(near, buffer, None, "read")
        assert port.wait(timeout=0) == []
        os.write(far, b"hello")
        done = one(port)
        assert (done.result, bytes(buffer[:5])) == (5, b"hello")
        assert os.get_blocking(near)


def test_a_terminal_that_waits_for_a_line(port: EpollPort) -> None:
    master, slave = os.openpty()
    try:
        buffer = bytearray(100)
        port.read(slave, buffer)
        os.write(master, b"half a ")
        assert port.wait(timeout=0.02) == []
        os.write(master, b"line\n")
        assert buffer[: one(port).unwrap()] == b"half a line\n"
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_hangs_up(port: EpollPort) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port.read(slave, bytearray(10), None, "slave")
    port.poll(slave, Interest.READABLE, "poll")
    os.close(master)
    done = {each.token: each for each in port.wait(timeout=30, min_completions=2)}
    assert done["slave"].eof or done["slave"].result == -errno.EIO
    assert Interest.HANGUP in done["poll"].readiness
    os.close(slave)


def test_writing_more_than_a_terminal_takes(child: Child) -> None:
    """Neither end reads while the other writes: nothing but a full terminal, which must not hold up the program."""
    child("""
        import faulthandler, os, random, tty
        from compl_epoll import EpollPort

        faulthandler.dump_traceback_later(30, exit=True)
        random.seed(5)
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        with EpollPort() as port:
            sent, received, waiting = bytearray(), bytearray(), b""
            while len(received) < 400_000:
                if not waiting and len(sent) < 400_000:
                    waiting = os.urandom(random.choice([1, 100, 4095, 4096, 5000, 70_000]))
                    port.write(slave, waiting)
                for done in port.wait(timeout=0):
                    sent += waiting[: done.unwrap()]
                    waiting = b""
                if waiting or len(sent) >= 400_000 or random.random() < 0.1:
                    try:
                        received += os.read(master, random.choice([1, 50, 500, 5000]))
                    except BlockingIOError:
                        pass
            assert sent.startswith(received)
            assert os.get_blocking(slave)
        os.close(master)
        os.close(slave)
    """)


# ---- other devices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, os.EFD_NONBLOCK])
def test_a_counter(port: EpollPort, flags: int) -> None:
    """A blocking eventfd blocks its writer, too, where the sum would not fit."""
    counter = os.eventfd(0, flags)
    buffer = bytearray(8)
    port.read(counter, buffer, None, "read")
    assert port.wait(timeout=0) == []
    os.eventfd_write(counter, 3)
    assert (one(port).result, int.from_bytes(buffer, "little")) == (8, 3)
    port.write(counter, (4).to_bytes(8, "little"))
    assert one(port).result == 8
    assert os.eventfd_read(counter) == 4
    os.close(counter)


def test_a_counter_that_is_full(child: Child) -> None:
    child("""
        import faulthandler, os
        from compl_epoll import EpollPort

        faulthandler.dump_traceback_later(30, exit=True)
        counter = os.eventfd(0)
        os.eventfd_write(counter, 2**64 - 20)
        with EpollPort() as port:
            port.write(counter, (100).to_bytes(8, "little"))
            assert port.wait(timeout=0.01) == []
            assert os.eventfd_read(counter) == 2**64 - 20
            (done,) = port.wait(timeout=30)
            assert done.result == 8
            assert os.eventfd_read(counter) == 100
        os.close(counter)
    """)


def test_devices_that_never_wait(port: EpollPort) -> None:
    null, zero = os.open("/dev/null", os.O_RDWR), os.open("/dev/zero", os.O_RDONLY)
    full = os.open("/dev/full", os.O_WRONLY)
    buffer = bytearray(b"x" * 10)
    port.read(zero, buffer, None, "zero")
    port.read(null, bytearray(10), None, "null")
    port.write(null, b"abc", None, "write")
    port.write(full, b"abc", None, "full")
    done = {each.token: each for each in port.wait(timeout=30, min_completions=4)}
    assert (done["zero"].result, bytes(buffer)) == (10, bytes(10))
    assert (done["null"].result, done["null"].eof) == (0, True)
    assert done["write"].result == 3
    assert done["full"].result == -errno.ENOSPC
    port.poll(null, Interest.READABLE)
    assert Interest.READABLE in one(port).readiness
    with pytest.raises(PermissionError):
        port.register(null, 1, Interest.READABLE)
    for fd in (null, zero, full):
        os.close(fd)
