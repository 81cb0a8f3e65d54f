"""The operations of one direction of a file, one after the other."""

from __future__ import annotations

import errno
import selectors
import sys
from collections.abc import Callable

from compl_core import CompletionFlags, Kind
from compl_core.error_table import Domain, translate
from compl_example.clock import Clock
from compl_example.ledger import Ledger
from compl_example.nature import Nature
from compl_example.operation import Outcome, Pending
from compl_example.pool import Pool, PoolEmpty
from compl_example.source import Lane, Source

#: How long to leave a file alone that the selector calls ready and the system does not (seconds).
_PAUSE = 0.005
#: Outward first: a connect must be the one to hear why it failed, not a receive behind it.
_EVENTS = {Lane.OUTWARD: selectors.EVENT_WRITE, Lane.INWARD: selectors.EVENT_READ}


class Turns:
    """Tries the operation at the head of a lane, and the next when that has ended."""

    def __init__(self, ledger: Ledger, clock: Clock, touch: Callable[[Source], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._touch = touch
        self._starved: dict[Pending, Pool] = {}  # in the order in which they found nothing

    def resume(self) -> bool:
        """Try again as many of those that stand longest as their pools have buffers for; whether there are any."""
        free = {pool: pool.available for pool in self._starved.values()}
        found = []
        for pending, pool in self._starved.items():
            if pending.finished or free[pool]:
                found.append(pending)
                free[pool] -= not pending.finished
        for pending in found:
            del self._starved[pending]
            if pending.source is not None and not pending.finished:
                pending.starved, pending.eager = False, True
                self._touch(pending.source)
        for pool in free.keys() - set(self._starved.values()):
            pool.wanted = False
        return bool(found)

    def begin(self, source: Source) -> None:
        """Try what was not tried yet."""
        for lane in _EVENTS:
            line = source.lines.get(lane)
            if line and line[0].eager:
                self._advance(source, lane, said_ready=False)

    def ready(self, source: Source, mask: int) -> None:
        """The selector says that ``source`` is ready for these events."""
        for lane, event in _EVENTS.items():
            if mask & event:
                self._advance(source, lane, said_ready=True)

    def _advance(self, source: Source, lane: Lane, *, said_ready: bool) -> None:
        """Go on in this direction until the file is not ready any more, or nothing waits for it."""
        line = source.lines.get(lane)
        while line and not line[0].starved:
            head = line[0]
            head.eager = False
            try:
                outcome = _attempt(head)
            except PoolEmpty as empty:
                head.starved = True
                self._starved[head] = empty.pool
                return
            except (BlockingIOError, InterruptedError):
                if said_ready:  # the selector would say the same again at once
                    self._pause(source, lane)
                return
            if outcome is None:
                return
            if head.multishot and outcome.result >= 0 and not outcome.flags & CompletionFlags.EOF:
                self._ledger.more(head, outcome)
            else:
                line.popleft()
                self._ledger.finish(head, outcome)
            if source.nature is Nature.STREAM:
                return  # a second call might block
            said_ready = False

    def _pause(self, source: Source, lane: Lane) -> None:
        def resume() -> None:
            source.paused &= ~_EVENTS[lane]
            self._touch(source)

        source.paused |= _EVENTS[lane]
        self._clock.after(_PAUSE, resume)


def _attempt(pending: Pending) -> Outcome | None:
    try:
        return pending.attempt()
    except (BlockingIOError, InterruptedError):
        raise
    except OSError as error:
        return pending.failed(_canonical(error, pending.kind))
    except (TypeError, ValueError, OverflowError):  # an address of a family that checks.address() does not know
        return pending.failed(errno.EINVAL)


def _canonical(error: OSError, kind: Kind) -> int:
    """The errno that means the same on every system."""
    if sys.platform == "win32" and error.winerror is not None:
        return translate(Domain.WIN32, error.winerror, kind).errno or errno.EIO
    return error.errno or errno.EINVAL
