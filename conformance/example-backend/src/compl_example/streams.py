"""Reading and writing what has no place in it and is no socket: pipes and terminals.

A pipe is in blocking mode more often than not, the mode is shared with other processes, and there is no "do not block,
this once" for it.  So each attempt is a single call that cannot block because the selector has just said so: a read
takes what is there, a write is at most PIPE_BUF bytes, which POSIX promises room for.
"""

from __future__ import annotations

import select
import sys

from compl_core import CompletionFlags, Kind
from compl_example import storage
from compl_example.buffers import Exports
from compl_example.operation import Outcome, Transfer
from compl_example.source import Lane, Source

assert sys.platform != "win32", "file_operations.py does not import this on Windows"

_ATOMIC = getattr(select, "PIPE_BUF", 512)


class ReadStream(Transfer):
    """One read: at least a byte, or the end."""

    kind = Kind.READ
    __slots__ = ()

    def __init__(self, source: Source, exports: Exports) -> None:
        super().__init__(source, Lane.INWARD, exports)

    def attempt(self) -> Outcome | None:
        count = storage.read(self.source.number, self.exports.views, None)
        return Outcome(count, CompletionFlags.NONE if count else CompletionFlags.EOF)


class WriteStream(Transfer):
    """One write; short if longer than what surely does not block."""

    kind = Kind.WRITE
    __slots__ = ()

    def __init__(self, source: Source, exports: Exports) -> None:
        super().__init__(source, Lane.OUTWARD, exports)

    def attempt(self) -> Outcome | None:
        return Outcome(storage.write(self.source.number, _first_bytes(self.exports.views, _ATOMIC), None))


def _first_bytes(views: list[memoryview], most: int) -> list[memoryview]:
    chosen = []
    for view in views:
        if most <= 0:
            break
        chosen.append(view[:most])
        most -= view.nbytes
    return chosen
