"""The buffers of one operation, exported from its submission until ``wait`` returns its last completion.

While a buffer is exported its owner cannot resize it (BufferError), and dropping the last reference does not free it.
Releasing late only keeps memory a little longer; releasing early would let the system write into freed memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from pickle import PickleBuffer
from typing import Any


class Exports:
    """Flat byte views of some buffers, and what keeps those alive."""

    __slots__ = ("_held", "length", "views")

    def __init__(self, buffers: Iterable[Any], *, writable: bool) -> None:
        self._held: list[PickleBuffer] = []
        self.views: list[memoryview] = []
        try:
            for buffer in buffers:
                self._export(buffer, writable)
        except BaseException:
            self.release()
            raise
        self.length = sum(view.nbytes for view in self.views)

    def _export(self, buffer: Any, writable: bool) -> None:
        with memoryview(buffer) as view:  # TypeError for what is no buffer at all
            if writable and view.readonly:
                raise BufferError(f"{type(buffer).__name__!r} object is read-only; pass a writable buffer to read into")
            if not view.c_contiguous:
                raise BufferError(f"{type(buffer).__name__!r} object is not C-contiguous; copy it first")
        # PickleBuffer gives plain bytes whatever the item type; memoryview.cast() refuses some (ctypes, numpy).
        held = PickleBuffer(buffer)
        self._held.append(held)
        self.views.append(held.raw())

    def rest(self, moved: int) -> memoryview:
        """The only buffer, without its first ``moved`` bytes."""
        return self.views[0][moved:]

    def release(self) -> None:
        """Let go of the buffers.  May be called again."""
        while self.views:
            self.views.pop().release()
        while self._held:
            self._held.pop().release()
