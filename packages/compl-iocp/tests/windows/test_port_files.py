"""IocpPort on files: overlapped ones are the kernel's work, others helper threads'; anonymous pipes block nobody."""

from __future__ import annotations

import errno
import msvcrt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from compl_core import Completion, CompletionFlags
from compl_iocp import IocpPort

PATIENCE = 30.0


@pytest.fixture
def port() -> Iterator[IocpPort]:
    with IocpPort() as port:
        yield port


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of an anonymous pipe, as HANDLEs; their C descriptors are closed with the test."""
    ends = os.pipe()
    yield msvcrt.get_osfhandle(ends[0]), msvcrt.get_osfhandle(ends[1])
    for end in ends:
        os.close(end)


def one(port: IocpPort) -> Completion:
    (done,) = port.wait(1, PATIENCE)
    return done


def test_an_overlapped_file_needs_no_thread(port: IocpPort, overlapped_file: int) -> None:
    port.write(overlapped_file, b"0123456789", 0)
    assert one(port).unwrap() == 10
    buffer = bytearray(4)
    port.read(overlapped_file, buffer, 3)
    done = one(port)
    assert (done.result, bytes(buffer)) == (4, b"3456")
    assert not done.flags & CompletionFlags.VIA_THREAD
    assert port.statistics()["via_thread"] == 0


def test_the_port_keeps_the_position_of_an_overlapped_file(port: IocpPort, overlapped_file: int) -> None:
    for text in (b"one,", b"two,", b"three"):
        port.write(overlapped_file, text)
    assert [done.result for _ in range(3) for done in [one(port)]] == [4, 4, 5]
    with IocpPort() as other:  # it knows nothing of the first one's position, and starts at the beginning
        buffers = [bytearray(4) for _ in range(4)]
        for buffer in buffers:
            other.read(overlapped_file, buffer)
        found = [one(other) for _ in buffers]
    parts = [bytes(buffer[: done.result]) for buffer, done in zip(buffers, found, strict=True)]
    assert b"".join(parts) == b"one,two,three"


def test_the_end_of_an_overlapped_file_is_no_error(port: IocpPort, overlapped_file: int) -> None:
    port.read(overlapped_file, bytearray(4), 0)
    done = one(port)
    assert (done.result, done.error, done.eof) == (0, None, True)


def test_vectors_of_an_overlapped_file(port: IocpPort, overlapped_file: int) -> None:
    port.write_vectored(overlapped_file, [b"ab", b"", b"cdef"], 1 << 20)
    assert one(port).unwrap() == 6
    parts = [bytearray(1), bytearray(4), bytearray(9)]
    port.read_vectored(overlapped_file, parts, 1 << 20)
    assert one(port).unwrap() == 6
    assert (bytes(parts[0]), bytes(parts[1]), bytes(parts[2][:1])) == (b"a", b"bcde", b"f")


def test_many_reads_of_an_overlapped_file_at_once(port: IocpPort, overlapped_file: int) -> None:
    port.write(overlapped_file, bytes(range(200)), 0)
    one(port)
    buffers = [bytearray(1) for _ in range(200)]
    for offset, buffer in enumerate(buffers):
        port.read(overlapped_file, buffer, offset, offset)
    found: list[object] = []
    while len(found) < 200:
        found += [done.token for done in port.wait(timeout=PATIENCE)]
    assert sorted(found, key=repr) == sorted(range(200), key=repr)
    assert b"".join(buffers) == bytes(range(200))


def test_an_offset_leaves_the_position_of_an_ordinary_file_alone(port: IocpPort, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        file.write(b"0123456789")
        file.seek(2)
        port.read(file, bytearray(3), 6)
        port.write(file, b"x", 9)
        assert [one(port).result, one(port).result] == [3, 1]
        assert file.tell() == 2
        buffer = bytearray(3)
        port.read(file, buffer)
        done = one(port)
        assert (done.result, bytes(buffer), file.tell()) == (3, b"234", 5)
        assert done.flags & CompletionFlags.VIA_THREAD


def test_a_blocked_read_of_an_anonymous_pipe(port: IocpPort, pipe: tuple[int, int]) -> None:
    buffer = bytearray(8)
    port.read(pipe[0], buffer, None, "read")
    assert port.wait(timeout=0.05) == []
    port.write(pipe[1], b"abc", None, "write")
    found = {done.token: done.result for _ in range(2) for done in [one(port)]}
    assert found == {"read": 3, "write": 3}
    assert buffer[:3] == b"abc"


def test_a_blocked_read_is_cancelled(port: IocpPort, pipe: tuple[int, int]) -> None:
    for _ in range(10):
        operation = port.read(pipe[0], bytearray(8))
        port.wait(timeout=0)  # the helper thread may or may not have come to it
        assert port.cancel(operation)
        done = one(port)
        assert done.error is not None
        assert done.error.errno == errno.ECANCELED
    port.write(pipe[1], b"still whole")
    one(port)
    buffer = bytearray(16)
    port.read(pipe[0], buffer)
    assert one(port).result == 11


def test_the_end_of_an_anonymous_pipe(port: IocpPort) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as file:
        port.read(file, bytearray(8))
        os.close(writing)
        done = one(port)
        assert (done.result, done.eof, done.error) == (0, True, None)


def test_a_pipe_that_nobody_reads(port: IocpPort) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as file:
        port.write(file, b"x")
        done = one(port)
        assert isinstance(done.error, BrokenPipeError)
        assert done.error.errno == errno.EPIPE


def test_close_ends_a_blocked_read(pipe: tuple[int, int]) -> None:
    buffer = bytearray(8)
    port = IocpPort()
    port.read(pipe[0], buffer)
    assert port.wait(timeout=0.02) == []
    port.close()  # a ResourceWarning here would be an error
    buffer.extend(b"resizable again")
