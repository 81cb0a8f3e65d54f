"""The buffers that pooled receives fill: a port hands one out with each arrival, and gets it back when it is let go of.

A receive that waits with a buffer of its own ties that memory up for as long as nothing comes.  A pool is shared by any
number of waiting receives, and a buffer is taken only when there are bytes to put into it.
"""

from __future__ import annotations

import abc

#: The most buffers of one pool, and the most bytes of each.
MAX_COUNT = 32768
MAX_SIZE = 2**31 - 1


class BufferPool(abc.ABC):
    """Buffers of one port, made by :meth:`compl_core.CompletionPort.buffer_pool`.

    A completion of ``recv(pool=...)`` carries a view of one buffer.  The buffer goes back into the pool with
    ``value.release()``, or when the last reference to the view and to its slices is gone, in whichever thread.

    There is nothing to close: the pool is of use as long as its port is open, and its memory lives until the port, the
    pool and the last view have been let go of.
    """

    __slots__ = ()

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many buffers there are."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Bytes of each buffer: the most that one arrival can have."""

    @property
    @abc.abstractmethod
    def available(self) -> int:
        """Buffers that nobody holds.  At 0 the receives of this pool pause, and go on when one is given back."""
