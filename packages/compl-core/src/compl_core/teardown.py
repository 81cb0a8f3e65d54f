"""The end of a loop of handlers: cancel everything, wait until the kernel has let go of it, tell the handlers.

In rounds, until none starts anything more: handlers may start requests in ``on_teardown_completion`` (to close a file,
to say goodbye), and those are cancelled, waited for and told in their turn.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from compl_core.backlog import Request, State
from compl_core.control_flow import ErrorKind, HandlerError, reason_of

if TYPE_CHECKING:
    from compl_core.handler_loop import HandlerLoop
    from compl_core.handlers import Member

EntryT = TypeVar("EntryT")

#: Seconds after which requests that do not end are given up.
PATIENCE = 30.0
#: Seconds between cancels of a request: one that was not under way yet (a link of a chain) is found by a later one.
AGAIN = 0.1
#: Rounds after which requests are refused.
ROUNDS = 1000

#: What the kernel may still write to is never freed.
_leaked: list[Any] = []


class Teardown(Generic[EntryT]):
    """One teardown of ``loop``."""

    def __init__(self, loop: HandlerLoop[EntryT]) -> None:
        self._loop = loop
        self._ended: list[tuple[Request[Member], EntryT]] = []
        self._untold: list[tuple[Request[Member], EntryT]] = []
        self._rounds = 0
        self._given_up = False
        #: What went wrong, in its order.
        self.failures: list[BaseException] = []

    def run(self) -> None:
        """To the end.  An interrupt is a failure like others: it does not end a teardown."""
        while True:
            try:
                if self._run_to_its_end():
                    return
            except BaseException as interrupt:  # where no handler and no wait was under way
                self.failures.append(interrupt)

    def _run_to_its_end(self) -> bool:
        """Or to an interrupt; called again, it goes on from there."""
        while True:
            while self._untold:
                self._tell(*self._untold.pop())
            self._cancel()
            self._drain()
            if not self._ended:
                return True
            self._rounds += 1
            self._loop.refusing = self._given_up or self._rounds >= ROUNDS
            self._ended.sort(key=lambda end: (end[0].owner.index, -end[0].order))
            self._untold, self._ended = self._ended, []

    def _cancel(self) -> None:
        """Everything that is alive; what the kernel does not have ends at once."""
        loop = self._loop
        for request in [*loop.backlog.take_all(), *loop.requests.in_state(State.LISTENING)]:
            loop.end_here(request)
        for request in loop.requests.in_state(State.STARTED):
            loop.queue.cancel(request)
        loop.queue.settle()

    def _drain(self) -> None:
        """Until the kernel has nothing any more."""
        loop = self._loop
        limit = time.monotonic() + PATIENCE
        while True:
            while loop.arrived:
                self._arrive()
            if loop.queue.lost:
                for request in loop.requests.in_state(State.STARTED):
                    loop.end_here(request)
                while loop.arrived:
                    self._arrive()
                return
            if self._given_up or (not loop.requests.started and loop.queue.settled):
                return
            try:
                if not loop.turn(AGAIN):
                    if time.monotonic() > limit:
                        self._give_up(f"did not end within {PATIENCE:.0f} s of being cancelled")
                    else:
                        self._cancel()
            except Exception as error:
                if not loop.queue.lost:
                    self._give_up(f"cannot be waited for: {reason_of(error)}", error)
            except BaseException as interrupt:
                self.failures.append(interrupt)

    def _arrive(self) -> None:
        loop = self._loop
        request, entry, last = loop.arrived.popleft()
        if last:
            loop.requests.end(request)
            self._ended.append((request, entry))
            return
        try:
            loop.complete(request, entry, last)
        except BaseException as error:
            self.failures.append(error)

    def _tell(self, request: Request[Member], entry: EntryT) -> None:
        loop, name = self._loop, request.owner.name
        try:
            loop.queue.tear_down(request, entry)
        except HandlerError as error:
            self.failures.append(error)
        except Exception as error:
            reason = f"on_teardown_completion() raised {reason_of(error)}"
            failure = loop.failure(ErrorKind.TEARDOWN, name, reason)
            failure.__cause__ = error
            self.failures.append(failure)
        except BaseException as interrupt:
            self.failures.append(interrupt)

    def _give_up(self, why: str, cause: Exception | None = None) -> None:
        """The kernel keeps them: they and their data are never freed, and nobody is told of their end."""
        loop, self._given_up = self._loop, True
        left = loop.requests.in_state(State.STARTED)
        _leaked.append((loop.queue, left))
        for request in left:
            loop.requests.end(request)
        failure = loop.failure(
            ErrorKind.TEARDOWN, None, f"{len(left)} requests {why}; they are leaked with their data, for good"
        )
        failure.__cause__ = cause
        self.failures.append(failure)
