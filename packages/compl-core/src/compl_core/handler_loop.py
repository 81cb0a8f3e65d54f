"""The loop that handlers share: setup, completions, control flow, and a teardown that leaves nothing behind."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from compl_core.backlog import Backlog, Request, Requests, State
from compl_core.control_flow import Continue, Error, ErrorKind, Exit, HandlerError, Warn, reason_of
from compl_core.handlers import Arrival, Handler, Member, Queue
from compl_core.teardown import Teardown

EntryT = TypeVar("EntryT")


class HandlerLoop(Generic[EntryT]):
    """``handlers`` by name over one ``queue``; the public face of it is what compl-uring calls an OperationRing.

    ``what`` is its name in messages; failures are raised as ``failure``, and warnings logged with ``logger``.
    """

    def __init__(
        self,
        queue: Queue[EntryT],
        handlers: Mapping[str, Handler[Any, EntryT, Any]],
        backlog_limit: int | None = None,
        *,
        what: str = "handler loop",
        failure: type[HandlerError] = HandlerError,
        logger: logging.Logger | None = None,
        first_number: int = 1,
    ) -> None:
        self.queue = queue
        self.what = what
        self.failure = failure
        self.logger = logger or logging.getLogger("compl_core.handlers")
        self.requests: Requests[Member] = Requests(first_number)
        self.backlog: Backlog[Member] = Backlog(backlog_limit)
        self.arrived: deque[Arrival[EntryT]] = deque()
        self.members = [Member(index, name, handler) for index, (name, handler) in enumerate(handlers.items())]
        for member in self.members:
            member.submitter = queue.submitter(self, member)
        #: The run is being torn down.
        self.closing = False
        #: Requests are refused: a teardown that went on starting them would never end.
        self.refusing = False
        self._running = threading.Lock()
        self._thread: int | None = None
        self._exit = self._stop = False

    # ---- the run ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until a handler says Exit, ``stop()`` was called or nothing is left to wait for; then tear everything down.

        Raises the failure that ended it.  If there were several (the teardown goes on after one), an ExceptionGroup of
        them in their order: ``except*`` gets hold of both.  KeyboardInterrupt and its like come out as they are, after
        the teardown, with the failures as notes.
        """
        if not self._running.acquire(blocking=False):
            raise self.failure(ErrorKind.API, None, f"run(): this {self.what} is already run by thread {self._thread}")
        self._thread = threading.get_ident()
        failures: list[BaseException] = []
        try:
            try:
                self.queue.open(self)
                for member in self.members:
                    self._set_up(member)
                self._serve()
            except BaseException as error:
                failures.append(self._failure_of(error))
            self.closing = True
            teardown = Teardown(self)
            teardown.run()
            failures += teardown.failures
            self.queue.close()
        finally:
            self._exit = self._stop = self.closing = self.refusing = False
            self._thread = None
            self._running.release()
        _raise(failures, self.what)

    def stop(self) -> None:
        """End the run, as Exit does, after the callback that is running.  From any thread, and from signal handlers.

        Before a run it ends the next one after its setup.
        """
        self._stop = True
        self.queue.wake()

    @property
    def running(self) -> bool:
        return self._thread is not None

    def _set_up(self, member: Member) -> None:
        try:
            member.handler.setup(member.submitter)
        except HandlerError:
            raise
        except Exception as error:
            raise self.failure(ErrorKind.SETUP, member.name, f"setup() raised {reason_of(error)}") from error

    def _serve(self) -> None:
        while not (self._exit or self._stop):
            while self.arrived and not (self._exit or self._stop):
                request, entry, last = self.arrived[0]
                if last:  # before the callback, whatever comes out of that
                    self.requests.end(request)
                self.arrived.popleft()
                if not request.told:  # else a message that came behind its last completion
                    request.told = last
                    self.complete(request, entry, last)
            if not self.requests and not self.arrived:
                return
            if not (self._exit or self._stop):
                self.turn(None)

    def turn(self, timeout: float | None) -> bool:
        """Hand the backlog over, as far as there is room, and wait; whether completions came."""
        while self.backlog:
            group = self.backlog.first()
            if self.queue.start(group):
                self.backlog.drop_first()
                for request in group:
                    self.requests.start(request)
            elif not self.queue.flush():
                break  # it takes no more before completions have been taken
        before = len(self.arrived)
        self.arrived.extend(self.queue.turn(0 if before else timeout))
        return len(self.arrived) > before

    def complete(self, request: Request[Member], entry: EntryT, last: bool) -> None:
        """Call the handler, and do what it says; Error is raised as the failure that it is."""
        name = request.owner.name
        try:
            answer = self.queue.complete(request, entry)
        except HandlerError:
            raise
        except Exception as error:
            reason = f"on_completion() raised {reason_of(error)}"
            raise self.failure(ErrorKind.COMPLETION, name, reason) from error
        match answer:
            case (Continue() | Exit() | Warn() | Error() as flow, data):
                pass
            case _:
                reason = f"on_completion() returned {answer!r}; return a pair of control flow and data or None"
                raise self.failure(ErrorKind.API, name, reason)
        if data is not None and not last:
            request.data = data
        match flow:
            case Exit():
                self._exit = True
            case Warn(problem):
                self.logger.warning("%s: operation %r: %s", self.what, name, reason_of(problem), exc_info=problem)
            case Error(problem):
                raise self.failure(ErrorKind.COMPLETION, name, reason_of(problem)) from problem

    def _failure_of(self, error: BaseException) -> BaseException:
        """As it is raised: what came out of the queue itself gets a kind, too."""
        if isinstance(error, HandlerError) or not isinstance(error, Exception):
            return error
        failure = self.failure(ErrorKind.API, None, f"the queue of this {self.what} failed: {reason_of(error)}")
        failure.__cause__ = error
        return failure

    # ---- for submitters ---------------------------------------------------------------------------------------------

    def check(self, member: Member, method: str) -> None:
        """Submitters belong to the callbacks."""
        here = threading.get_ident()
        if self._thread == here:
            return
        where = f"thread {self._thread} runs it" if self._thread is not None else "it does not run"
        reason = f"{method}() was called in thread {here}, and {where}; start requests in callbacks of run() only"
        raise self.failure(ErrorKind.API, member.name, reason)

    def push(self, member: Member, items: Sequence[tuple[Any, Any]]) -> list[Request[Member]]:
        """Start requests, each a pair of work and data, as one group: all or, with the failure PUSH, none of them."""
        if self.refusing:
            reason = "the teardown goes round in circles: on_teardown_completion() starts another request every time"
            raise self.failure(ErrorKind.API, member.name, reason)
        group = [self.requests.add(member, data, work, State.WAITING) for work, data in items]
        try:
            if not self.backlog and self.queue.start(group):
                for request in group:
                    self.requests.start(request)
            elif self.backlog.takes(len(group)):
                self.backlog.put(group)
            else:
                reason = (
                    f"no room for {len(group)} more: the queue is full, {len(self.backlog)} wait in the backlog, whose "
                    f"limit is {self.backlog.limit}; take a larger queue or limit, or push less in one callback"
                )
                raise self.failure(ErrorKind.PUSH, member.name, reason)
        except BaseException:
            for request in group:
                self.requests.end(request)
            raise
        return group

    def listen(self, member: Member, data: Any, number: int | None = None) -> Request[Member]:
        """A request that only messages complete, until it is cancelled."""
        if number is not None and self.requests.get(number) is not None:
            reason = f"{number} is the number of another request; choose another, or leave the choice to the loop"
            raise self.failure(ErrorKind.API, member.name, reason)
        return self.requests.add(member, data, None, State.LISTENING, number)

    def cancel(self, number: int) -> bool:
        """Ask for the end of a request; whether there is one of that number."""
        request = self.requests.get(number)
        if request is None:
            return False
        if request.state is State.STARTED:
            self.queue.cancel(request)
        else:
            group = self.backlog.take_out(request) if request.state is State.WAITING else [request]
            for one in group:
                self.end_here(one)
        return True

    def end_here(self, request: Request[Member]) -> None:
        """A request that the kernel has not, or has let go of, is cancelled: that is its last completion."""
        self.requests.end(request)
        self.arrived.append((request, self.queue.cancelled(request), True))


def _raise(failures: list[BaseException], what: str) -> None:
    for error in failures:
        if not isinstance(error, Exception):
            for other in failures:
                if other is not error:
                    error.add_note(f"{what}: {other}")
            raise error
    if len(failures) == 1:
        raise failures[0]
    if failures:
        several = [error for error in failures if isinstance(error, Exception)]
        raise ExceptionGroup(f"{what}: {len(several)} failures", several)
