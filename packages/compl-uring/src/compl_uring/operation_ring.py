"""Any number of named operations on one ring: the event loop that a raw io_uring program would write by hand.

    ring = Ring(128)
    OperationRing(ring, server=Server(), clock=Clock()).run()

See :class:`compl_uring.RingOperation` for what an operation does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from compl_core.handler_loop import HandlerLoop
from compl_uring._native import CompletionEntry
from compl_uring.ring_operation import RingError, RingOperation
from compl_uring.ring_queue import RingQueue, logger
from compl_uring.ring_request import MOST_NUMBERS

if TYPE_CHECKING:
    from compl_uring.ring import Ring


class OperationRing:
    """The loop of ``operations`` over ``ring``, which stays the caller's.

    ``run()`` leaves the ring open, with nothing of its own in flight.
    ``backlog_limit`` is how many requests may wait for room in the submission queue: None for any number, 0 for none.
    Nobody else may take completions from the ring during a run.
    """

    def __init__(self, ring: Ring, /, backlog_limit: int | None = None, **operations: RingOperation[Any]) -> None:
        if not operations:
            raise ValueError("an operation ring needs an operation: OperationRing(ring, name=MyOperation())")
        for name, operation in operations.items():
            if not isinstance(operation, RingOperation):
                raise TypeError(f"operation {name!r} is a RingOperation, not {type(operation).__name__!r}")
        self._ring = ring
        self._operations = MappingProxyType(dict(operations))
        self._loop: HandlerLoop[CompletionEntry] = HandlerLoop(
            RingQueue(ring),
            operations,
            backlog_limit,
            what="operation ring",
            failure=RingError,
            logger=logger,
            first_number=MOST_NUMBERS,
        )

    @property
    def ring(self) -> Ring:
        return self._ring

    @property
    def operations(self) -> Mapping[str, RingOperation[Any]]:
        """The operations by name, in the order of their setup."""
        return self._operations

    @property
    def in_flight(self) -> int:
        """Requests whose last completion has not come, those in the backlog and mailboxes included."""
        return len(self._loop.requests)

    @property
    def backlog(self) -> int:
        """Requests that wait for room in the submission queue."""
        return len(self._loop.backlog)

    @property
    def running(self) -> bool:
        return self._loop.running

    def run(self) -> None:
        """Set the operations up, and call them with their completions until it ends; then tear everything down.

        It ends when one says Exit or Error or raises, when ``stop()`` is called, or when nothing is in flight any more.
        From any thread, as far as the ring can be entered from it (a ring with SINGLE_ISSUER has one thread).  Signals
        run their Python handlers; KeyboardInterrupt comes out when everything is torn down.

        Raises :class:`compl_uring.RingError`, or an ExceptionGroup of several if the teardown failed as well: ``except*
        RingError`` gets hold of both.
        """
        self._loop.run()

    def stop(self) -> None:
        """End the run as Exit does.  From any thread, and from signal handlers; before a run, it ends the next one."""
        self._loop.stop()

    def __repr__(self) -> str:
        state = f"running, {self.in_flight} in flight" if self.running else "not running"
        return f"<OperationRing of {', '.join(self._operations)}: {state}>"
