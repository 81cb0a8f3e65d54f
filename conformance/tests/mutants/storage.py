"""file: reads and writes of regular files, their offsets and their ends."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import mmap
import os
import stat
from typing import Any

from compl_core import Completion, CompletionFlags, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port

EOF = CompletionFlags.EOF


def mode_of(call: Call) -> int:
    """What kind of file it is; 0 if it is not open."""
    try:
        return os.fstat(call.number).st_mode
    except (OSError, OverflowError):
        return 0


def room_of(call: Call) -> int:
    """The bytes that its buffers have room for."""
    buffers = call.values.get("buffers", [call.values.get("buffer", b"")])
    return sum(memoryview(buffer).nbytes for buffer in buffers)


class Offsets(Port):
    """Makes something else of an offset."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        raise NotImplementedError

    def begin(self, call: Call) -> int:
        if "offset" in call.values and stat.S_ISREG(mode_of(call)):
            call.values["offset"] = self.offset(call.values["offset"], call)
        return super().begin(call)


@mutant("file/12", "file/13")
class TruncatesOffsetsTo32Bits(Offsets):
    """Has an offset in an unsigned int."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        return None if offset is None else offset & 0xFFFF_FFFF


@mutant("file/6", "file/7", "file/24", "file/39", "capability/10", "model/3")
class WritesAtThePosition(Offsets):
    """Ignores the offset of a write."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        return None if call.kind is Kind.WRITE else offset


@mutant("file/7", "file/38")
class SeeksAndReads(Offsets):
    """Goes to the offset, reads there, and does not come back."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        if offset is not None and offset >= 0:
            os.lseek(call.number, offset, os.SEEK_SET)
        return offset


@mutant("file/8", "file/9", "file/10", "file/41")
class TakesThePositionOnce(Offsets):
    """Asks for the position when the call is made, and does not move it."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        return os.lseek(call.number, 0, os.SEEK_CUR) if offset is None else offset


@mutant("file/33", "file/45")
class TakesNegativeOffsets(Offsets):
    """Takes -1 for the file's own position, as some systems do."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        return None if offset is not None and offset < 0 else offset


@mutant("file/14")
class WritesAtTheEndAtMost(Offsets):
    """Keeps writes within the file or just behind it."""

    def offset(self, offset: int | None, call: Call) -> int | None:
        size = os.fstat(call.number).st_size
        return min(offset, size) if offset is not None and call.kind is Kind.WRITE else offset


@mutant("file/11", "file/56", "socket/21")
class SetsNonblockingAndLeavesIt(Port):
    """Sets O_NONBLOCK on whatever it is given, and loses the file's other flags with that."""

    def begin(self, call: Call) -> int:
        if mode_of(call):
            fcntl.fcntl(call.number, fcntl.F_SETFL, os.O_NONBLOCK)
        return super().begin(call)


@mutant("file/2", "file/8", "file/12", "file/40", "file/50", "file/51", "file/59", "socket/4", "socket/5", "socket/15")
class HasNoFlagForTheEnd(Port):
    """Leaves the end of a file to be told from the 0."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags & ~EOF)]


@mutant("file/2", "file/8", "file/12", "file/40", "file/50", "file/51", "file/59")
class TheEndIsAnError(Port):
    """Says EPIPE or ENODATA at the end of a file, as IOCP does."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        ended = done.kind is Kind.READ and done.flags & EOF
        return [done._replace(result=-errno.ENODATA, flags=done.flags & ~EOF) if ended else done]


@mutant("file/3", "file/40", "socket/15")
class AShortReadIsTheEnd(Port):
    """Says EOF when there is less than was asked for."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        short = done.kind in (Kind.READ, Kind.RECV) and 0 <= done.result < room_of(call)
        return [done._replace(flags=done.flags | EOF) if short else done]


@mutant("file/3", "file/40", "file/49")
class ClearsTheRestOfTheBuffer(Port):
    """Fills the buffer with zeroes before it reads."""

    def begin(self, call: Call) -> int:
        buffers = call.values.get("buffers", [call.values.get("buffer", b"")])
        for buffer in buffers if call.kind is Kind.READ else ():
            if isinstance(buffer, bytearray):
                buffer[:] = bytes(len(buffer))
        return super().begin(call)


@mutant("file/3", "file/40")
class GivesTheLengthAskedFor(Port):
    """Gives the size of the buffer as the result of a read that succeeds."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=room_of(call)) if done.kind is Kind.READ and done.result > 0 else done]


