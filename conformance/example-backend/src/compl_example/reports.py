"""Level-triggered readiness: READY for registered files, and the ends of ``poll``.

A selector would repeat itself for as long as a file is ready.  So a file that was reported rests until the next
pass; then it is looked at again.  What the pass finds ready is reported once, what it finds not ready any more is
taken out of the queue, if it still is there.
"""

from __future__ import annotations

from collections.abc import Callable

from compl_core import Completion, CompletionFlags, Interest, Kind
from compl_example.ledger import Ledger
from compl_example.operation import Outcome
from compl_example.readiness import readiness
from compl_example.ready import Entry
from compl_example.source import Registration, Source


class Reports:
    """All methods run with the port's lock held."""

    def __init__(self, ledger: Ledger, touch: Callable[[Source], None]) -> None:
        self._ledger = ledger
        self._touch = touch
        self._resting: list[Source] = []
        self._doubtful: list[Registration] = []  # reported before this pass, and still in the queue

    def arm(self) -> None:
        """A pass begins: look at all files again that were reported."""
        for source in self._resting:
            registration = source.registration
            if registration is not None and not registration.spent:
                registration.armed = True
                self._touch(source)
                if registration.report is not None:
                    self._doubtful.append(registration)
        self._resting.clear()

    def report(self, source: Source, number: int) -> None:
        """In pass ``number`` the selector said that ``source`` is ready for something."""
        for poll in list(source.polls):
            ready = readiness(source.number, poll.interest)
            if ready:
                source.polls.remove(poll)
                self._ledger.finish(poll, Outcome(int(ready)))
        registration = source.registration
        if registration is not None and registration.armed:
            ready = readiness(source.number, registration.interest)
            if ready:
                self._ready(source, registration, ready, number)

    def take_back_untrue(self, number: int) -> None:
        """Pass ``number`` is through: what it did not find ready is not ready any more."""
        for registration in self._doubtful:
            if registration.seen != number:
                self.take_back(registration)
        self._doubtful.clear()

    def take_back(self, registration: Registration) -> None:
        """Its report, if that is still in the queue, does not count."""
        if registration.report is not None:
            self._ledger.ready.remove(registration.report)
            registration.report = None

    def forget(self, source: Source) -> None:
        """Unregister: a barrier, no READY after it."""
        if source.registration is not None:
            self.take_back(source.registration)
            source.registration = None

    def clear(self) -> None:
        """Let all file objects go."""
        self._resting.clear()
        self._doubtful.clear()

    def _ready(self, source: Source, registration: Registration, ready: Interest, number: int) -> None:
        completion = Completion(registration.key, int(ready), None, Kind.READY, CompletionFlags.NONE, None)
        registration.armed = False
        registration.seen = number
        self._resting.append(source)
        if registration.report is not None:
            registration.report.completion = completion
        else:
            registration.report = Entry(completion, 0, registration)
            self._ledger.ready.append(registration.report)
