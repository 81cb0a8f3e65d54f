"""file: what a buffer may be, how long it is held, and vectored operations."""

from __future__ import annotations

import errno
import gc
import stat
from typing import Any, ClassVar

from compl_core import Completion, Kind
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.storage import Offsets, mode_of

#: What writes into its buffers.
_INWARD = (Kind.READ, Kind.RECV, Kind.RECV_FROM)


class Buffers(Port):
    """Makes something else of each buffer."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        raise NotImplementedError

    def begin(self, call: Call) -> int:
        if "buffer" in call.values:
            call.values["buffer"] = self.buffer(call.values["buffer"], call)
        elif isinstance(call.values.get("buffers"), (list, tuple)):
            call.values["buffers"] = [self.buffer(buffer, call) for buffer in call.values["buffers"]]
        return super().begin(call)


def _flags(buffer: Any) -> memoryview | None:
    try:
        return memoryview(buffer)
    except TypeError:
        return None


@mutant("file/26", "file/44", "socket/25", "datagram/22")
class CopiesReadOnlyBuffers(Buffers):
    """Reads into a copy where the buffer cannot be written to."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        view = _flags(buffer)
        return bytearray(buffer) if view is not None and view.readonly and call.kind in _INWARD else buffer


@mutant("file/27", "file/44", "socket/25", "datagram/22")
class CopiesScatteredBuffers(Buffers):
    """Works on a copy where the buffer is not contiguous."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        view = _flags(buffer)
        return buffer if view is None or view.c_contiguous else bytearray(view)


@mutant("file/27", "socket/25", "datagram/22")
class RaisesValueErrorForScatteredBuffers(Buffers):
    """Has the wrong exception for a buffer that is not contiguous."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        view = _flags(buffer)
        if view is not None and not view.c_contiguous:
            raise ValueError("ndarray is not C-contiguous")
        return buffer


@mutant("file/28", "socket/25", "file/44")
class EncodesText(Buffers):
    """Takes text for its bytes."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        return bytearray(buffer.encode()) if isinstance(buffer, str) else buffer


@mutant("file/28")
class WantsLengths(Buffers):
    """Lets the AttributeError out when what it is given is no buffer."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        return buffer if _flags(buffer) is not None else buffer.nbytes


@mutant("file/29")
class CountsItems(Port):
    """Gives results in items of the buffer's format."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        size = memoryview(call.values["buffer"]).itemsize if "buffer" in call.values else 1
        return [done._replace(result=done.result // size) if done.result > 0 else done]


@mutant("file/29", "file/37")
class WantsBytearrays(Buffers):
    """Reads into bytearray and memoryview only."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        if not isinstance(buffer, (bytes, bytearray, memoryview)):
            raise TypeError(f"a buffer is bytes, bytearray or memoryview, not {type(buffer).__name__}")
        return buffer


@mutant("file/1", "file/30", "socket/24", "file/32")
class TakesTheWholeObject(Buffers):
    """Takes the object that a memoryview shows a part of."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        return buffer.obj if isinstance(buffer, memoryview) and isinstance(buffer.obj, bytearray) else buffer


@mutant("file/37")
class TruncatesLengthsTo32Bits(Buffers):
    """Has the length of a buffer in an unsigned int."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        view = _flags(buffer)
        return view[: len(view) & 0xFFFF_FFFF] if view is not None and view.nbytes >> 32 else buffer


@mutant("file/31", "file/46", "socket/26", "datagram/21", "cancel/20")
class ReleasesBufferAtSubmit(Buffers):
    """Has memory of its own for what is in flight, and does not hold the caller's buffer."""

    def buffer(self, buffer: Any, call: Call) -> Any:
        if type(buffer) is not bytearray:
            return buffer
        call.note = [*(call.note or ()), (buffer, bytearray(buffer))]
        return call.note[-1][1]

    def end(self, done: Completion, call: Call) -> list[Completion]:
        left = max(done.result, 0) if call.kind in _INWARD else 0
        for buffer, copy in call.note or ():
            buffer[: min(left, len(copy))] = copy[: min(left, len(copy))]
            left -= min(left, len(copy))
        return [done]


