"""Rules of the area *file*: what depends on how the system reads its disks."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import io
import mmap
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compl_conformance.expect import expect, expect_completion, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort

FILE_IO = Capability.FILE_IO
COLD_SIZE = 64 << 20


@rule("file/64", needs=FILE_IO, timeout=30)
def test_cold_read(port: CompletionPort, sources: Sources) -> None:
    """Submitting a read of 64 MiB that are not in memory returns to the caller before they are read.

    Kernel AIO's io_submit, for one, reads a buffered file inside the call.
    """
    file = _cold_file(sources, COLD_SIZE)
    buffer = bytearray(COLD_SIZE)
    tries = []
    for _ in range(3):
        _forget(file)
        start = time.monotonic()
        port.read(file, buffer, 0)
        submitted = time.monotonic()
        done = wait_one(port, 10)
        completed = time.monotonic()
        expect_completion(done, error=None)
        expect(done.result > 0, "at least one byte", done)
        tries.append((submitted - start, completed - submitted))
        # One quiet try will do: a loaded machine may take the processor away in the middle of any call.
        if tries[-1][0] < max(0.02, tries[-1][1] / 2):
            return
    shown = ", ".join(f"{submit * 1e3:.1f} ms before {wait * 1e3:.1f} ms of waiting" for submit, wait in tries)
    expect(False, "read() to return at once, and the time to pass in wait()", shown)


def _cold_file(sources: Sources, size: int) -> io.FileIO:
    """A file that the system can be made to forget, which one in a memory file system cannot."""
    if sys.platform != "linux":
        host_lacks("no posix_fadvise() and preadv2() to make the system forget a file", fix="run the rule on Linux")
    for directory in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()):
        try:
            file = sources.keep(tempfile.NamedTemporaryFile(dir=directory, buffering=0))  # noqa: SIM115
        except OSError:
            continue
        raw = file.file
        assert isinstance(raw, io.FileIO)
        raw.write(bytes(size))
        os.fsync(raw.fileno())
        if _forget(raw):
            return raw
    return host_lacks("temporary files live in memory only", fix="set TMPDIR to a directory on a disk")


def _forget(file: io.FileIO) -> bool:
    """Whether the system could be made to drop what it keeps of the file in memory."""
    system: Any = os  # not every system has these calls
    system.posix_fadvise(file.fileno(), 0, 0, system.POSIX_FADV_DONTNEED)
    try:
        system.preadv(file.fileno(), [bytearray(1)], 0, system.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@rule("file/65", needs=FILE_IO)
def test_direct_reads(port: CompletionPort, sources: Sources) -> None:
    """Reads that bypass the page cache complete with the file's bytes, many in flight at once."""
    data = pattern(64 * 4096)
    file = _direct_file(sources, data)
    room = mmap.mmap(-1, len(data))  # page-aligned, as such reads want their memory
    view = memoryview(room)
    for start in range(0, len(data), 4096):
        port.read(file, view[start : start + 4096], start, start)
    for done in wait_for(port, 64):
        expect_completion(done, result=4096, error=None)
    expect_bytes(view, data, "the buffers")


@rule("file/66", needs=FILE_IO)
def test_misaligned_direct_reads(port: CompletionPort, sources: Sources) -> None:
    """A direct read that the file system finds misaligned completes as pread() ends: with EINVAL, or with the bytes."""
    data = pattern(3 * 4096)
    file = _direct_file(sources, data)
    system: Any = os  # not every system has preadv()
    room = mmap.mmap(-1, 8192)
    view = memoryview(room)
    for start, length, offset in ((1, 4096, 0), (0, 4095, 0), (0, 4096, 1), (0, 512, 4096), (0, 4096, 8192)):
        part = view[start : start + length]
        try:
            wanted, number = system.preadv(file.fileno(), [part], offset), None
        except OSError as error:
            wanted, number = -1, error.errno
        port.read(file, part, offset)
        done = wait_one(port)
        if number is None:
            expect_completion(done, result=wanted, error=None)
            expect_bytes(part[:wanted], data[offset : offset + wanted])
        else:
            expect_completion(done, error=number)
        part.release()


@rule("cancel/35", needs=FILE_IO | Capability.CANCEL)
def test_cancelled_direct_reads(port: CompletionPort, sources: Sources) -> None:
    """A cancelled direct read completes once: with its bytes, as the kernel need not stop it, or with ECANCELED."""
    data = pattern(64 * 4096)
    file = _direct_file(sources, data)
    room = mmap.mmap(-1, len(data))
    view = memoryview(room)
    ids = [port.read(file, view[start : start + 4096], start, start) for start in range(0, len(data), 4096)]
    for operation in ids[::2]:
        port.cancel(operation)
    done = wait_for(port, 64)
    expect(len({one.token for one in done}) == 64, "each of the 64 reads once", len({one.token for one in done}))
    for one in done:
        start = int(str(one.token))
        if one.error is None:
            expect_completion(one, result=4096)
            expect_bytes(view[start : start + 4096], data[start : start + 4096], f"the buffer of {start}")
        else:
            expect_completion(one, error=errno.ECANCELED)
            expect(start // 4096 % 2 == 0, "ECANCELED only for what was cancelled", one)


def _direct_file(sources: Sources, data: bytes) -> io.FileIO:
    flag = getattr(os, "O_DIRECT", 0)
    if not flag or not hasattr(os, "preadv"):
        host_lacks("no O_DIRECT here", fix="run the rule on Linux")
    try:
        number = os.open(sources.path(data), os.O_RDONLY | flag)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        host_lacks("the file system of TMPDIR knows no O_DIRECT", fix="set TMPDIR to a directory on a disk")
    return sources.keep(io.FileIO(number, "rb"))


@rule("file/67", needs=FILE_IO)
def test_file_that_shrinks(port: CompletionPort, sources: Sources) -> None:
    """Reads of a file that is truncated meanwhile complete with what they found there, short or eof, without an
    error.
    """
    data = pattern(64 * 4096)
    file = sources.file(data)
    buffers = [bytearray(4096) for _ in range(64)]
    for index, buffer in enumerate(buffers):
        port.read(file, buffer, index * 4096, index)
        if index == 32:
            file.truncate(4096 + 100)
    for done in wait_for(port, 64):
        expect_completion(done, error=None)
        index = int(str(done.token))
        expect(done.eof is (done.result == 0), "eof exactly when nothing was read", done)
        expect_bytes(buffers[index][: done.result], data[index * 4096 :][: done.result], f"buffer {index}")
        # From here on the file's size is settled.
        if index > 32:
            expect(done.result == 0, "nothing beyond the new end", done)
