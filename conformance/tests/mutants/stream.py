"""file and socket: bytes that come and go on pipes, terminals and connections."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from collections import deque
from typing import Any, ClassVar

from compl_core import Completion, CompletionFlags, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.storage import mode_of, room_of

INWARD: tuple[Kind, ...] = (Kind.READ, Kind.RECV, Kind.RECV_FROM, Kind.ACCEPT)
OUTWARD: tuple[Kind, ...] = (Kind.WRITE, Kind.SEND, Kind.SEND_TO)


def is_ready(call: Call, seconds: float | None = 0) -> bool:
    """Whether its file is ready for it, or will be within so many seconds; True for what has no readiness."""
    if call.kind not in INWARD + OUTWARD or call.number < 0:
        return True
    watch = select.poll()
    watch.register(call.number, select.POLLIN if call.kind in INWARD else select.POLLOUT)
    return bool(watch.poll(None if seconds is None else seconds * 1000))


@mutant(
    "file/49", "file/55", "file/58", "file/60", "socket/2", "socket/11", "socket/21", "socket/37",
    "datagram/3",
)  # fmt: skip
class BlocksInTheCall(Port):
    """Makes the system call that may block when it is asked to, in the caller's thread."""

    def begin(self, call: Call) -> int:
        is_ready(call, 3)
        return super().begin(call)


@mutant(
    "file/49", "file/53", "file/55", "file/56", "file/58", "file/61", "socket/2", "socket/11", "socket/18",
    "socket/22", "socket/37", "datagram/3", "datagram/4", "threads/10", "threads/11",
)  # fmt: skip
class SurfacesEagain(Port):
    """Tries once, and completes with what the system says: EAGAIN."""

    def begin(self, call: Call) -> int:
        return super().begin(call) if is_ready(call) else self.settle(call, -errno.EAGAIN)


@mutant("file/56", "socket/21", "socket/22", "socket/37")
class SurfacesEagainOfNonBlockingFiles(Port):
    """Has helper threads that block, except where the file is in non-blocking mode."""

    def begin(self, call: Call) -> int:
        blocks = call.number < 0 or not mode_of(call) or os.get_blocking(call.number)
        return super().begin(call) if blocks or is_ready(call) else self.settle(call, -errno.EAGAIN)


@mutant("socket/21", "socket/37", "socket/51", "datagram/3")
class MakesSocketsNonBlocking(Port):
    """Calls ``setblocking(False)`` on the caller's socket."""

    def begin(self, call: Call) -> int:
        if isinstance(call.file, socket.socket) and call.file.fileno() >= 0:
            call.file.setblocking(False)
        return super().begin(call)


class _Queueing(Port):
    """Starts some operations only when others have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[Call] = deque()
        self.running: list[Call] = []

    def may_start(self, call: Call) -> bool:
        raise NotImplementedError

    def begin(self, call: Call) -> int:
        if call.number < 0 or call.method == "close_file":
            return super().begin(call)
        self.queue.append(call)
        self.start()
        return self._ledger.number()

    def start(self) -> None:
        for call in list(self.queue):
            if self.may_start(call):
                self.queue.remove(call)
                self.running.append(call)
                super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call in self.running:
            self.running.remove(call)
            self.start()
        return [done]


@mutant("file/25", "file/57", "socket/20")
class HasOneWorker(_Queueing):
    """Does one thing after the other, in one thread."""

    def may_start(self, call: Call) -> bool:
        return not self.running


@mutant("file/63", "socket/20")
class HasOneQueuePerFile(_Queueing):
    """Keeps the operations on a file in one line, sends behind recvs."""

    def may_start(self, call: Call) -> bool:
        return all(other.number != call.number for other in self.running)


@mutant("file/57")
class HasTenThreads(_Queueing):
    """Has ten helper threads for pipes and sockets, each of which waits for one."""

    def may_start(self, call: Call) -> bool:
        return len(self.running) < 10


@mutant("file/51", "file/53", "file/54", "socket/5", "socket/18", "socket/41", "datagram/4", "datagram/23")
class ReturnsTheLastFirst(Port):
    """Builds a batch as a linked list, whose head is what finished last."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        return super().wait(*arguments, **named)[::-1]


@mutant("file/51", "socket/5")
class TellsTheEndOnce(Port):
    """Completes the first operation that meets the end of a stream, and leaves the others waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: set[int] = set()

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if not done.eof:
            return [done]
        known = call.number in self.ended
        self.ended.add(call.number)
        return [] if known else [done]


@mutant("file/50", "file/51", "file/59", "socket/4", "socket/5", "socket/15")
class IgnoresHangups(Port):
    """Waits for POLLIN alone, which the end of a pipe is not."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.eof else [done]


@mutant("file/60")
class ReadsNoTerminals(Port):
    """Refuses character devices."""

    def begin(self, call: Call) -> int:
        device = call.kind in (Kind.READ, Kind.WRITE) and stat.S_ISCHR(mode_of(call))
        return self.settle(call, -errno.EINVAL) if device else super().begin(call)


@mutant("file/62", "socket/33", "signals/13")
class RaisesSigpipe(Port):
    """Writes in the caller's thread, without a word about SIGPIPE."""

    def begin(self, call: Call) -> int:
        if call.kind in OUTWARD and room_of(call):
            watch = select.poll()
            watch.register(call.number, 0)
            if watch.poll(0):
                try:
                    os.write(call.number, call.values["buffer"])
                except OSError:
                    pass
        return super().begin(call)