@mutant("file/31", "file/32", "file/46", "socket/26", "datagram/21", "cancel/20", "teardown/18")
class HoldsBuffersUntilTheNextWait(Port):
    """Cleans up what was returned when it is called again."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Any] = []

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.held.clear()
        return super().wait(*arguments, **named)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        buffers = call.values.get("buffers", [call.values.get("buffer", b"")])
        self.held += [memoryview(buffer) for buffer in [*buffers, *(call.note or ())]]
        return [done]

    def begin(self, call: Call) -> int:
        call.note = list(call.values.get("buffers", ()))
        return super().begin(call)


@mutant("file/34", "file/35", "file/36", "file/45")
class IgnoresOffsetsOnStreams(Port):
    """Drops an offset where there is no place."""

    def begin(self, call: Call) -> int:
        if call.values.get("offset") is not None and mode_of(call) and not stat.S_ISREG(mode_of(call)):
            call.values["offset"] = None
        return super().begin(call)


@mutant("file/34", "file/35", "file/36", "file/45")
class LeavesOffsetsOnStreamsToTheSystem(Port):
    """Leaves it to the system to refuse an offset where there is no place."""

    def begin(self, call: Call) -> int:
        try:
            return super().begin(call)
        except ValueError:
            return self.settle(call, -errno.ESPIPE)


@mutant("file/38", "file/40", "file/41", "file/42", "file/43", "file/61", "capability/11")
class FillsTheFirstBufferOnly(Port):
    """Reads into the first of several buffers."""

    def begin(self, call: Call) -> int:
        if call.method == "read_vectored" and isinstance(call.values["buffers"], list):
            call.values["buffers"] = call.values["buffers"][:1]
        return super().begin(call)


@mutant("file/39", "file/42", "file/47", "file/61", "capability/11")
class WritesTheFirstBufferOnly(Port):
    """Writes the first of several buffers."""

    def begin(self, call: Call) -> int:
        if call.method == "write_vectored":
            call.values["buffers"] = call.values["buffers"][:1]
        return super().begin(call)


@mutant("file/38", "file/47", "file/48", "capability/11")
class FillsBuffersBackwards(Port):
    """Hands the buffers over in the order in which they come off a stack."""

    def begin(self, call: Call) -> int:
        if call.method == "read_vectored" and isinstance(call.values["buffers"], list):
            call.values["buffers"] = call.values["buffers"][::-1]
        return super().begin(call)


@mutant("file/42")
class TakesSixteenBuffers(Port):
    """Has an array for sixteen buffers."""

    def begin(self, call: Call) -> int:
        if len(call.values.get("buffers", ())) > 16:
            raise ValueError("too many buffers")
        return super().begin(call)


@mutant("file/42")
class TakesNoBuffersAtAll(Port):
    """Has nothing against a vectored operation without buffers."""

    def begin(self, call: Call) -> int:
        return self.settle(call, 0) if call.values.get("buffers", True) == [] else super().begin(call)


@mutant("file/44")
class HoldsTheGoodBuffers(Port):
    """Exports buffers one by one, and keeps those that it has when one will not do."""

    kept: ClassVar[list[memoryview]] = []

    def begin(self, call: Call) -> int:
        try:
            return super().begin(call)
        except (BufferError, TypeError):
            self.kept.extend([memoryview(buffer) for buffer in call.values.get("buffers", ())[:1]])
            raise


@mutant("file/46")
class KeepsTheCallersList(Port):
    """Reads the list of buffers when the operation is carried out, not when it is submitted."""

    def begin(self, call: Call) -> int:
        if call.method != "read_vectored" or not stat.S_ISFIFO(mode_of(call)):
            return super().begin(call)
        self.late = call
        return self._ledger.number()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        late, self.late = self.late, None
        if late is not None:
            super().begin(late) if late.values["buffers"] else self.settle(late, 0)
        return super().wait(*arguments, **named)

    late: Call | None = None


@mutant("file/41", "file/46", "file/61")
class ReadsVectorsAtOffsets(Offsets):
    """Knows preadv() and pwritev() only, and takes 0 for no offset."""

    def begin(self, call: Call) -> int:
        if call.values.get("buffers") and call.values["offset"] is None:
            call.values["offset"] = 0
        return super().begin(call)

    def offset(self, offset: int | None, call: Call) -> int | None:
        return offset


@mutant("teardown/12", "teardown/13")
class WritesToFreedMemory(Port):
    """Keeps a bare address, and writes there when the bytes come.

    Whose memory that is by then the allocator decides, and a crash would tell little: here it is surely somebody's.
    """

    def begin(self, call: Call) -> int:
        if call.method == "recv" and isinstance(call.values["buffer"], bytearray):
            call.note = len(call.values["buffer"])
            call.values["buffer"] = bytearray(call.note)
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        lists = [found for found in gc.get_objects() if type(found) is list] if call.note else []
        for victim in [each for found in lists for each in found if type(each) is bytearray]:
            if len(victim) == call.note and victim is not call.values["buffer"] and done.result > 0:
                victim[: done.result] = call.values["buffer"][: done.result]
                break
        return [done]
