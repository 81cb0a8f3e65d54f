"""Rules of the area *file*: reading and writing regular files."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import io
import os
import sys

from compl_conformance.expect import expect, expect_completion, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, FileLike, Fsync, Kind, Read, Write

FILE_IO = Capability.FILE_IO


@rule("file/1", needs=FILE_IO, proves=FILE_IO)
def test_read(port: CompletionPort, sources: Sources) -> None:
    """A read completes with the number of bytes that it put into the buffer, under the file's key, with the caller's
    token.
    """
    file = sources.file(b"0123456789")
    port.register(file, 0x77)
    buffer, token = bytearray(b"......"), object()
    port.read(file, memoryview(buffer)[:4], 2, token)
    done = wait_one(port)
    expect_completion(done, key=0x77, result=4, token=token, kind=Kind.READ, error=None, eof=False, more=False)
    expect_bytes(buffer, b"2345..")


@rule("file/2", needs=FILE_IO)
def test_end_of_file(port: CompletionPort, sources: Sources) -> None:
    """A read at or beyond the end of a file completes with result 0 and eof, without an error."""
    file = sources.file(b"0123456789")
    for offset in (10, 11, 1 << 20):
        port.read(file, bytearray(4), offset)
        expect_completion(wait_one(port), result=0, kind=Kind.READ, error=None, eof=True)


@rule("file/3", needs=FILE_IO)
def test_short_read(port: CompletionPort, sources: Sources) -> None:
    """A read that meets the end of the file gives the bytes before it, without eof, and leaves the rest of the buffer
    alone.
    """
    file = sources.file(b"0123456789")
    buffer = bytearray(b"......")
    port.read(file, buffer, 7)
    expect_completion(wait_one(port), result=3, error=None, eof=False)
    expect_bytes(buffer, b"789...")


@rule("file/4", needs=FILE_IO)
def test_empty_buffers(port: CompletionPort, sources: Sources) -> None:
    """A read or write with an empty buffer completes with result 0 and without eof, wherever in the file it stands."""
    file = sources.file(b"0123456789")
    for offset in (None, 0, 10, 99):
        port.read(file, bytearray(), offset)
        expect_completion(wait_one(port), result=0, kind=Kind.READ, error=None, eof=False)
        port.write(file, b"", offset)
        expect_completion(wait_one(port), result=0, kind=Kind.WRITE, error=None, eof=False)
    size = os.fstat(file.fileno()).st_size
    expect(
        size == 10 and file.tell() == 0,
        "the file untouched: size 10, position 0",
        f"size {size}, position {file.tell()}",
    )


@rule("file/5", needs=FILE_IO)
def test_empty_buffer_on_a_closed_file(port: CompletionPort, sources: Sources) -> None:
    """A read or write with an empty buffer still completes with EBADF when the file is not open."""
    number = sources.closed_number()
    port.read(number, bytearray(), token="read")
    expect_completion(wait_one(port), token="read", kind=Kind.READ, error=errno.EBADF)
    port.write(number, b"", token="write")
    expect_completion(wait_one(port), token="write", kind=Kind.WRITE, error=errno.EBADF)


@rule("file/6", needs=FILE_IO)
def test_write(port: CompletionPort, sources: Sources) -> None:
    """A write completes with the number of bytes that the file took from the buffer, at the offset asked for."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    port.register(file, 0x78)
    token = object()
    port.write(file, b"abc", 4, token)
    expect_completion(
        wait_one(port), key=0x78, result=3, token=token, kind=Kind.WRITE, error=None, eof=False, more=False
    )
    expect_bytes(path.read_bytes(), b"0123abc789", "the file")


