"""error: what becomes of a failure on its way to the caller."""

from __future__ import annotations

import errno
import os
from typing import Any

from compl_core import Completion, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port

_FILES = (Kind.READ, Kind.WRITE, Kind.FSYNC)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except (OSError, OverflowError):
        return False
    return True


@mutant(
    "error/1", "error/2", "error/3", "error/4", "error/6", "error/7", "error/8", "error/9", "file/5", "file/43",
    "register/47", "teardown/22", "teardown/29",
)  # fmt: skip
class RaisesForClosedFiles(Port):
    """Raises EBADF at the call, which is where it learns of it."""

    def begin(self, call: Call) -> int:
        a_file = isinstance(call.file, int) or hasattr(call.file, "fileno")
        if a_file and not _is_open(call.number):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return super().begin(call)


@mutant("error/3", "file/5", "file/43")
class DoesNotOpenWhatIsEmpty(Port):
    """Completes an operation on an empty buffer before it looks at the file."""

    def begin(self, call: Call) -> int:
        buffers = call.values.get("buffers", [call.values.get("buffer", b"-")])
        if not any(memoryview(buffer).nbytes for buffer in buffers):
            return self.settle(call, 0)
        return super().begin(call)


@mutant("error/6", "error/7")
class AFailureEndsTheBatch(Port):
    """Stops submitting at the first operation that fails, as io_uring_enter() did."""

    broken = False

    def begin(self, call: Call) -> int:
        if self.broken:
            return self.settle(call, -errno.ECANCELED)
        self.broken = call.number >= 0 and not _is_open(call.number)
        return super().begin(call)

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.broken = False
        return super().wait(*arguments, **named)


@mutant("error/8", "error/6", "error/10", "socket/6", "cancel/1", "file/17", "datagram/11")
class WaitRaisesFailures(Port):
    """Raises the error of a failed operation from wait, where it is noticed at least."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.error is not None:
            raise done.error
        return [done]


@mutant("error/10", "socket/52", "socket/59", "socket/61", "file/20", "datagram/18", "datagram/17")
class KnowsFewErrors(Port):
    """Has a table of error numbers, and EIO for what is not in it."""

    known = (errno.EBADF, errno.ECANCELED, errno.ECONNRESET, errno.EPIPE, errno.EINVAL)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        unknown = done.result < 0 and -done.result not in self.known
        return [done._replace(result=-errno.EIO) if unknown else done]


@mutant("error/16", "error/10", "socket/9", "file/52", "file/18")
class ForgetsTheMinus(Port):
    """Gives the errno as it is, so that a failure looks like bytes."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=abs(done.result)) if call.kind in (*_FILES, Kind.SEND, Kind.CONNECT) else done]


@mutant("error/11", "socket/34")
class FailuresHaveNoKey(Port):
    """Builds the completion of a failure without looking the key up."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(key=0) if done.result < 0 else done]


@mutant("error/1", "error/2", "error/3", "error/4", "socket/29", "file/17", "file/18")
class FailuresHaveNoKind(Port):
    """Builds the completion of a failure as one of nothing in particular."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(kind=Kind.NOP) if done.result < 0 else done]


class _Failure(OSError):
    """One that cannot be made again from its ``args``."""

    def __init__(self, number: int, text: str, operation: str) -> None:
        super().__init__(number, text)
        self.operation = operation


@mutant("error/12", "error/16")
class HasErrorsThatDoNotPickle(Port):
    """Gives an error of its own class, whose constructor wants more than it keeps."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result >= 0:
            return [done]
        return [done._replace(value=_Failure(-done.result, os.strerror(-done.result), call.method))]


@mutant("error/13", "cancel/1", "cancel/5", "cancel/16", "cancel/18")
class CancelledHasNoClassOfItsOwn(Port):
    """Gives the error of a cancelled operation as the system's own."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        cancelled = done.result == -errno.ECANCELED
        return [done._replace(value=OSError(errno.ECANCELED, "cancelled")) if cancelled else done]


@mutant("error/13", "cancel/9", "cancel/28", "teardown/18", "teardown/21", "teardown/26", "register/49", "signals/8")
class CancelledIsInterrupted(Port):
    """Says EINTR of an operation that was cancelled, as close() of a device does."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=-errno.EINTR) if done.result == -errno.ECANCELED else done]


@mutant("error/14", "error/15", "file/33", "file/34", "file/44", "datagram/16", "teardown/11", "leak/5")
class KeepsTheBufferOfACallThatRaises(Port):
    """Exports the buffer first, and does not let it go when something else is wrong with the call."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[memoryview] = []

    def begin(self, call: Call) -> int:
        buffers = call.values.get("buffers", [call.values.get("buffer", b"")])
        try:
            return super().begin(call)
        except Exception:
            self.kept += [memoryview(buffer) for buffer in buffers if isinstance(buffer, (bytes, bytearray))]
            raise


@mutant("error/15")
class HidesTheErrorOfFileno(ExamplePort):
    """Takes any exception of fileno() to mean that this is no file."""

    def recv(self, sock: Any, *arguments: Any, **named: Any) -> int:
        try:
            return super().recv(sock, *arguments, **named)
        except LookupError as error:
            raise TypeError("not a file") from error


@mutant("error/15")
class ConvertsDescriptors(ExamplePort):
    """Calls ``int()`` on what fileno() gives."""

    def recv(self, sock: Any, *arguments: Any, **named: Any) -> int:
        return super().recv(int(sock.fileno()) if hasattr(sock, "fileno") else sock, *arguments, **named)


@mutant("error/16", "socket/42", "socket/44", "cancel/1", "cancel/15", "teardown/26")
class FailuresHaveAValue(Port):
    """Leaves the value that an operation would have had in the completion of its failure."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=0) if done.result < 0 else done]


@mutant("error/17", "socket/34", "datagram/17")
class ErrorsStick(Port):
    """Marks a file as broken at the first failure, and fails whatever comes after with the same error."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[int, int] = {}

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result < 0 and call.number >= 0:
            self.broken.setdefault(call.number, done.result)
        return [done._replace(result=self.broken.get(call.number, done.result))]


@mutant("error/11")
class NamesNoOperation(Port):
    """Gives the system's error with the system's words alone."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result >= 0:
            return [done]
        return [done._replace(value=OSError(-done.result, os.strerror(-done.result)))]


@mutant("cancel/33", "socket/34")
class AFailureCancelsTheOthers(Port):
    """Gives up everything on a file when one operation on it fails."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result < 0 and call.number >= 0:
            self.cancel_all(call.number)
        return [done]


@mutant("error/10", "socket/6", "socket/7", "socket/16")
class EofOnReset(Port):
    """Takes a reset for the end of the stream."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        reset = done.kind is Kind.RECV and done.result == -errno.ECONNRESET
        return [Completion(done.key, 0, done.token, done.kind, type(done.flags).EOF, None) if reset else done]
