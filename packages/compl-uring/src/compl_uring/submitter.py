"""What the callbacks of a RingOperation push entries with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from compl_core.backlog import State
from compl_core.control_flow import ErrorKind
from compl_core.handler_loop import HandlerLoop
from compl_core.handlers import Member
from compl_uring._native import CompletionEntry, Prepare, SubmissionEntry
from compl_uring.ring_request import MOST_NUMBERS, REQUEST, Raw, is_message

if TYPE_CHECKING:
    from compl_uring.ring import Ring

DataT = TypeVar("DataT")

#: IOSQE_CQE_SKIP_SUCCESS: such an entry may never complete.
_SKIP_SUCCESS = 1 << 6
#: IORING_SETUP_SQE128.
_LARGE = 1 << 10

_prepare = Prepare()


class Submitter(Generic[DataT]):
    """Pushes entries to the ring for one operation; good in the callbacks of ``run()`` only (else RingError, Api).

    A push gives a number.  It names the request to :meth:`cancel`, and it is the request's address: what another ring
    sends to that number by MSG_RING is delivered to ``on_completion`` with the request's data, and never ends it.

    What the queue has no room for waits in the backlog, in order, until the ring has.  When that is full too, the push
    raises RingError (Push) and nothing was pushed.
    """

    __slots__ = ("_loop", "_member", "_ring")

    def __init__(self, ring: Ring, loop: HandlerLoop[CompletionEntry], member: Member) -> None:
        self._ring = ring
        self._loop = loop
        self._member = member

    @property
    def ring(self) -> Ring:
        """The ring, for what belongs to it: registered files and buffers, its ``fileno()``.  Do not take from it."""
        return self._ring

    @property
    def prepare(self) -> Prepare:
        """The builders of entries: ``submitter.push(submitter.prepare.recv(sock, buffer), connection)``."""
        return _prepare

    def push(self, entry: SubmissionEntry, data: DataT) -> int:
        """Start a request.  Its user_data becomes the ring's own: ``data`` is what the completions bring back."""
        self._check(entry, "push")
        return self._push([(entry, data)])[0]

    def push_many(self, entries: Iterable[tuple[SubmissionEntry, DataT]]) -> list[int]:
        """Start several, all or none, side by side in the queue: a chain of linked entries belongs into one call."""
        items = list(entries)
        for entry, _ in items:
            self._check(entry, "push_many")
        if len({id(entry) for entry, _ in items}) < len(items):
            raise self._refusal("push_many(): an entry is in it twice; make one for each request")
        room = self._ring.sq_entries
        if len(items) > room:
            reason = f"push_many(): {len(items)} entries at once never fit into a queue of {room}"
            raise self._refusal(reason, ErrorKind.PUSH)
        return self._push(items)

    def push_raw(self, entry: SubmissionEntry, *, keep: object = None) -> int:
        """Start an entry without data.  Its completions go to ``on_raw_completion``, under the user_data that it has.

        ``keep`` is held until the last one: the owner of memory whose addresses were filled in by hand.
        """
        self._check(entry, "push_raw")
        return self._push([(entry, Raw(entry.user_data, keep))])[0]

    def open_mailbox(self, data: DataT, number: int | None = None) -> int:
        """A request that nothing but messages completes, until it is cancelled; the number to send them to.

        It counts as in flight: a run with an open mailbox does not end by itself.
        ``number`` is one of your own choice, 0..2**32-1 and not in use.
        """
        self._loop.check(self._member, "open_mailbox")
        if number is not None and not 0 <= number < MOST_NUMBERS:
            raise ValueError(f"open_mailbox(): a number of your own is 0..2**32-1, not {number}")
        return self._loop.listen(self._member, data, number).number

    def cancel(self, number: int) -> bool:
        """Ask for the end of a request; whether there is one of that number.

        It completes once more all the same: with ECANCELED, or with what it had done already.
        """
        self._loop.check(self._member, "cancel")
        return self._loop.cancel(number)

    @staticmethod
    def user_data(number: int) -> int:
        """The user_data of a request's own completions, for entries that name another (timeout_update, poll_remove)."""
        return number | REQUEST

    @staticmethod
    def is_message(entry: CompletionEntry) -> bool:
        """The completion was sent by MSG_RING: it is not the request's own."""
        return is_message(entry)

    def _push(self, items: Sequence[tuple[SubmissionEntry, DataT | Raw]]) -> list[int]:
        group = self._loop.push(self._member, items)
        for request in group:
            if request.state is State.WAITING:  # the entry bears its request's number, so that it is known again
                request.work.user_data = request.number
        return [request.number for request in group]

    def _check(self, entry: SubmissionEntry, method: str) -> None:
        self._loop.check(self._member, method)
        if not isinstance(entry, SubmissionEntry):
            raise TypeError(f"{method}(): an entry is a SubmissionEntry, as submitter.prepare makes, not {entry!r}")
        waiting = self._loop.requests.get(entry.user_data)
        if entry.pushed or (waiting is not None and waiting.work is entry):
            raise self._refusal(f"{method}(): this entry was pushed already; make one for each request")
        if entry.flags & _SKIP_SUCCESS:
            reason = "an entry with CQE_SKIP_SUCCESS does not complete when all goes well, so its end would go unseen"
            raise self._refusal(f"{method}(): {reason}")
        if entry.large and not self._ring.flags & _LARGE:
            raise self._refusal(f"{method}(): a 128-byte entry needs a ring that was set up with SQE128")

    def _refusal(self, reason: str, kind: ErrorKind = ErrorKind.API) -> Exception:
        return self._loop.failure(kind, self._member.name, reason)