@rule("file/7", needs=FILE_IO)
def test_offset_leaves_the_position(port: CompletionPort, sources: Sources) -> None:
    """A read or write with an offset neither uses nor moves the file's own position."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    file.seek(3)
    buffer = bytearray(4)
    port.read(file, buffer, 0)
    expect_completion(wait_one(port), result=4)
    expect_bytes(buffer, b"0123")
    expect(file.tell() == 3, "the position to stay 3 after a read at an offset", file.tell())
    port.write(file, b"ab", 8)
    expect_completion(wait_one(port), result=2)
    expect_bytes(path.read_bytes(), b"01234567ab", "the file")
    expect(file.tell() == 3, "the position to stay 3 after a write at an offset", file.tell())


@rule("file/8", needs=FILE_IO)
def test_position_advances(port: CompletionPort, sources: Sources) -> None:
    """A read or write without an offset starts at the file's own position and advances it by the result."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    file.seek(2)
    buffer = bytearray(3)
    port.read(file, buffer)
    expect_completion(wait_one(port), result=3)
    expect_bytes(buffer, b"234")
    expect(file.tell() == 5, "the position to be 5 after reading 3 bytes at 2", file.tell())
    port.write(file, b"ab")
    expect_completion(wait_one(port), result=2)
    expect_bytes(path.read_bytes(), b"01234ab789", "the file")
    port.read(file, buffer)
    expect_completion(wait_one(port), result=3)
    port.read(file, buffer)
    expect_completion(wait_one(port), result=0, eof=True)
    expect(file.tell() == 10, "the position to be 10 at the end", file.tell())


@rule("file/9", needs=FILE_IO)
def test_position_reads_one_after_the_other(port: CompletionPort, sources: Sources) -> None:
    """Reads without an offset that are in flight together run one after the other, in the order of submission."""
    data = pattern(32 * 16)
    file = sources.file(data)
    buffers = [bytearray(16) for _ in range(32)]
    for buffer in buffers:
        port.read(file, buffer)
    for done in wait_for(port, len(buffers)):
        expect_completion(done, result=16, error=None)
    expect_bytes(b"".join(buffers), data, "the buffers, in the order of submission,")


@rule("file/10", needs=FILE_IO)
def test_position_writes_one_after_the_other(port: CompletionPort, sources: Sources) -> None:
    """Writes without an offset that are in flight together run one after the other, in the order of submission."""
    data = pattern(32 * 16)
    path = sources.path()
    file = sources.keep(path.open("r+b", buffering=0))
    for start in range(0, len(data), 16):
        port.write(file, data[start : start + 16])
    for done in wait_for(port, 32):
        expect_completion(done, result=16, error=None)
    expect_bytes(path.read_bytes(), data, "the file")


@rule("file/11", needs=FILE_IO)
def test_append(port: CompletionPort, sources: Sources) -> None:
    """Writes without an offset to a file opened for appending go to its end, however many are in flight."""
    if sys.platform == "win32":
        host_lacks("the C runtime keeps append mode outside the HANDLE here", fix="run the rule on Linux or macOS")
    path = sources.path(b"first;")
    file = sources.keep(path.open("ab", buffering=0))
    file.seek(0)
    for text in (b"a;", b"bb;", b"ccc;"):
        port.write(file, text)
    for done in wait_for(port, 3):
        expect_completion(done, kind=Kind.WRITE, error=None)
    expect_bytes(path.read_bytes(), b"first;a;bb;ccc;", "the file")


@rule("file/12", needs=FILE_IO)
def test_offset_beyond_32_bits(port: CompletionPort, sources: Sources) -> None:
    """An offset keeps all its bits: a read at 4 GiB of a short file meets its end, it does not start over."""
    file = sources.file(b"0123456789")
    for offset in (1 << 32, (1 << 32) + 2, (1 << 40) + 2):
        port.read(file, bytearray(4), offset)
        expect_completion(wait_one(port), result=0, error=None, eof=True)


@rule("file/13", needs=FILE_IO)
def test_write_beyond_32_bits(port: CompletionPort, sources: Sources) -> None:
    """What is written beyond 4 GiB is read back from there, and nowhere else in the file."""
    if sys.platform == "win32":
        host_lacks("a write far beyond the end fills the gap on disk here", fix="run the rule on Linux or macOS")
    file = sources.file(b"0123456789")
    offset = (1 << 32) + 2
    try:
        file.truncate(offset + 4)  # a hole: nothing of it is on disk
    except OSError as error:
        host_lacks(f"no file of {offset + 4} bytes: {error}", fix="set TMPDIR to a file system with large sparse files")
    port.write(file, b"abcd", offset)
    expect_completion(wait_one(port), result=4, error=None)
    for start, wanted in ((offset, b"abcd"), (0, b"012345"), (offset - 4, bytes(4))):
        buffer = bytearray(len(wanted))
        port.read(file, buffer, start)
        expect_completion(wait_one(port), result=len(wanted), error=None)
        expect_bytes(buffer, wanted, f"the file at {start}")


