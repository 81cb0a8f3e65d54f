"""Rules of the area *file*: pipes, FIFOs and terminals, whose descriptors block."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import os
import socket
import sys

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import close_number, drain, pour
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.processes import run_program
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Kind

FILE_IO = Capability.FILE_IO


@rule("file/49", needs=FILE_IO)
def test_pipe_read_pends(port: CompletionPort, sources: Sources) -> None:
    """A read of an empty pipe returns to the caller at once and completes when there is something, with what there
    is.
    """
    read_end, write_end = sources.pipe()
    port.register(read_end, 0x7C)
    buffer = bytearray(b"......")
    background(port.read, read_end, buffer, None, "pipe").result()
    expect_nothing(port)
    pour(write_end, b"abc")
    expect_completion(wait_one(port), key=0x7C, result=3, token="pipe", kind=Kind.READ, error=None, eof=False)
    expect_bytes(buffer, b"abc...")


@rule("file/50", needs=FILE_IO)
def test_pipe_end(port: CompletionPort, sources: Sources) -> None:
    """When the last writer of a pipe has closed it, reads give what is left, then 0 and eof, as often as asked."""
    read_end, write_end = sources.pipe()
    pour(write_end, b"abc")
    close_number(write_end)
    buffer = bytearray(8)
    port.read(read_end, buffer)
    expect_completion(wait_one(port), result=3, error=None, eof=False)
    for _ in range(2):
        port.read(read_end, buffer)
        expect_completion(wait_one(port), result=0, error=None, eof=True)


@rule("file/51", needs=FILE_IO)
def test_pipe_end_while_reading(port: CompletionPort, sources: Sources) -> None:
    """Reads that are pending when the last writer of a pipe closes it all complete, with 0 and eof."""
    read_end, write_end = sources.pipe()
    for index in range(3):
        port.read(read_end, bytearray(4), None, index)
    expect_nothing(port, 0.01)
    close_number(write_end)
    done = wait_for(port, 3)
    for one in done:
        expect_completion(one, result=0, error=None, eof=True)
    expect([one.token for one in done] == [0, 1, 2], "the order of submission", [one.token for one in done])


@rule("file/52", needs=FILE_IO)
def test_pipe_without_reader(port: CompletionPort, sources: Sources) -> None:
    """A write to a pipe that nobody reads completes with BrokenPipeError."""
    read_end, write_end = sources.pipe()
    close_number(read_end)
    for _ in range(2):
        port.write(write_end, b"abc")
        done = expect_completion(wait_one(port), kind=Kind.WRITE, error=errno.EPIPE)
        expect(type(done.error) is BrokenPipeError, "a BrokenPipeError", done.error)


@rule("file/53", needs=FILE_IO)
def test_pipe_reads_in_order(port: CompletionPort, sources: Sources) -> None:
    """Reads of one pipe complete in the order of submission, and the bytes go to them in that order."""
    read_end, write_end = sources.pipe()
    data = pattern(16 * 4)
    buffers = [bytearray(4) for _ in range(16)]
    for index, buffer in enumerate(buffers):
        port.read(read_end, buffer, None, index)
    expect_nothing(port, 0.01)
    pour(write_end, data)
    done = wait_for(port, 16)
    expect([one.token for one in done] == list(range(16)), "the order of submission", [one.token for one in done])
    expect_bytes(b"".join(buffers), data, "the buffers")


@rule("file/54", needs=FILE_IO)
def test_pipe_writes_in_order(port: CompletionPort, sources: Sources) -> None:
    """Writes to one pipe complete in the order of submission, and so do their bytes leave it, also when it is full
    meanwhile.
    """
    read_end, write_end = sources.pipe()
    pieces = [pattern(40_000, seed) for seed in range(8)]
    for index, piece in enumerate(pieces):
        background(port.write, write_end, piece, None, index).result()
    reader = background(drain, read_end)
    done = wait_for(port, len(pieces))
    close_number(write_end)
    expect([one.token for one in done] == list(range(8)), "the order of submission", [one.token for one in done])
    for one in done:
        expect(one.error is None and one.result > 0, "at least one byte written, without an error", one)
    wanted = b"".join(piece[: one.result] for piece, one in zip(pieces, done, strict=True))
    expect_bytes(reader.result(), wanted, "the pipe")


@rule("file/55", needs=FILE_IO)
def test_full_pipe(port: CompletionPort, sources: Sources) -> None:
    """A write to a full pipe returns to the caller at once and completes once there is room."""
    read_end, write_end = sources.pipe()
    if sys.platform == "win32":
        host_lacks("how much a pipe takes cannot be found out here", fix="run the rule on a POSIX system")
    os.set_blocking(write_end, False)
    filled = 0
    try:
        while True:
            filled += os.write(write_end, bytes(4096))
    except BlockingIOError:
        os.set_blocking(write_end, True)
    background(port.write, write_end, b"abc", None, "write").result()
    expect_nothing(port)
    drain(read_end, filled)
    expect_completion(wait_one(port), token="write", result=3, kind=Kind.WRITE, error=None)
    expect_bytes(drain(read_end, 3), b"abc", "the pipe")


@rule("file/56", needs=FILE_IO)
def test_non_blocking_pipe(port: CompletionPort, sources: Sources) -> None:
    """A descriptor in non-blocking mode behaves as one in blocking mode does, never giving EAGAIN; the mode stays."""
    if sys.platform == "win32":
        host_lacks("HANDLEs have no non-blocking mode here", fix="run the rule on a POSIX system")
    for blocking in (False, True):
        read_end, write_end = sources.pipe()
        os.set_blocking(read_end, blocking)
        os.set_blocking(write_end, blocking)
        port.read(read_end, bytearray(4), None, "read")
        expect_nothing(port, 0.01)
        port.write(write_end, b"abc", None, "write")
        done = {one.token: one for one in wait_for(port, 2)}
        expect_completion(done["write"], result=3, error=None)
        expect_completion(done["read"], result=3, error=None)
        modes = (os.get_blocking(read_end), os.get_blocking(write_end))
        expect(modes == (blocking, blocking), f"blocking={blocking} at both ends still", modes)


@rule("file/57", needs=FILE_IO)
def test_many_pipes(port: CompletionPort, sources: Sources) -> None:
    """Reads pending on many pipes hold up neither each other nor the caller, however many helper threads there are."""
    pipes = [sources.pipe() for _ in range(100)]
    buffers = [bytearray(4) for _ in pipes]
    for index, (read_end, _) in enumerate(pipes):
        port.read(read_end, buffers[index], None, index)
    for index in reversed(range(100)):
        pour(pipes[index][1], index.to_bytes(4, "big"))
        expect_completion(wait_one(port), token=index, result=4, error=None)
        expect_bytes(buffers[index], index.to_bytes(4, "big"))


@rule("file/58", needs=FILE_IO)
def test_fifo_open_both_ways(port: CompletionPort, sources: Sources) -> None:
    """A read of a FIFO that is open for reading and writing pends until something is written to it."""
    if sys.platform == "win32":
        host_lacks("the file system has no FIFOs here", fix="run the rule on a POSIX system")
    path = sources.path().with_suffix(".fifo")
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDWR)
    try:
        buffer = bytearray(8)
        background(port.read, fifo, buffer, None, "fifo").result()
        expect_nothing(port)
        os.write(fifo, b"abc")
        expect_completion(wait_one(port), token="fifo", result=3, error=None)
        expect_bytes(buffer[:3], b"abc")
    finally:
        os.close(fifo)


@rule("file/59", needs=FILE_IO)
def test_fifo_end(port: CompletionPort, sources: Sources) -> None:
    """A read of a FIFO pends while it has a writer, and completes with 0 and eof when the last one closes it."""
    if sys.platform == "win32":
        host_lacks("the file system has no FIFOs here", fix="run the rule on a POSIX system")
    path = sources.path().with_suffix(".fifo")
    os.mkfifo(path)
    read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_end = os.open(path, os.O_WRONLY)
        try:
            port.read(read_end, bytearray(8), None, "fifo")
            expect_nothing(port)
        finally:
            os.close(write_end)
        expect_completion(wait_one(port), token="fifo", result=0, error=None, eof=True)
    finally:
        os.close(read_end)


@rule("file/60", needs=FILE_IO)
def test_terminal(port: CompletionPort) -> None:
    """A terminal is read and written as a pipe is, from either side: reads pend until the other side has written."""
    if sys.platform == "win32":
        host_lacks("no pseudo-terminals in the os module here", fix="run the rule on Linux or macOS")
    import tty

    ends = os.openpty()
    try:
        tty.setraw(ends[1])
        for here, there in (ends, ends[::-1]):
            buffer = bytearray(8)
            background(port.read, here, buffer, None, "read").result()
            expect_nothing(port)
            port.write(there, b"abc", None, "write")
            done = {one.token: one for one in wait_for(port, 2)}
            expect_completion(done["write"], result=3, error=None)
            expect_completion(done["read"], result=3, error=None)
            expect_bytes(buffer[:3], b"abc")
    finally:
        for number in ends:
            os.close(number)


@rule("file/61", needs=Capability.VECTORED)
def test_vectored_pipe(port: CompletionPort, sources: Sources) -> None:
    """Vectored reads and writes of a pipe scatter and gather as those of a file do, and pend as plain ones do."""
    read_end, write_end = sources.pipe()
    buffers = [bytearray(b"..") for _ in range(3)]
    port.read_vectored(read_end, buffers, None, "read")
    expect_nothing(port, 0.01)
    port.write_vectored(write_end, [b"a", b"bc"], None, "write")
    done = {one.token: one for one in wait_for(port, 2)}
    expect_completion(done["write"], result=3, kind=Kind.WRITE, error=None)
    expect_completion(done["read"], result=3, kind=Kind.READ, error=None)
    expect_bytes(b"|".join(buffers), b"ab|c.|..", "the buffers")


@rule("file/62", needs=FILE_IO)
def test_no_sigpipe(backend_spec: str, port: CompletionPort, sources: Sources) -> None:
    """A write to a pipe without a reader does not kill a process that has left SIGPIPE to its default."""
    if sys.platform == "win32":
        host_lacks("this system has no SIGPIPE", fix="run the rule on a POSIX system")
    port.write(sources.pipe()[1], b"x")  # refused where file I/O is not declared
    said = run_program(
        backend_spec,
        """
        import os, signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with port:
            reading, writing = os.pipe()
            os.close(reading)
            for _ in range(3):
                port.write(writing, b"x")
                [done] = port.wait(timeout=5)
                print(type(done.error).__name__)
        """,
    )
    expect(said.split() == ["BrokenPipeError"] * 3, "BrokenPipeError three times", said)


@rule("file/63", needs=FILE_IO)
def test_pipe_directions_apart(port: CompletionPort, sources: Sources) -> None:
    """On a file that is open both ways, a pending read holds up no write, and the other way round."""
    one, other = sources.stream()
    if sys.platform == "win32" and one.family != socket.AF_INET:
        host_lacks("no stream that reads and writes as a file does here", fix="run the rule on a POSIX system")
    port.read(one, bytearray(4), None, "read")
    expect_nothing(port, 0.01)
    port.write(one, b"abc", None, "write")
    expect_completion(wait_one(port), token="write", result=3, error=None)
    expect_bytes(other.recv(8), b"abc", "the peer")
    other.send(b"xyz")
    expect_completion(wait_one(port), token="read", result=3, error=None)
