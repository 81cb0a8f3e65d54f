"""A ring as the queue of a loop of handlers: entries out, completions in, each to the request that it belongs to.

The kernel gets a request's number with the top bit set as its user_data.  A completion without that bit is a message of
another ring, to the request of that number: it comes beside the request's own completions, and ends nothing, whatever
flags its sender gave it.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from compl_core.backlog import Request
from compl_core.handler_loop import HandlerLoop
from compl_core.handlers import Arrival, Member, Queue
from compl_uring._native import CompletionEntry
from compl_uring.ring_request import OWN, REQUEST, Raw
from compl_uring.submitter import Submitter

if TYPE_CHECKING:
    from compl_uring.ring import Ring
    from compl_uring.ring_operation import RingOperation

logger = logging.getLogger("compl_uring")


class RingQueue(Queue[CompletionEntry]):
    """The kernel's side of an OperationRing."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._loop: HandlerLoop[CompletionEntry] | None = None
        #: Entries of the loop itself in flight: its bell, and cancels.
        self._own: set[int] = set()
        self._given = 0
        #: user_data of what is to be cancelled once there is room: a cancel is never lost to a full queue.
        self._cancels: dict[int, None] = {}
        #: What stop() rings: an eventfd, of which a poll is in flight during a run.
        self._bell: int | None = None
        self._bell_number: int | None = None
        #: Held while the bell is used or taken down; again by a signal handler that calls stop() in the midst of it.
        self._lock = threading.RLock()

    # ---- a run ------------------------------------------------------------------------------------------------------

    def open(self, loop: HandlerLoop[CompletionEntry]) -> None:
        self._loop = loop
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._hang_bell(self._bell)

    def close(self) -> None:
        self._loop = self._bell_number = None
        self._own.clear()
        self._cancels.clear()
        with self._lock:
            bell, self._bell = self._bell, None
            if bell is not None:
                os.close(bell)

    def submitter(self, loop: HandlerLoop[CompletionEntry], member: Member) -> Submitter[object]:
        return Submitter(self._ring, loop, member)

    # ---- out --------------------------------------------------------------------------------------------------------

    def start(self, group: Sequence[Request[Member]]) -> bool:
        ring = self._ring
        if ring.room < len(group):
            return False
        for request in group:
            ring.submit_raw(request.work, request.number | REQUEST)
        return True

    def flush(self) -> bool:
        before = self._ring.room
        self._ring.submit()
        return self._ring.room > before

    def turn(self, timeout: float | None) -> Iterable[Arrival[CompletionEntry]]:
        self._send_cancels()
        entries = self._ring.submit_and_wait(0 if timeout == 0 else 1, timeout)
        return [arrival for entry in entries if (arrival := self._arrival(entry)) is not None]

    def cancel(self, request: Request[Member]) -> None:
        self._cancels[request.number | REQUEST] = None

    def _send_cancels(self) -> None:
        while self._cancels and (self._ring.room or self.flush()):
            target = next(iter(self._cancels))
            number = self._number()
            self._ring.cancel(target, number)
            self._own.add(number)
            del self._cancels[target]

    def _number(self) -> int:
        self._given += 1
        return OWN | self._given

    # ---- in ---------------------------------------------------------------------------------------------------------

    def _arrival(self, entry: CompletionEntry) -> Arrival[CompletionEntry] | None:
        loop = self._loop
        assert loop is not None
        number = entry.user_data
        if number in self._own:
            self._own.discard(number)
            if number == self._bell_number:
                self._bell_number = None
            return None
        request = loop.requests.get(number & ~REQUEST)
        if request is not None:
            return request, entry, number >= REQUEST and not entry.more
        level = logging.DEBUG if loop.closing else logging.WARNING
        logger.log(level, "operation ring: a completion for nobody, dropped: %r", entry)
        return None

    def cancelled(self, request: Request[Member]) -> CompletionEntry:
        return CompletionEntry(request.number | REQUEST, -errno.ECANCELED)

    def complete(self, request: Request[Member], entry: CompletionEntry) -> object:
        data, member = request.data, request.owner
        if isinstance(data, Raw):
            return self._complete_raw(request, data, entry), None
        return member.handler.on_completion(entry, data, member.submitter)

    def tear_down(self, request: Request[Member], entry: CompletionEntry) -> None:
        if isinstance(request.data, Raw):
            assert self._loop is not None
            self._loop.complete(request, entry, True)
        else:
            super().tear_down(request, entry)

    def _complete_raw(self, request: Request[Member], raw: Raw, entry: CompletionEntry) -> object:
        operation: RingOperation[object] = request.owner.handler  # type: ignore[assignment]
        entry = CompletionEntry(raw.user_data, entry.res, entry.flags, entry.extra)
        return operation.on_raw_completion(entry, request.owner.submitter)

    # ---- the bell ---------------------------------------------------------------------------------------------------

    def _hang_bell(self, bell: int) -> None:
        """Rings once: stop() ends the run."""
        if not self._ring.room:
            self._ring.submit()
        number = self._number()
        self._ring.poll_add(bell, select.POLLIN, number)
        self._own.add(number)
        self._bell_number = number

    def wake(self) -> None:
        with self._lock:
            if self._bell is not None:
                os.eventfd_write(self._bell, 1)

    def settle(self) -> None:
        if self._bell_number is not None:
            self._cancels[self._bell_number] = None

    @property
    def settled(self) -> bool:
        return not self._own and not self._cancels

    @property
    def lost(self) -> bool:
        return self._ring.closed or not self._ring.in_flight