@mutant("socket/1", "socket/14", "datagram/8", "datagram/9", "cancel/2")
class RecvWaitsForTheWholeBuffer(ExamplePort):
    """Sets MSG_WAITALL."""

    def recv(self, sock: Any, buffer: Any = None, flags: int = 0, token: object = None, **named: Any) -> int:
        return super().recv_exactly(sock, buffer, token)


@mutant("socket/24", "socket/27", "error/6")
class IgnoresFlags(Port):
    """Has a parameter for flags, and does nothing with it."""

    def begin(self, call: Call) -> int:
        call.values.update({"flags": 0} if "flags" in call.values else {})
        return super().begin(call)


@mutant("socket/12", "socket/17", "socket/19", "model/2")
class SendAllSendsOnce(ExamplePort):
    """Makes one send of it, which may be short."""

    def send_all(self, sock: Any, buffer: Any, token: object = None) -> int:
        return super().send(sock, buffer, 0, token)


@mutant("socket/12", "socket/17")
class SendAllSendsAMebibyte(ExamplePort):
    """Sends no more than the buffers of its kernel take."""

    def send_all(self, sock: Any, buffer: Any, token: object = None) -> int:
        return super().send_all(sock, memoryview(buffer)[: 1 << 20], token)


@mutant("socket/14", "socket/17")
class RecvExactlyTakesWhatComes(ExamplePort):
    """Completes with the first bytes that come."""

    def recv_exactly(self, sock: Any, buffer: Any, token: object = None) -> int:
        return super().recv(sock, buffer, 0, token)


@mutant("socket/13", "socket/16")
class ForgetsWhatWasMovedBeforeAFailure(Port):
    """Completes an operation that failed half-way as one that failed."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=None) if done.result < 0 else done]


@mutant("socket/13", "socket/16", "error/10")
class CallsAFailureHalfWayAShortCount(Port):
    """Gives the bytes that were moved before an error, and keeps the error to itself."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=done.value or 0, value=None) if done.result < 0 else done]


@mutant("socket/14")
class ReadsAhead(Port):
    """Takes what there is from the socket when recv_exactly has enough, and loses it."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.method == "recv_exactly" and done.result > 0:
            with socket.socket(fileno=os.dup(call.number)) as sock:
                try:
                    sock.recv(4096, socket.MSG_DONTWAIT)
                except OSError:
                    pass
        return [done]


@mutant("socket/15")
class AShortStreamIsAnError(Port):
    """Says ECONNABORTED when the stream ends before recv_exactly has enough."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        short = call.method == "recv_exactly" and 0 < done.result < room_of(call)
        return [done._replace(result=-errno.ECONNABORTED) if short else done]


@mutant("socket/8", "socket/9", "socket/30", "socket/32", "socket/34", "error/10", "error/16")
class SendErrorsAreLost(Port):
    """Completes a send when the data is copied, whatever becomes of that."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        lost = done.kind is Kind.SEND and done.result < 0 and done.result != -errno.ECANCELED
        return [done._replace(result=room_of(call), value=None) if lost else done]


@mutant("socket/3", "socket/17", "socket/28", "datagram/9")
class CountsItsHeaderAsSent(Port):
    """Counts the header that it puts before the data as sent."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=done.result + 8) if done.kind is Kind.SEND and done.result > 0 else done]


@mutant("socket/10")
class AsksTheSystemForNothing(Port):
    """Has an empty recv wait until there is something that it does not take."""

    def begin(self, call: Call) -> int:
        if call.kind is Kind.RECV and not room_of(call) and not is_ready(call):
            return self._ledger.number()
        return super().begin(call)


@mutant("socket/28", "limits/6", "register/20")
class HasOneKeyForAllFiles(Port):
    """Keeps the key with the port's association, not with the file's."""

    key: int | None = None

    def register(self, file: Any, key: int, *arguments: Any, **named: Any) -> None:
        super().register(file, key, *arguments, **named)
        self.key = key

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(key=self.key or 0) if done.kind is Kind.READY else done]

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(key=self.key or 0)]


@mutant("socket/29", "datagram/19")
class RaisesForNoSockets(Port):
    """Refuses at the call what is no socket."""

    def begin(self, call: Call) -> int:
        if "sock" in call.values and mode_of(call) and not stat.S_ISSOCK(mode_of(call)):
            raise TypeError("not a socket")
        return super().begin(call)


@mutant("socket/30", "socket/31", "socket/42")
class WaitsForAConnection(Port):
    """Waits on where the system says that a socket is in no state for this."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.result in (-errno.ENOTCONN, -errno.EINVAL, -errno.EPIPE) else [done]


@mutant("socket/32", "socket/8")
class SendsToAClosedPeerAreCancelled(Port):
    """Says ECANCELED of a send that nobody will receive."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=-errno.ECANCELED) if done.result in (-errno.EPIPE, -errno.ECONNRESET) else done]


@mutant("socket/35", "post/5")
class LooksIntoTokens(Port):
    """Compares each token with None by ``==``."""

    def begin(self, call: Call) -> int:
        if call.token == None:  # noqa: E711  the fault
            call.token = None
        return super().begin(call)

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token if hash(token) else None)


@mutant("socket/26", "teardown/1", "teardown/6", "teardown/9", "leak/14")
class NeverReleasesRecvBuffers(Port):
    """Exports a buffer twice, and lets go of it once."""

    kept: ClassVar[list[Any]] = []

    def begin(self, call: Call) -> int:
        if call.kind is Kind.RECV:
            self.kept.append(memoryview(call.values["buffer"]))
        return super().begin(call)


@mutant("socket/1", "socket/3", "file/1", "datagram/1", "socket/36", "socket/50", "wait/19", "wait/25")
class EveryCompletionSaysMore(Port):
    """Never clears the flag MORE."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags | CompletionFlags.MORE)]