@rule("file/14", needs=FILE_IO)
def test_write_beyond_the_end(port: CompletionPort, sources: Sources) -> None:
    """A write beyond the end of a file extends it, and the gap reads as zeroes."""
    path = sources.path(b"01")
    file = sources.keep(path.open("r+b", buffering=0))
    port.write(file, b"xy", 5000)
    expect_completion(wait_one(port), result=2, error=None)
    expect_bytes(path.read_bytes(), b"01" + bytes(4998) + b"xy", "the file")


@rule("file/15", needs=FILE_IO)
def test_disjoint_writes(port: CompletionPort, sources: Sources) -> None:
    """Writes to disjoint ranges that are in flight together all end where they belong, in whatever order they
    complete.
    """
    data = pattern(16 * 4096)
    path = sources.path(bytes(len(data)))
    file = sources.keep(path.open("r+b", buffering=0))
    starts = list(range(0, len(data), 4096))
    for start in reversed(starts):
        port.write(file, data[start : start + 4096], start, start)
    done = wait_for(port, len(starts))
    for one in done:
        expect_completion(one, result=4096, kind=Kind.WRITE, error=None)
    tokens = sorted(int(str(one.token)) for one in done)
    expect(tokens == starts, "every write to complete once", tokens)
    expect_bytes(path.read_bytes(), data, "the file")


@rule("file/16", needs=FILE_IO)
def test_thousand_reads(port: CompletionPort, sources: Sources) -> None:
    """A thousand reads may be in flight on one file: each completes once, with its own bytes in its own buffer."""
    data = pattern(1000 * 8)
    file = sources.file(data)
    buffers = [bytearray(8) for _ in range(1000)]
    for index, buffer in enumerate(buffers):
        port.read(file, buffer, index * 8, index)
    done = wait_for(port, 1000)
    for one in done:
        expect_completion(one, result=8, error=None)
    expect(len({one.token for one in done}) == 1000, "1000 different tokens", len({one.token for one in done}))
    expect_bytes(b"".join(buffers), data, "the buffers")


@rule("file/17", needs=FILE_IO)
def test_read_of_a_write_only_file(port: CompletionPort, sources: Sources) -> None:
    """A read of a file that is open only for writing completes with EBADF."""
    file = sources.keep(sources.path(b"0123").open("wb", buffering=0))
    port.read(file, bytearray(4), 0)
    expect_completion(wait_one(port), kind=Kind.READ, error=errno.EBADF)


@rule("file/18", needs=FILE_IO)
def test_write_to_a_read_only_file(port: CompletionPort, sources: Sources) -> None:
    """A write to a file that is open only for reading completes with EBADF and changes nothing."""
    path = sources.path(b"0123")
    file = sources.keep(path.open("rb", buffering=0))
    port.write(file, b"abcd", 0)
    expect_completion(wait_one(port), kind=Kind.WRITE, error=errno.EBADF)
    expect_bytes(path.read_bytes(), b"0123", "the file")


@rule("file/19", needs=FILE_IO)
def test_read_of_a_directory(port: CompletionPort, sources: Sources) -> None:
    """A read of a directory completes with IsADirectoryError."""
    if sys.platform == "win32":
        host_lacks("os.open() opens no directories here", fix="run the rule on Linux or macOS")
    number = os.open(sources.path().parent, os.O_RDONLY)
    try:
        for offset in (None, 0):
            port.read(number, bytearray(64), offset)
            done = expect_completion(wait_one(port), kind=Kind.READ, error=errno.EISDIR)
            expect(type(done.error) is IsADirectoryError, "an IsADirectoryError", done.error)
    finally:
        os.close(number)


