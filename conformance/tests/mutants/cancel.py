"""cancel: the race that everybody gets wrong first."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from typing import Any, ClassVar

from compl_core import Completion, Kind
from compl_core.errors import not_registered
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import number_of
from mutants.storage import room_of

CANCELED = -errno.ECANCELED


@mutant("cancel/1", "cancel/7", "cancel/28", "register/49", "socket/45", "model/1")
class CancelReturnsNothing(ExamplePort):
    """Has no answer to whether there was something to cancel."""

    def cancel(self, operation_id: int) -> bool:
        super().cancel(operation_id)
        return None  # type: ignore[return-value]


@mutant("cancel/1", "cancel/3", "cancel/29", "capability/15")
class CancelSaysTooLate(ExamplePort):
    """Says False of what it cancels."""

    def cancel(self, operation_id: int) -> bool:
        super().cancel(operation_id)
        return False


class Cancelling(Port):
    """Knows what was cancelled, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, Call] = {}
        self.cancels: dict[int, int] = {}

    def begin(self, call: Call) -> int:
        started = super().begin(call)
        self.calls[started] = call
        return started

    def cancel(self, operation_id: int) -> bool:
        found = super().cancel(operation_id)
        if found or operation_id in self.cancels:
            self.cancels[operation_id] = self.cancels.get(operation_id, 0) + 1
        return found

    def cancelled(self, call: Call) -> int:
        """How often ``cancel`` was called for it, since the first time that this was of use."""
        return next((self.cancels.get(id, 0) for id, one in self.calls.items() if one is call), 0)


@mutant("cancel/1", "cancel/5", "cancel/13", "cancel/20", "cancel/28", "cancel/32", "threads/16")
class CancelCompletesToo(Cancelling):
    """Makes a completion in cancel, whether or not the operation makes its own."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if self.cancelled(call):
            return [done, done._replace(result=CANCELED, value=None)]
        return [done]


@mutant("cancel/21", "cancel/35")
class ReadsCompleteAfterTheirCancel(Cancelling):
    """Completes a read when it is cancelled, and again when the disk has done it all the same."""

    def cancel(self, operation_id: int) -> bool:
        known = operation_id in self._ledger.in_flight
        found = super().cancel(operation_id)
        self.cancels[operation_id] = known
        return found

    def end(self, done: Completion, call: Call) -> list[Completion]:
        twice = done.kind is Kind.READ and done.result >= 0 and self.cancelled(call)
        return [done._replace(result=CANCELED), done] if twice else [done]


@mutant("cancel/5", "cancel/32")
class EveryCancelCompletes(Cancelling):
    """Makes a completion for each cancel of an operation, the second one included."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done] * max(1, self.cancelled(call))


@mutant(
    "cancel/1", "cancel/5", "cancel/9", "cancel/11", "cancel/22", "cancel/23", "cancel/27", "cancel/28",
    "cancel/32", "teardown/18", "teardown/26", "teardown/28", "capability/15", "signals/8",
)  # fmt: skip
class CancelledIsGone(Port):
    """Takes a cancelled operation out of its tables, and tells nobody."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.result == CANCELED else [done]


class _Loses(Port):
    """Lets an operation that was cancelled go on, and hides what becomes of it."""

    kinds: tuple[Kind, ...] = ()

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result != CANCELED or call.kind not in self.kinds or call.number < 0:
            return [done]
        number = os.dup(call.number)
        threading.Thread(target=self.go_on, args=[socket.socket(fileno=number), call], daemon=True).start()
        time.sleep(0.002)  # it is at it when wait returns
        return [done]

    def go_on(self, sock: socket.socket, call: Call) -> None:
        raise NotImplementedError


@mutant("cancel/1", "cancel/2", "cancel/19")
class LosesByteOnCancel(_Loses):
    """Leaves a cancelled recv with the kernel, which takes the next bytes for it."""

    kinds = (Kind.RECV, Kind.RECV_FROM)

    def go_on(self, sock: socket.socket, call: Call) -> None:
        with sock:
            sock.settimeout(2)
            sock.recv_into(call.values["buffer"])


@mutant("cancel/15", "cancel/27")
class LosesAClientOnCancel(_Loses):
    """Leaves a cancelled accept with the kernel, which takes the next client for it."""

    kinds = (Kind.ACCEPT,)

    def go_on(self, sock: socket.socket, call: Call) -> None:
        with sock:
            sock.settimeout(2)
            sock.accept()[0].close()


@mutant("cancel/14")
class SendsWhatWasCancelled(_Loses):
    """Leaves a cancelled send with the kernel, which sends it when there is room."""

    kinds = (Kind.SEND,)

    def go_on(self, sock: socket.socket, call: Call) -> None:
        with sock, contextlib.suppress(OSError):
            sock.sendall(call.values["buffer"])


@mutant("cancel/3", "cancel/24", "cancel/25")
class CancelledAlthoughItWasDone(Cancelling):
    """Says ECANCELED of whatever was cancelled, though the bytes are taken."""

    def cancel(self, operation_id: int) -> bool:
        found = super().cancel(operation_id)
        self.cancels[operation_id] = 1
        return found

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=CANCELED) if self.cancelled(call) and done.kind is Kind.RECV else done]


@mutant("cancel/4", "cancel/5", "cancel/6")
class CancelAlwaysSaysYes(ExamplePort):
    """Says True whenever it was asked."""

    def cancel(self, operation_id: int) -> bool:
        return super().cancel(operation_id) or True


@mutant("cancel/4", "cancel/6", "cancel/7")
class RaisesForUnknownIds(ExamplePort):
    """Lets the KeyError of its table out when an id is not in it."""

    def cancel(self, operation_id: int) -> bool:
        if isinstance(operation_id, int) and operation_id not in self._ledger.in_flight:
            raise KeyError(operation_id)
        return super().cancel(operation_id)


@mutant("cancel/4")
class AnOldIdCancelsTheNewOperation(Port):
    """Has ids without a generation: what is in the slot now is cancelled."""

    def cancel(self, operation_id: int) -> bool:
        flying = list(self._ledger.in_flight)
        return super().cancel(operation_id if operation_id in flying or not flying else flying[0])


@mutant("cancel/6")
class ConvertsIds(ExamplePort):
    """Calls ``int()`` on an id."""

    def cancel(self, operation_id: int) -> bool:
        return super().cancel(int(operation_id))


@mutant("cancel/7")
class CancelsForOtherPorts(ExamplePort):
    """Has one table of operations for all ports."""

    owners: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__()
        self.owners.append(self)

    def cancel(self, operation_id: int) -> bool:
        return any(ExamplePort.cancel(owner, operation_id) for owner in self.owners if not owner.closed)


@mutant("cancel/9")
class CancelAllCancelsRecvs(ExamplePort):
    """Goes through the operations that wait for something to read."""

    def cancel_all(self, file: Any) -> int:
        found = self._sources.find(file, number_of(file))
        ids = [id for id, one in found.operations.items() if one.kind is Kind.RECV] if found else []
        return sum(self.cancel(id) for id in ids)


@mutant("cancel/9", "capability/15")
class CancelAllCountsNothing(ExamplePort):
    """Cancels all, and returns None."""

    def cancel_all(self, file: Any) -> int:
        super().cancel_all(file)
        return None  # type: ignore[return-value]


@mutant("cancel/9")
class CancelAllCancelsEverything(ExamplePort):
    """Cancels what is in flight on the port."""

    def cancel_all(self, file: Any) -> int:
        count = super().cancel_all(file)
        for id in list(self._ledger.in_flight):
            self.cancel(id)
        return count


@mutant("cancel/10")
class CancelAllWantsARegistration(ExamplePort):
    """Raises NotRegistered for a file without a registration."""

    def cancel_all(self, file: Any) -> int:
        found = self._sources.find(file, number_of(file))
        if found is None or found.registration is None:
            raise not_registered(self.name, number_of(file), "cancel_all")
        return super().cancel_all(file)


@mutant("cancel/11")
class CancelsTheHeadOfTheQueue(ExamplePort):
    """Cancels the first operation of a file's queue, whichever is meant."""

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        line = pending.line if pending is not None else None
        return super().cancel(line[0].id if line else operation_id)