@mutant("file/4", "file/43", "socket/10")
class NothingAskedForIsTheEnd(Port):
    """Takes every 0 for the end of the file."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        none = done.kind in (Kind.READ, Kind.RECV) and done.result == 0
        return [done._replace(flags=done.flags | EOF) if none else done]


class _Bounce(Port):
    """Has one piece of memory of its own that all transfers of one direction go through."""

    direction: Kind

    def __init__(self) -> None:
        super().__init__()
        self.bounce = mmap.mmap(-1, 1 << 20)

    def begin(self, call: Call) -> int:
        if call.kind is self.direction and stat.S_ISREG(mode_of(call)):
            call.note = call.values["buffer"]
            call.values["buffer"] = memoryview(self.bounce)[: len(call.note)]
        return super().begin(call)


@mutant("file/9", "file/16", "cancel/21")
class ReadsThroughOneBuffer(_Bounce):
    """Reads into memory of its own, the same for all reads, and copies when wait returns them."""

    direction = Kind.READ

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.note is not None and done.result > 0:
            memoryview(call.note)[: done.result] = self.bounce[: done.result]
        return [done]


@mutant("file/10", "file/15")
class WritesThroughOneBuffer(_Bounce):
    """Copies what is to be written into memory of its own, the same for all writes, and writes in the next wait."""

    direction = Kind.WRITE

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.kind is not Kind.WRITE or call in self.late:
            return super().begin(call)
        self.late.append(call)
        return self._ledger.number()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        for call in self.late:
            self.bounce[: room_of(call)] = bytes(call.values["buffer"])
        for call in self.late:
            self.begin(call)
        self.late.clear()
        return super().wait(*arguments, **named)


@mutant("file/16", "file/57", "limits/7", "teardown/9", "cancel/23")
class FailsWhenItsQueueIsFull(Port):
    """Has room for 64 operations, and EAGAIN for the next."""

    def begin(self, call: Call) -> int:
        if self.in_flight >= 64:
            raise BlockingIOError(errno.EAGAIN, "the queue is full")
        return super().begin(call)


@mutant("file/17", "file/18")
class ChecksTheModeItself(Port):
    """Refuses at the call to read what is not open for reading, as io objects do."""

    def begin(self, call: Call) -> int:
        ask = {Kind.READ: "readable", Kind.WRITE: "writable"}.get(call.kind)
        if ask and not getattr(call.file, ask, lambda: True)():
            raise io.UnsupportedOperation(ask)
        return super().begin(call)


@mutant("file/19")
class RaisesForDirectories(Port):
    """Refuses at the call to read a directory."""

    def begin(self, call: Call) -> int:
        if call.kind is Kind.READ and stat.S_ISDIR(mode_of(call)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return super().begin(call)


@mutant("file/18", "file/20", "file/52", "error/7")
class AcknowledgesWritesAtOnce(Port):
    """Completes a write when it has a copy of the data, whatever becomes of that."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        failed = done.kind in (Kind.READ, Kind.WRITE) and done.result < 0 and done.result != -errno.ECANCELED
        return [done._replace(result=room_of(call)) if failed else done]


@mutant("file/21", "file/22", "capability/10")
class FsyncIsAWrite(Port):
    """Completes fsync as a write of nothing."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(kind=Kind.WRITE) if done.kind is Kind.FSYNC else done]


@mutant("file/22")
class FsyncNeverFails(Port):
    """Ignores what fsync says."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=0) if done.kind is Kind.FSYNC else done]


@mutant("file/21", "capability/10")
class FsyncIsLost(Port):
    """Has no completion for fsync."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.kind is Kind.FSYNC else [done]


@mutant("file/23", "socket/23", "socket/48")
class WantsFileObjects(Port):
    """Needs more of a file than its number."""

    def begin(self, call: Call) -> int:
        if isinstance(call.file, int) or (call.file and not hasattr(call.file, "close")):
            raise TypeError("pass a file object or a socket")
        return super().begin(call)


@mutant("file/64")
class ReadsInTheCall(ExamplePort):
    """Reads a file when the call is made, because files are always ready."""

    def read(self, file: Any, buffer: Any, offset: int | None = None, token: object = None) -> int:
        view = memoryview(buffer)
        if offset is not None:
            os.preadv(file.fileno(), [view], offset)
        return super().read(file, buffer, offset, token)


@mutant("file/65", "file/66")
class ReadsIntoItsOwnMemory(Port):
    """Reads into memory of its own, which is not aligned as a direct read wants it."""

    def begin(self, call: Call) -> int:
        if call.method == "read" and room_of(call):
            call.note = call.values["buffer"]
            call.values["buffer"] = memoryview(mmap.mmap(-1, room_of(call) + 1))[1:]
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.note is not None and done.result > 0:
            memoryview(call.note).cast("B")[: done.result] = call.values["buffer"][: done.result]
        return [done]


@mutant("file/66")
class ChecksTheAlignmentItself(Port):
    """Refuses at the call what it takes to be misaligned for a direct read."""

    def begin(self, call: Call) -> int:
        if call.method == "read" and mode_of(call):
            direct = fcntl.fcntl(call.number, fcntl.F_GETFL) & os.O_DIRECT
            address = ctypes.addressof(ctypes.c_char.from_buffer(call.values["buffer"])) if direct else 0
            if (address | room_of(call) | (call.values["offset"] or 0)) & 4095 and direct:
                raise ValueError("misaligned")
        return super().begin(call)


@mutant("file/67")
class KnowsTheSizeFromTheFirstRead(Port):
    """Remembers how long a file is, and says EIO when a read gives less."""

    size: int | None = None

    def begin(self, call: Call) -> int:
        if call.kind is Kind.READ and self.size is None:
            self.size = os.fstat(call.number).st_size
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is Kind.READ and 0 <= done.result < room_of(call) and self.size:
            within = (call.values["offset"] or 0) + room_of(call) <= self.size
            return [done._replace(result=-errno.EIO, flags=done.flags & ~EOF) if within else done]
        return [done]
