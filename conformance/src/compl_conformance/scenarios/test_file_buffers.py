"""Rules of the area *file*: what a buffer and an offset may be, vectored reads and writes."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import array
import ctypes
import errno
import mmap
import os
import sys
from typing import Any

from compl_conformance.expect import expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import pour
from compl_conformance.scenarios.payload import expect_bytes, expect_exported, expect_released, pattern
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Kind, ReadVectored, WriteVectored

FILE_IO = Capability.FILE_IO
VECTORED = Capability.VECTORED


@rule("file/26", needs=FILE_IO)
def test_read_only_buffer(port: CompletionPort, sources: Sources) -> None:
    """A read into a buffer that cannot be written to raises BufferError or TypeError at the call, and starts
    nothing.
    """
    file = sources.file(b"0123456789")
    for buffer in (b"....", memoryview(bytearray(4)).toreadonly()):
        try:
            port.read(file, buffer, 0)
        except (BufferError, TypeError):
            continue
        expect(False, f"BufferError or TypeError for a read into {buffer!r}", "no exception")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_nothing(port, 0)


@rule("file/27", needs=FILE_IO)
def test_non_contiguous_buffer(port: CompletionPort, sources: Sources) -> None:
    """A buffer that is not C-contiguous raises BufferError at the call, for reads and for writes."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    every_other = memoryview(bytearray(b"abcdefgh"))[::2]
    with raises(BufferError):
        port.read(file, every_other, 0)
    with raises(BufferError):
        port.write(file, every_other, 0)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_bytes(path.read_bytes(), b"0123456789", "the file")


@rule("file/28", needs=FILE_IO)
def test_no_buffer_at_all(port: CompletionPort, sources: Sources) -> None:
    """An object without the buffer protocol in the place of a buffer raises TypeError at the call."""
    file = sources.file(b"0123456789")
    things: tuple[Any, ...] = ("text", None, 4, [1, 2])
    for thing in things:
        with raises(TypeError):
            port.read(file, thing, 0)
        with raises(TypeError):
            port.write(file, thing, 0)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("file/29", needs=FILE_IO)
def test_any_contiguous_buffer(port: CompletionPort, sources: Sources) -> None:
    """Every C-contiguous buffer will do, and results count bytes, not items."""
    data = pattern(16)
    file = sources.file(bytes(16))
    with mmap.mmap(-1, 16) as mapped:
        writable: list[Any] = [bytearray(16), array.array("i", [0] * 4), (ctypes.c_uint16 * 8)(), mapped]
        writable.append(memoryview(bytearray(16)).cast("d"))
        for buffer in writable:
            port.write(file, data, 0)
            expect_completion(wait_one(port), result=16, error=None)
            port.read(file, buffer, 0)
            expect_completion(wait_one(port), result=16, error=None)
            expect_bytes(memoryview(buffer).cast("B"), data, f"the {type(buffer).__name__}")
            port.write(file, bytes(16), 0)
            expect_completion(wait_one(port), result=16, error=None)
            port.write(file, buffer, 0)
            expect_completion(wait_one(port), result=16, error=None)
            back = bytearray(16)
            port.read(file, back, 0)
            expect_completion(wait_one(port), result=16, error=None)
            expect_bytes(back, data, f"the file written from the {type(buffer).__name__}")


