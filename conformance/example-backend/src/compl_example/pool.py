"""Buffers that receives share: one block of memory, in pieces that come back by themselves.

What a completion carries is a ``memoryview``, and neither ``release()`` nor the death of one tells anybody.  But each
piece is lent as an object of its own, a ctypes array that shows a part of the block.  The view and all its slices hold
that object; when the last of them lets go, it dies, and its destructor puts the piece back.

A destructor runs in whichever thread, in the middle of whatever, the garbage collector included: so it takes no lock.
Only the selector's thread takes pieces.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections import deque
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from compl_core import BufferPool

if TYPE_CHECKING:
    from compl_example.watcher import Watcher


class PoolEmpty(Exception):
    """All buffers are lent."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(f"all {pool.count} buffers are lent")
        self.pool = pool


class Pool(BufferPool):
    """``count`` buffers of ``size`` bytes, for the receives that ``watcher`` makes."""

    __slots__ = ("_count", "_free", "_memory", "_piece", "_size", "wanted", "watcher")

    def __init__(self, watcher: Watcher, count: int, size: int) -> None:
        self.watcher = watcher
        self._count = count
        self._size = size
        self._memory = bytearray(count * size)
        self._free = deque(range(count))
        self._piece: Any = type("Piece", (ctypes.Array,), {"_type_": ctypes.c_ubyte, "_length_": size, "__del__": _end})
        #: A receive found it empty, and is to hear of the next piece that comes back.
        self.wanted = False

    @property
    def count(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        return self._size

    @property
    def available(self) -> int:
        return len(self._free)

    def take(self) -> memoryview:
        """A buffer, as its bytes; PoolEmpty when all are lent, and ``wanted`` from then on."""
        if not self._free:
            self.wanted = True
            if not self._free:  # again: one that came back in between did not know that it was wanted
                raise PoolEmpty(self)
        index = self._free.pop()
        piece = self._piece.from_buffer(self._memory, index * self._size)
        piece.pool, piece.index = self, index
        return PickleBuffer(piece).raw()  # bytes ("B"): memoryview.cast() does not take what ctypes says ("<B")

    def give_back(self, index: int) -> None:
        self._free.append(index)
        if self.wanted:
            self.watcher.nudge()


def _end(piece: Any) -> None:
    with contextlib.suppress(AttributeError):  # it was never lent
        piece.pool.give_back(piece.index)
