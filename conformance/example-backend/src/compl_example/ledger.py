"""The operations in flight, and the way each of them ends: once, in the queue that ``wait`` reads.

All methods run with the port's lock held.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

from compl_core import Completion, CompletionFlags, Kind, OperationId
from compl_example.operation import Outcome, Pending
from compl_example.ready import Entry, ReadyQueue
from compl_example.source import Registration, Source

#: What must hear that an entry was returned: a terminal completion's operation, a READY's registration, nobody.
Origin: TypeAlias = "Pending | Registration | None"

#: One count for all ports of the process, so that an id of another port is never mistaken for one's own.
_identifiers = itertools.count(1)


class Ledger:
    """Starts, finishes and forgets operations."""

    def __init__(self, lock: threading.RLock) -> None:
        self.ready: ReadyQueue[Origin] = ReadyQueue(lock)
        self.in_flight: dict[OperationId, Pending] = {}
        #: Told of each source that has one operation less.
        self.on_ended: Callable[[Source], None] = lambda _source: None
        self.submitted = 0
        self.posted = 0
        self.via_thread = 0
        self.resubmitted = 0

    def number(self) -> int:
        """A number that no packet and no operation has had."""
        return next(_identifiers)

    def start(self, pending: Pending) -> OperationId:
        pending.id = self.number()
        self.in_flight[pending.id] = pending
        if pending.source is not None and pending.kind is not Kind.CLOSE:
            pending.source.operations[pending.id] = pending
        self.submitted += 1
        return pending.id

    def finish(self, pending: Pending, outcome: Outcome) -> None:
        """The terminal completion.  Only the first call counts."""
        if pending.finished:
            return
        pending.finished = True
        pending.line = None
        if outcome.flags & CompletionFlags.VIA_THREAD:
            self.via_thread += 1
        self.ready.append(Entry(_completion(pending, outcome), pending.id, pending))
        if pending.source is not None:
            pending.source.operations.pop(pending.id, None)
            self.on_ended(pending.source)

    def more(self, pending: Pending, outcome: Outcome) -> None:
        """A completion of a multishot operation that goes on."""
        more = outcome._replace(flags=outcome.flags | CompletionFlags.MORE)
        self.ready.append(Entry(_completion(pending, more), pending.id, None))

    def post(self, number: int, key: int, result: int) -> None:
        self.posted += 1
        self.ready.append(Entry(Completion(key, result, None, Kind.POSTED, CompletionFlags.NONE, None), number, None))

    def returned(self, batch: list[Entry[Origin]]) -> None:
        """``wait`` is about to return these."""
        for entry in batch:
            match entry.origin:
                case Pending() as pending:
                    self.in_flight.pop(pending.id, None)
                    pending.release()
                case Registration() as registration:
                    registration.report = None
                    registration.spent = registration.oneshot

    def give_back(self, batch: list[Entry[Origin]]) -> None:
        """``wait`` did not return these after all."""
        self.ready.give_back(batch)
        for entry in batch:
            match entry.origin:
                case Pending() as pending:
                    self.in_flight[pending.id] = pending
                case Registration() as registration:
                    registration.report = entry
                    registration.spent = False

    def discard(self) -> None:
        """Nobody will wait any more: close the connections that nobody took."""
        for entry in self.ready.clear():
            if isinstance(entry.completion.value, socket.socket):
                entry.completion.value.close()

    def release(self) -> None:
        """Nothing is under way any more: let go of all buffers."""
        for pending in self.in_flight.values():
            pending.release()
        self.in_flight.clear()


def _completion(pending: Pending, outcome: Outcome) -> Completion:
    return Completion(pending.key, outcome.result, None, pending.kind, outcome.flags, outcome.value)