@rule("file/30", needs=FILE_IO)
def test_slices(port: CompletionPort, sources: Sources) -> None:
    """A slice of a memoryview is read into and written from where it lies; what is around it is not touched."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    whole = bytearray(b"abcdefgh")
    port.read(file, memoryview(whole)[2:5], 0)
    expect_completion(wait_one(port), result=3)
    expect_bytes(whole, b"ab012fgh")
    port.write(file, memoryview(whole)[5:], 7)
    expect_completion(wait_one(port), result=3)
    expect_bytes(path.read_bytes(), b"0123456fgh", "the file")


@rule("file/31", needs=FILE_IO)
def test_buffer_held_until_the_completion_is_returned(port: CompletionPort, sources: Sources) -> None:
    """The buffer of a read cannot be resized before wait() has returned its completion, and can from then on."""
    read_end, write_end = sources.pipe()
    buffer = bytearray(4)
    port.read(read_end, buffer)
    expect_exported(buffer, "while the read is pending")
    expect_nothing(port, 0)
    expect_exported(buffer, "after a wait() that returned nothing")
    pour(write_end, b"abcd")
    expect_exported(buffer, "while the completion is not returned")
    done = wait_one(port)
    expect_released(buffer, "once the completion is returned")
    expect_completion(done, result=4)
    expect_bytes(buffer, b"abcd")


@rule("file/32", needs=FILE_IO)
def test_one_buffer_twice(port: CompletionPort, sources: Sources) -> None:
    """One buffer may serve two operations at once; it is held until both have completed."""
    (one, one_far), (other, other_far) = sources.pipe(), sources.pipe()
    buffer = bytearray(4)
    port.read(one, memoryview(buffer)[:2], token="one")
    port.read(other, memoryview(buffer)[2:], token="other")
    pour(one_far, b"ab")
    expect_completion(wait_one(port), token="one", result=2)
    expect_exported(buffer, "while the second operation is pending")
    pour(other_far, b"cd")
    expect_completion(wait_one(port), token="other", result=2)
    expect_released(buffer, "after both completions")
    expect_bytes(buffer, b"abcd")


@rule("file/33", needs=FILE_IO)
def test_negative_offset(port: CompletionPort, sources: Sources) -> None:
    """A negative offset raises ValueError at the call, and leaves the buffer free."""
    file = sources.file(b"0123456789")
    buffer = bytearray(4)
    for offset in (-1, -(1 << 40)):
        with raises(ValueError):
            port.read(file, buffer, offset)
        with raises(ValueError):
            port.write(file, buffer, offset)
    expect_released(buffer, "by a call that raised")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("file/34", needs=FILE_IO)
def test_offset_on_a_pipe(port: CompletionPort, sources: Sources) -> None:
    """An offset on a pipe raises ValueError at the call, for reads and for writes, and moves nothing."""
    read_end, write_end = sources.pipe()
    pour(write_end, b"abcd")
    buffer = bytearray(4)
    for offset in (0, 5):
        with raises(ValueError):
            port.read(read_end, buffer, offset)
        with raises(ValueError):
            port.write(write_end, b"x", offset)
    expect_released(buffer, "by a call that raised")
    port.read(read_end, buffer)
    expect_completion(wait_one(port), result=4)
    expect_bytes(buffer, b"abcd")


@rule("file/35", needs=FILE_IO)
def test_offset_on_a_socket(port: CompletionPort, sources: Sources) -> None:
    """An offset on a socket raises ValueError at the call, for reads and for writes."""
    one, other = sources.stream()
    other.send(b"abcd")
    for offset in (0, 5):
        with raises(ValueError):
            port.read(one, bytearray(4), offset)
        with raises(ValueError):
            port.write(one, b"x", offset)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("file/36", needs=FILE_IO)
def test_offset_on_a_terminal(port: CompletionPort) -> None:
    """An offset on a terminal raises ValueError at the call, for reads and for writes."""
    if sys.platform == "win32":
        host_lacks("no pseudo-terminals in the os module here", fix="run the rule on Linux or macOS")
    ends = os.openpty()
    try:
        for number in ends:
            with raises(ValueError):
                port.read(number, bytearray(4), 0)
            with raises(ValueError):
                port.write(number, b"x", 0)
        expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    finally:
        for number in ends:
            os.close(number)


@rule("file/37", needs=FILE_IO)
def test_buffer_over_4_gib(port: CompletionPort, sources: Sources) -> None:
    """A buffer's length keeps all its bits: 4 GiB and one byte of room read a short file whole."""
    room = (1 << 32) + 1
    file = sources.file(b"0123456789")
    backing = sources.file()
    try:
        backing.truncate(room)  # a hole, so that neither memory nor disk is needed for what is not touched
        mapped = mmap.mmap(backing.fileno(), room)
    except (OSError, OverflowError, ValueError) as error:
        host_lacks(f"cannot map {room} bytes: {error}", fix="use a 64-bit Python and a TMPDIR with sparse files")
    with mapped:
        port.read(file, mapped, 0)
        expect_completion(wait_one(port), result=10, error=None)
        expect_bytes(mapped[:12], b"0123456789\0\0")


