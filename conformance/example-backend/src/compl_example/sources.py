"""The files that the port knows, by number.

A number says little: it may have been closed behind the port's back and belong to another file by now.  So whatever
is found under a number is compared with what the number is now, and a file that is gone is given up.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from compl_example.nature import nature_of
from compl_example.source import Source


class Sources:
    """Number to :class:`Source`.  All methods run with the port's lock held."""

    def __init__(self) -> None:
        self._table: dict[int, Source] = {}
        #: Told of a file that was found closed.
        self.on_lost: Callable[[Source], None] = lambda _source: None

    def __iter__(self) -> Iterator[Source]:
        return iter(list(self._table.values()))

    def find(self, file: object, number: int) -> Source | None:
        """The file, known or new (and then not kept yet); None if the number is not open, or about to be closed."""
        source = self._table.get(number)
        if source is not None and source.closing is not None:
            return None
        if source is not None and source.is_open():
            return source
        if source is not None:
            self.lose(source)
        nature = nature_of(number)
        return None if nature is None else Source(number, file, nature)

    def lose(self, source: Source, error_number: int = errno.EBADF) -> None:
        """It was closed behind the port's back, or cannot be watched: its operations end with this error."""
        source.lost = error_number
        self.forget(source)
        self.on_lost(source)

    def lose_object(self, file: object) -> None:
        """``file`` was closed, so its number is not known any more: give up what it was known under."""
        for source in self:
            if source.file is file and source.closing is None:
                self.lose(source)

    def keep(self, source: Source) -> None:
        """Something is in flight on it, or it is registered."""
        self._table[source.number] = source

    def forget(self, source: Source) -> None:
        """Nothing is, and it is not."""
        if self._table.get(source.number) is source:
            del self._table[source.number]

    def clear(self) -> None:
        """Let all file objects go."""
        self._table.clear()
