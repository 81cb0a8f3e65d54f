"""An operation in flight: what was asked, the buffers it holds, and how to try it once without blocking.

Subclasses say how: :mod:`compl_example.sockets`, :mod:`compl_example.streams`, :mod:`compl_example.storage`.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any, NamedTuple

from compl_core import CompletionFlags, Interest, Kind
from compl_example.buffers import Exports
from compl_example.clock import Alarm
from compl_example.nature import Nature
from compl_example.source import Lane, Source


class Outcome(NamedTuple):
    """How an operation ended."""

    result: int
    flags: CompletionFlags = CompletionFlags.NONE
    value: Any = None


CANCELLED = Outcome(-errno.ECANCELED)


class Pending:
    """One operation, from its submission until ``wait`` returns its terminal completion.

    Its token is not here but with the port: see :mod:`compl_example.threads`.
    """

    __slots__ = ("eager", "exports", "finished", "id", "key", "lane", "line", "source", "starved")

    kind: Kind
    #: Goes on after a success.
    multishot = False
    #: What ``poll`` asked for.
    interest = Interest.NONE

    def __init__(self, source: Source | None, lane: Lane = Lane.NONE, exports: Exports | None = None) -> None:
        self.id = 0  # given by Ledger.start
        self.source = source
        self.key = source.key if source is not None else 0
        self.lane = lane
        #: Tried before the selector is asked: some failures (accept without listen) it would never report.
        self.eager = source is not None and source.nature is Nature.SOCKET
        self.exports = exports
        self.finished = False
        #: Found its pool empty: waits for a buffer, not for the file.
        self.starved = False
        #: The queue that it stands in, so that cancelling can take it out; None while a helper thread runs it.
        self.line: deque[Pending] | None = None

    def attempt(self) -> Outcome | None:
        """Try; None if it moved something and wants more.  BlockingIOError, or the OSError that ends it."""
        raise NotImplementedError(f"{type(self).__name__} is never tried")

    def failed(self, error_number: int) -> Outcome:
        """The end by an error."""
        return Outcome(-error_number)

    def cancelled(self) -> Outcome:
        """The end by ``cancel``."""
        return CANCELLED

    def release(self) -> None:
        """``wait`` has returned it: let go of the buffers."""
        if self.exports is not None:
            self.exports.release()


class OnFile(Pending):
    """An operation on a file that is tried, in one of its lanes."""

    __slots__ = ()
    source: Source


class Transfer(OnFile):
    """An operation that moves bytes."""

    __slots__ = ()
    exports: Exports


class Poll(Pending):
    """A look at a file's readiness: ended by the selector's report."""

    kind = Kind.POLL
    __slots__ = ("interest",)

    def __init__(self, source: Source, interest: Interest) -> None:
        super().__init__(source)
        self.interest = interest


class Timer(Pending):
    """A timeout: ended by the clock."""

    kind = Kind.TIMEOUT
    __slots__ = ("alarm",)

    def __init__(self) -> None:
        super().__init__(None)
        self.alarm: Alarm | None = None


class Close(Pending):
    """The closing of a file: ended by the end of all others on it."""

    kind = Kind.CLOSE
    __slots__ = ()


class Done(Pending):
    """An operation whose outcome is known at once."""

    __slots__ = ("kind",)

    def __init__(self, kind: Kind, source: Source | None = None, exports: Exports | None = None) -> None:
        super().__init__(source, Lane.NONE, exports)
        self.kind = kind
