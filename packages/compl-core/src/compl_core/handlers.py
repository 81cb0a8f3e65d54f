"""Programs as handlers: named operations that share one queue of completions, each with its callbacks and its data.

A loop (:class:`compl_core.handler_loop.HandlerLoop`) calls ``setup`` of each handler, then ``on_completion`` for each
completion of its requests, until a handler says :class:`Exit` or :class:`Error`, ``stop()`` is called, or nothing is
left to wait for.  Then everything is cancelled, and ``on_teardown_completion`` is called once for each request that was
alive.

The kernel's side of a loop is a :class:`Queue`; compl-uring has one over raw entries of a ring.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from compl_core.backlog import Request
from compl_core.control_flow import Continue, ControlFlow, Error, ErrorKind, Exit, HandlerError, Warn

if TYPE_CHECKING:
    from compl_core.handler_loop import HandlerLoop

DataT = TypeVar("DataT")
EntryT = TypeVar("EntryT")
SubmitterT = TypeVar("SubmitterT")


class Handler(abc.ABC, Generic[DataT, EntryT, SubmitterT]):
    """One kind of work: what it starts, and what it does when that completes.

    Every request carries data of the type ``DataT``.  No two callbacks of a loop run at once.  An exception that comes
    out of one ends the loop, as Error does.
    """

    @abc.abstractmethod
    def setup(self, submitter: SubmitterT) -> None:
        """Start the first requests.  Called once by ``run()``, in the order in which the handlers were named."""

    @abc.abstractmethod
    def on_completion(self, entry: EntryT, data: DataT, submitter: SubmitterT) -> tuple[ControlFlow, DataT | None]:
        """One completion of a request, with that request's data.

        While more completions of the same request are to come (multishot), the data that is returned is what the next
        one is called with; None leaves it as it is.  After the last one it is of no use to the loop.
        """

    @abc.abstractmethod
    def on_teardown_completion(self, entry: EntryT, data: DataT, submitter: SubmitterT) -> None:
        """The last completion of a request that the loop has ended: give back what belongs to it.

        Called once for each, also for those that were waiting in the backlog, and for those that are started here: they
        are cancelled in their turn.  Handlers are called in the reverse order of setup, each for its requests in the
        order in which they were started, when all of them have ended.  The entry may well be a success: what a
        request had done before it could be cancelled.  Completions that are not the last one of their request still go
        to ``on_completion``; what it returns then matters only if it is Error.
        """


class Member:
    """A handler in a loop, with its name and the submitter that its callbacks are given."""

    __slots__ = ("handler", "index", "name", "submitter")

    def __init__(self, index: int, name: str, handler: Handler[Any, Any, Any]) -> None:
        self.index = index
        self.name = name
        self.handler = handler
        self.submitter: Any = None


#: A request, a completion of it, and whether it is the last one.
Arrival: TypeAlias = tuple[Request[Member], EntryT, bool]


class Queue(abc.ABC, Generic[EntryT]):
    """The kernel's side of a loop: all methods but ``wake`` are called by the thread that is in ``run()``."""

    @abc.abstractmethod
    def open(self, loop: HandlerLoop[EntryT]) -> None:
        """A run begins."""

    @abc.abstractmethod
    def close(self) -> None:
        """The run is over; nothing of it is in flight, or :meth:`lost` said that it does not matter."""

    @abc.abstractmethod
    def submitter(self, loop: HandlerLoop[EntryT], member: Member) -> Any:
        """What the callbacks of ``member`` start requests with."""

    @abc.abstractmethod
    def start(self, group: Sequence[Request[Member]]) -> bool:
        """Put the work of all of these into the queue, one after the other; False, and none of it, for want of room."""

    @abc.abstractmethod
    def flush(self) -> bool:
        """Hand over what was put into the queue, without waiting; whether there is more room since."""

    @abc.abstractmethod
    def turn(self, timeout: float | None) -> Iterable[Arrival[EntryT]]:
        """Hand over what was put into the queue, and wait for completions: seconds, None for ever."""

    @abc.abstractmethod
    def cancel(self, request: Request[Member]) -> None:
        """Ask for the end of a started request.  Never fails for want of room, may be asked again."""

    @abc.abstractmethod
    def settle(self) -> None:
        """End what the queue itself has in flight."""

    @property
    @abc.abstractmethod
    def settled(self) -> bool:
        """The queue has nothing of its own in flight."""

    @property
    @abc.abstractmethod
    def lost(self) -> bool:
        """No completion comes any more: the queue is closed, or has nothing in flight.

        Looked at when all that came has been seen to.  What is thought to be in flight all the same has lost its
        completion, to an interrupt perhaps between the kernel and its handler.
        """

    @abc.abstractmethod
    def cancelled(self, request: Request[Member]) -> EntryT:
        """The completion of a request that ended without the kernel: ECANCELED."""

    @abc.abstractmethod
    def wake(self) -> None:
        """Let ``turn`` return soon.  From any thread, and from signal handlers."""

    def complete(self, request: Request[Member], entry: EntryT) -> object:
        """Call the handler."""
        member = request.owner
        return member.handler.on_completion(entry, request.data, member.submitter)

    def tear_down(self, request: Request[Member], entry: EntryT) -> None:
        """Call the handler about the end of a request that the loop has ended."""
        member = request.owner
        member.handler.on_teardown_completion(entry, request.data, member.submitter)


__all__ = [
    "Arrival",
    "Continue",
    "ControlFlow",
    "Error",
    "ErrorKind",
    "Exit",
    "Handler",
    "HandlerError",
    "Member",
    "Queue",
    "Warn",
]
