"""Regular files and whatever else is always ready: a system call that may wait for a disk, made by a helper thread."""

from __future__ import annotations

import os
import sys

from compl_core import CompletionFlags, Kind
from compl_example.buffers import Exports
from compl_example.operation import OnFile, Outcome, Transfer
from compl_example.source import Lane, Source

assert sys.platform != "win32", "file_operations.py does not import this on Windows"


def _lane(offset: int | None) -> Lane:
    return Lane.POSITION if offset is None else Lane.ANYTIME


class ReadStorage(Transfer):
    """One read, at a place or at the file's own position."""

    kind = Kind.READ
    __slots__ = ("offset",)

    def __init__(self, source: Source, exports: Exports, offset: int | None) -> None:
        super().__init__(source, _lane(offset), exports)
        self.offset = offset

    def attempt(self) -> Outcome | None:
        count = read(self.source.number, self.exports.views, self.offset)
        return Outcome(count, CompletionFlags.NONE if count else CompletionFlags.EOF)


class WriteStorage(Transfer):
    """One write, at a place or at the file's own position."""

    kind = Kind.WRITE
    __slots__ = ("offset",)

    def __init__(self, source: Source, exports: Exports, offset: int | None) -> None:
        super().__init__(source, _lane(offset), exports)
        self.offset = offset

    def attempt(self) -> Outcome | None:
        return Outcome(write(self.source.number, self.exports.views, self.offset))


class Sync(OnFile):
    """Make what was written durable."""

    kind = Kind.FSYNC
    __slots__ = ("data_only",)

    def __init__(self, source: Source, data_only: bool) -> None:
        super().__init__(source, Lane.ANYTIME)
        self.data_only = data_only

    def attempt(self) -> Outcome | None:
        sync = getattr(os, "fdatasync", os.fsync) if self.data_only else os.fsync
        sync(self.source.number)
        return Outcome(0)


def read(number: int, views: list[memoryview], offset: int | None) -> int:
    """Bytes read, at the file's own position if ``offset`` is None."""
    return os.readv(number, views) if offset is None else os.preadv(number, views, offset)


def write(number: int, views: list[memoryview], offset: int | None) -> int:
    """Bytes written, at the file's own position if ``offset`` is None."""
    return os.writev(number, views) if offset is None else os.pwritev(number, views, offset)