@rule("file/38", needs=VECTORED, proves=VECTORED)
def test_read_vectored(port: CompletionPort, sources: Sources) -> None:
    """read_vectored fills its buffers in turn and completes once, as a read, with the bytes of all of them."""
    file = sources.file(b"0123456789")
    port.register(file, 0x7B)
    buffers, token = [bytearray(3), bytearray(1), bytearray(4)], object()
    port.read_vectored(file, buffers, 1, token)
    done = wait_one(port)
    expect_completion(done, key=0x7B, result=8, token=token, kind=Kind.READ, error=None, eof=False, more=False)
    expect_bytes(b"|".join(buffers), b"123|4|5678", "the buffers")
    expect(file.tell() == 0, "the position to stay 0", file.tell())


@rule("file/39", needs=VECTORED)
def test_write_vectored(port: CompletionPort, sources: Sources) -> None:
    """write_vectored writes its buffers in turn and completes once, as a write, with the bytes of all of them."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    token = object()
    port.write_vectored(file, (b"abc", bytearray(b"d"), memoryview(b"_ef_")[1:3]), 2, token)
    expect_completion(wait_one(port), result=6, token=token, kind=Kind.WRITE, error=None, eof=False, more=False)
    expect_bytes(path.read_bytes(), b"01abcdef89", "the file")


@rule("file/40", needs=VECTORED)
def test_vectored_end_of_file(port: CompletionPort, sources: Sources) -> None:
    """A vectored read that meets the end of the file is short without eof; one that starts there gives 0 and eof."""
    file = sources.file(b"0123456789")
    buffers = [bytearray(b"...") for _ in range(3)]
    port.read_vectored(file, buffers, 6)
    expect_completion(wait_one(port), result=4, error=None, eof=False)
    expect_bytes(b"|".join(buffers), b"678|9..|...", "the buffers")
    port.read_vectored(file, buffers, 10)
    expect_completion(wait_one(port), result=0, error=None, eof=True)


@rule("file/41", needs=VECTORED)
def test_vectored_position(port: CompletionPort, sources: Sources) -> None:
    """A vectored read or write without an offset starts at the file's own position and advances it by the result."""
    path = sources.path(b"0123456789")
    file = sources.keep(path.open("r+b", buffering=0))
    buffers = [bytearray(2), bytearray(2)]
    file.seek(1)
    port.read_vectored(file, buffers)
    expect_completion(wait_one(port), result=4)
    expect_bytes(b"|".join(buffers), b"12|34", "the buffers")
    port.write_vectored(file, [b"a", b"bc"])
    expect_completion(wait_one(port), result=3)
    expect_bytes(path.read_bytes(), b"01234abc89", "the file")
    expect(file.tell() == 8, "the position to be 8", file.tell())


@rule("file/42", needs=VECTORED)
def test_vectored_limits(port: CompletionPort, sources: Sources) -> None:
    """1 to 1024 buffers are one vectored operation; none, or more, raise ValueError at the call."""
    data = pattern(1024)
    file = sources.file()
    port.write_vectored(file, [data[at : at + 1] for at in range(1024)], 0)
    expect_completion(wait_one(port), result=1024, error=None)
    buffers = [bytearray(1) for _ in range(1024)]
    port.read_vectored(file, buffers, 0)
    expect_completion(wait_one(port), result=1024, error=None)
    expect_bytes(b"".join(buffers), data, "the buffers")
    for count in (0, 1025):
        with raises(ValueError):
            port.read_vectored(file, [bytearray(1) for _ in range(count)], 0)
        with raises(ValueError):
            port.write_vectored(file, [b"x"] * count, 0)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("file/43", needs=VECTORED)