@mutant("cancel/12", "cancel/13", "cancel/26", "teardown/25", "model/2")
class ForgetsWhatACancelledTransferMoved(Cancelling):
    """Says ECANCELED of a transfer that was cancelled half-way."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        partial = call.method in ("send_all", "recv_exactly") and 0 < done.result < room_of(call)
        return [done._replace(result=CANCELED) if partial else done]


class _Deaf(Port):
    """Cannot cancel operations of some kinds, and says that it can."""

    kinds: tuple[Kind, ...] = ()

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        if pending is not None and pending.kind in self.kinds:
            return True
        return super().cancel(operation_id)


@mutant("cancel/14", "cancel/13")
class CannotCancelSends(_Deaf):
    """Has cancel look for recvs only."""

    kinds = (Kind.SEND,)


@mutant("cancel/16")
class CannotCancelConnects(_Deaf):
    """Leaves a connect to time out."""

    kinds = (Kind.CONNECT,)


@mutant("cancel/17")
class CannotCancelPipes(_Deaf):
    """Has a thread that is in read(), which nobody can get out of there."""

    kinds = (Kind.READ, Kind.WRITE)


@mutant("cancel/28", "leak/13", "signals/8")
class CannotCancelTimers(_Deaf):
    """Lets the time run out."""

    kinds = (Kind.TIMEOUT,)


@mutant("cancel/18")
class ACancelledPollIsReadyForNothing(Port):
    """Completes a cancelled poll with no readiness, and no error."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=0) if done.kind is Kind.POLL and done.result == CANCELED else done]


@mutant("cancel/20")
class CancelReleasesTheBuffer(ExamplePort):
    """Lets the buffer go in cancel, when nobody will write into it any more."""

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        found = super().cancel(operation_id)
        if found and pending is not None:
            pending.release()
        return found


@mutant("cancel/20", "cancel/32", "leak/14", "teardown/18")
class CancelledBuffersAreNeverReleased(Port):
    """Has no branch that lets the buffer of a cancelled operation go."""

    kept: ClassVar[list[Any]] = []

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.result == CANCELED and "buffer" in call.values:
            self.kept.append(memoryview(call.values["buffer"]))
        return [done]


@mutant("cancel/22", "signals/8")
class CancelTakesEffectInTheNextWait(ExamplePort):
    """Queues a cancel for the thread that waits, and does not wake it."""

    waiting = 0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def cancel(self, operation_id: int) -> bool:
        self.asked.append(operation_id)
        return operation_id in self._ledger.in_flight

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        while self.asked:
            super().cancel(self.asked.pop())
        return super().wait(*arguments, **named)


@mutant("cancel/23")
class DropsCancelsWhenItsQueueIsFull(ExamplePort):
    """Has room for 256 cancels between two waits."""

    room = 256

    def cancel(self, operation_id: int) -> bool:
        self.room -= 1
        return super().cancel(operation_id) if self.room > 0 else True

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.room = 256
        return super().wait(*arguments, **named)


@mutant(hangs=("cancel/5",))
class CancelBlocks(Port):
    """Waits in cancel until somebody has taken the completion."""

    def cancel(self, operation_id: int) -> bool:
        found = super().cancel(operation_id)
        while found and operation_id in self._ledger.in_flight:
            time.sleep(0.001)
        return found
