"""poll: a look at a file's readiness, as an operation."""

from __future__ import annotations

import os
import stat
from typing import Any

from compl_core import AlreadyRegistered, Completion, Interest, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import number_of

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE


@mutant("register/42", "register/45")
class PollsForAnything(ExamplePort):
    """Completes a poll with whatever its file is ready for."""

    def poll(self, file: Any, interest: Interest, token: object = None) -> int:
        return super().poll(file, READABLE | WRITABLE, token)


@mutant("register/43", "register/49")
class HasOneWatchPerFile(ExamplePort):
    """Cannot poll a file that is registered: the kernel's set has it already."""

    def poll(self, file: Any, interest: Interest, token: object = None) -> int:
        source = self._sources.find(file, number_of(file))
        if source is not None and source.registration is not None:
            raise AlreadyRegistered(17, "it is watched already")
        return super().poll(file, interest, token)


@mutant("register/44")
class PollRegisters(ExamplePort):
    """Registers a file to poll it, and leaves it so."""

    def poll(self, file: Any, interest: Interest, token: object = None) -> int:
        self.register(file, 0)
        return super().poll(file, interest, token)


@mutant("register/45", "limits/4")
class KeepsOnePollPerFile(Port):
    """Forgets a poll when another one of the same file comes."""

    def begin(self, call: Call) -> int:
        if call.method == "poll":
            self.last = call
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done] if done.kind is not Kind.POLL or call is self.last else []


@mutant("register/46")
class CannotPollRegularFiles(Port):
    """Passes on what epoll says of a regular file: EPERM."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        always = done.kind is Kind.POLL and call.number >= 0 and stat.S_ISREG(os.fstat(call.number).st_mode)
        return [done._replace(result=-1) if always else done]


@mutant("register/49", "cancel/33", "cancel/11")
class CancelsTheNeighbours(ExamplePort):
    """Cancels by file where an operation is meant."""

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        if pending is not None and pending.source is not None:
            return self.cancel_all(pending.source.number) > 0
        return super().cancel(operation_id)