def test_vectored_empty_buffers(port: CompletionPort, sources: Sources) -> None:
    """Empty buffers among others are passed over; when all are empty the result is 0 without eof."""
    file = sources.file(b"0123456789")
    buffers = [bytearray(), bytearray(2), bytearray(), bytearray(3), bytearray()]
    port.read_vectored(file, buffers, 0)
    expect_completion(wait_one(port), result=5, error=None)
    expect_bytes(b"|".join(buffers), b"|01||234|", "the buffers")
    port.read_vectored(file, [bytearray(), bytearray()], 10)
    expect_completion(wait_one(port), result=0, error=None, eof=False)
    port.write_vectored(file, [b"", b""], 10)
    expect_completion(wait_one(port), result=0, error=None, eof=False)
    port.read_vectored(sources.closed_number(), [bytearray()])
    expect_completion(wait_one(port), error=errno.EBADF)


@rule("file/44", needs=VECTORED)
def test_vectored_bad_buffer(port: CompletionPort, sources: Sources) -> None:
    """One buffer that will not do makes the vectored call raise, and frees the others again."""
    file = sources.file(b"0123456789")
    good = bytearray(2)
    unfit: tuple[Any, ...] = (b"..", memoryview(bytearray(4))[::2], "text")
    for bad in unfit:
        try:
            port.read_vectored(file, [good, bad], 0)
        except (BufferError, TypeError):
            pass
        else:
            expect(False, f"BufferError or TypeError for {bad!r} among the buffers", "no exception")
        expect_released(good, "by a call that raised")
    expect(port.in_flight == 0 and good == b"\0\0", "nothing in flight, nothing read", (port.in_flight, good))


@rule("file/45", needs=VECTORED)
def test_vectored_offsets(port: CompletionPort, sources: Sources) -> None:
    """A negative offset, or one on a pipe, raises ValueError for vectored reads and writes too."""
    file = sources.file(b"0123456789")
    read_end, write_end = sources.pipe()
    for readable, writable, offset in ((file, file, -1), (read_end, write_end, 0)):
        with raises(ValueError):
            port.read_vectored(readable, [bytearray(2)], offset)
        with raises(ValueError):
            port.write_vectored(writable, [b"ab"], offset)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("file/46", needs=VECTORED)
def test_vectored_buffers_are_held(port: CompletionPort, sources: Sources) -> None:
    """All buffers of a vectored operation are held until its completion is returned, whatever happens to their list."""
    read_end, write_end = sources.pipe()
    one, other = bytearray(2), bytearray(2)
    buffers = [one, other]
    port.read_vectored(read_end, buffers)
    buffers.clear()
    expect_exported(one, "while the read is pending")
    expect_exported(other, "while the read is pending")
    pour(write_end, b"abcd")
    expect_completion(wait_one(port), result=4, error=None)
    expect_bytes(one + other, b"abcd", "the buffers")
    expect_released(one, "once the completion is returned")
    expect_released(other, "once the completion is returned")


@rule("file/47", needs=VECTORED)
def test_submit_vectored(port: CompletionPort, sources: Sources) -> None:
    """submit() of a ReadVectored or WriteVectored does what the method of that name does with the same arguments."""
    file = sources.file(b"0123456789")
    token = object()
    buffers = [bytearray(1), bytearray(2)]
    port.submit(WriteVectored(file, [b"a", b"bc"], 4), token=token)
    expect_completion(wait_one(port), result=3, token=token, kind=Kind.WRITE)
    port.submit(ReadVectored(file, buffers, 3), token=token)
    expect_completion(wait_one(port), result=3, token=token, kind=Kind.READ)
    expect_bytes(b"|".join(buffers), b"3|ab", "the buffers")


@rule("file/48", needs=VECTORED)
def test_vectored_in_flight_together(port: CompletionPort, sources: Sources) -> None:
    """Vectored reads that are in flight together on one file each fill their own buffers."""
    data = pattern(64 * 6)
    file = sources.file(data)
    batches = [[bytearray(1), bytearray(5)] for _ in range(64)]
    for index, buffers in enumerate(batches):
        port.read_vectored(file, buffers, index * 6)
    for done in wait_for(port, 64):
        expect_completion(done, result=6, error=None)
    expect_bytes(b"".join(buffer for buffers in batches for buffer in buffers), data, "the buffers")