@rule("file/20", needs=FILE_IO)
def test_disk_full(port: CompletionPort, sources: Sources) -> None:
    """A write that the file system has no room for completes with ENOSPC."""
    try:
        full = sources.keep(io.FileIO("/dev/full", "r+"))
    except OSError as error:
        host_lacks(f"no /dev/full: {error}", fix="run the rule on Linux")
    port.write(full, b"abcd", token="full")
    expect_completion(wait_one(port), token="full", kind=Kind.WRITE, error=errno.ENOSPC)


@rule("file/21", needs=FILE_IO)
def test_fsync(port: CompletionPort, sources: Sources) -> None:
    """fsync completes with result 0, with data_only or without, on a file that has been written to."""
    file = sources.file()
    port.register(file, 0x79)
    port.write(file, b"abcd", 0)
    expect_completion(wait_one(port), result=4)
    for data_only in (False, True):
        token = object()
        port.fsync(file, token, data_only=data_only)
        expect_completion(
            wait_one(port), key=0x79, result=0, token=token, kind=Kind.FSYNC, error=None, eof=False, more=False
        )


@rule("file/22", needs=FILE_IO)
def test_fsync_of_what_has_no_disk(port: CompletionPort, sources: Sources) -> None:
    """fsync of a socket completes with EINVAL, or the system's word for "not supported", and not with success."""
    sock, _ = sources.stream()
    for data_only in (False, True):
        port.fsync(sock, data_only=data_only)
        expect_completion(wait_one(port), kind=Kind.FSYNC, error=(errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP))


@rule("file/23", needs=FILE_IO)
def test_ways_to_name_a_file(port: CompletionPort, sources: Sources) -> None:
    """A file may be given as its number, as a file object of any kind, or as any object with fileno()."""
    raw = sources.file(b"0123456789")

    class Named:
        def fileno(self) -> int:
            return raw.fileno()

    files: list[FileLike] = [raw, Named()]
    if sys.platform != "win32":
        files += [raw.fileno(), io.BufferedReader(raw)]
    for file in files:
        buffer = bytearray(4)
        port.read(file, buffer, 3)
        expect_completion(wait_one(port), result=4, error=None)
        expect_bytes(buffer, b"3456")


@rule("file/24", needs=FILE_IO)
def test_submit_read_and_write(port: CompletionPort, sources: Sources) -> None:
    """submit() of a Read, Write or Fsync does what the method of that name does with the same arguments."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    port.register(file, 0x7A)
    buffer, token = bytearray(4), object()
    ids = [port.submit(Read(file, buffer, 3), token=token)]
    expect_completion(wait_one(port), key=0x7A, result=4, token=token, kind=Kind.READ)
    expect_bytes(buffer, b"3456")
    ids.append(port.submit(Read(file, buffer)))
    expect_completion(wait_one(port), key=0x7A, result=4, token=None, kind=Kind.READ)
    expect_bytes(buffer, b"0123")
    ids.append(port.submit(Write(file, b"ab", 8), token=token))
    expect_completion(wait_one(port), key=0x7A, result=2, token=token, kind=Kind.WRITE)
    expect_bytes(path.read_bytes(), b"01234567ab", "the file")
    for data_only in (False, True):
        ids.append(port.submit(Fsync(file, data_only), token=token))
        expect_completion(wait_one(port), key=0x7A, result=0, token=token, kind=Kind.FSYNC)
    expect(len(set(ids)) == len(ids), "a different id from each submit()", ids)


@rule("file/25", needs=FILE_IO)
def test_files_and_sockets_side_by_side(port: CompletionPort, sources: Sources) -> None:
    """A pending operation on one file holds up no operation on another."""
    pending, _write_end = sources.pipe()
    port.read(pending, bytearray(4), token="pending")
    file = sources.file(b"0123")
    port.read(file, bytearray(4), 0, "read")
    expect_completion(wait_one(port), token="read", result=4, error=None)
    port.write(file, b"4567", 4, "write")
    expect_completion(wait_one(port), token="write", result=4, error=None)
    expect(port.in_flight == 1, "the read of the pipe alone in flight", port.in_flight)
