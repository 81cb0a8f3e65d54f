"""Operations without bytes (nop, timeout, poll, cancelling, closing), and the way that all operations go.

An operation's arguments are checked, its buffers exported, its file found; then it is given into the right hands: the
selector's thread, a helper thread, the clock.
"""

from __future__ import annotations

import contextlib
import errno
import math
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from compl_core import CompletionPort, Interest, Kind
from compl_example import checks
from compl_example.buffers import Exports
from compl_example.nature import Nature
from compl_example.operation import Close, Done, Outcome, Pending, Poll, Timer
from compl_example.source import Lane, Source

if TYPE_CHECKING:
    from compl_core import FileLike, OperationId
    from compl_example.clock import Clock
    from compl_example.helpers import Helpers
    from compl_example.ledger import Ledger
    from compl_example.sources import Sources
    from compl_example.watcher import Watcher


class Submission(CompletionPort):
    """What all operations of :class:`compl_example.port.ExamplePort` have in common."""

    _lock: threading.RLock
    _tokens: dict[int, object]
    _ledger: Ledger
    _sources: Sources
    _clock: Clock
    _helpers: Helpers
    _watcher: Watcher

    # ---- without a file ---------------------------------------------------------------------------------------------

    def nop(self, token: object = None) -> OperationId:
        with self._lock:
            self._check("nop")
            return self._finished(Done(Kind.NOP), 0, token)

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        self._check("timeout")
        seconds = checks.seconds(seconds)
        pending = Timer()
        with self._lock:
            self._check("timeout")
            started = self._start(pending, token)
            if seconds != math.inf:
                pending.alarm = self._clock.after(seconds, lambda: self._ledger.finish(pending, Outcome(0)))
        return started

    # ---- readiness, cancelling, closing -----------------------------------------------------------------------------

    def poll(self, file: FileLike, interest: Interest, token: object = None) -> OperationId:
        interest = checks.interest(interest, none=False)
        return self._begin(
            "poll",
            Kind.POLL,
            file,
            token,
            lambda source: int(interest) if source.nature is Nature.STORAGE else Poll(source, interest),
        )

    def cancel(self, operation_id: OperationId) -> bool:
        self._check("cancel")
        if not isinstance(operation_id, int):
            raise TypeError(f"an operation id is an int, not {type(operation_id).__name__!r}")
        with self._lock:
            pending = self._ledger.in_flight.get(operation_id)
            return pending is not None and self._cancel(pending)

    def cancel_all(self, file: FileLike) -> int:
        self._check("cancel_all")
        number = checks.number(file)
        with self._lock:
            source = self._sources.find(file, number)
            return 0 if source is None else sum(self._cancel(pending) for pending in list(source.operations.values()))

    def _cancel(self, pending: Pending) -> bool:
        """Whether it was in flight.  What a helper thread is at, and the closing of a file, go on all the same."""
        if pending.finished:
            return False
        if isinstance(pending, Timer):
            if pending.alarm is not None:
                self._clock.forget(pending.alarm)
        elif pending.line is None:
            return True
        else:
            pending.line.remove(pending)
        self._ledger.finish(pending, pending.cancelled())
        self._helpers.passed(pending)
        return True

    def close_file(self, file: FileLike, token: object = None) -> OperationId:
        self._check("close_file")
        number = checks.number(file)
        with self._lock:
            self._check("close_file")
            source = self._sources.find(file, number)
            if source is None:
                self._sources.lose_object(file)
                return self._finished(Done(Kind.CLOSE), -errno.EBADF, token)
            closing = Close(source)
            self._sources.keep(source)
            started = self._tokened(self._ledger.start(closing), token)
            source.closing = closing
            source.file = file
            if isinstance(file, socket.socket):
                file.detach()
            for pending in list(source.operations.values()):
                self._cancel(pending)
            self._watcher.reports.forget(source)
            self._watcher.touch(source)
        return started

    # ---- the common way ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exported(self, method: str, buffers: Sequence[Any], *, writable: bool) -> Iterator[Exports]:
        """Export the buffers; a call that raises lets go of them."""
        self._check(method)
        exports = Exports(buffers, writable=writable)
        try:
            yield exports
        except BaseException:
            exports.release()
            raise

    def _begin(
        self,
        method: str,
        kind: Kind,
        file: FileLike,
        token: object,
        choose: Callable[[Source], Pending | int],
        exports: Exports | None = None,
    ) -> OperationId:
        """Find the file and start what ``choose`` makes of it: an operation, or a result that is known at once."""
        self._check(method)
        number = checks.number(file)
        with self._lock:
            self._check(method)  # again: close() may have come first
            source = self._sources.find(file, number)
            chosen = -errno.EBADF if source is None else choose(source)
            if isinstance(chosen, int):
                return self._finished(Done(kind, source, exports), chosen, token)
            return self._start(chosen, token)

    def _finished(self, done: Done, result: int, token: object) -> OperationId:
        started = self._tokened(self._ledger.start(done), token)
        self._ledger.finish(done, Outcome(result))
        return started

    def _tokened(self, number: int, token: object) -> OperationId:
        if token is not None:
            self._tokens[number] = token
        return number

    def _start(self, pending: Pending, token: object) -> OperationId:
        started = self._tokened(self._ledger.start(pending), token)
        source = pending.source
        if source is not None:
            self._sources.keep(source)
            if pending.lane in (Lane.POSITION, Lane.ANYTIME):
                self._helpers.start(pending)
            else:
                pending.line = (
                    source.polls if isinstance(pending, Poll) else source.lines.setdefault(pending.lane, deque())
                )
                pending.line.append(pending)
                self._watcher.touch(source)
        return started

    def _check(self, method: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} says whether {method}() may be called now")
