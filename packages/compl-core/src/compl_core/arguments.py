"""Arguments of port methods as checked values: what is a programming error raises here, before anything starts.

For backends written in Python.  A closed file is no programming error for an operation (the kernel would say EBADF, and
that is data), so :func:`descriptor` gives -1 for it and leaves the choice to the caller.
"""

from __future__ import annotations

import io
import math
import operator
from collections.abc import Sequence
from typing import Any

from compl_core.buffers import MAX_COUNT, MAX_SIZE, BufferPool
from compl_core.completion import Interest

#: The most buffers of one vectored operation (IOV_MAX of POSIX systems).
MAX_BUFFERS = 1024
_ASKABLE = Interest.READABLE | Interest.WRITABLE


def descriptor(file: object) -> int:
    """The number that ``file`` is or that its fileno() gives; -1 for a closed one.  TypeError for what is no file."""
    if isinstance(file, int) and not isinstance(file, bool):
        return max(file, -1)
    fileno = getattr(file, "fileno", None)
    if not callable(fileno):
        raise TypeError(f"a file is an int or has fileno(), {type(file).__name__!r} is neither")
    try:
        number = fileno()
    except io.UnsupportedOperation:
        raise TypeError(f"{type(file).__name__!r} object has no descriptor behind it; pass a real file") from None
    except ValueError:  # what a closed io object says
        return -1
    if not isinstance(number, int):
        raise TypeError(f"{type(file).__name__}.fileno() gave {type(number).__name__!r}, not an int")
    return max(number, -1)


def unsigned(value: Any, bits: int, name: str) -> int:
    """``value`` as an int of so many bits: TypeError for bool and float, OverflowError outside the range."""
    if isinstance(value, bool):
        raise TypeError(f"{name} is an int, not bool")
    whole = operator.index(value)
    if not 0 <= whole < 1 << bits:
        raise OverflowError(f"{name} is in 0..2**{bits}-1, not {whole}")
    return whole


def seconds(value: Any) -> float:
    """A duration: ValueError if negative or NaN, TypeError if not a number; may be infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a timeout is an int or a float of seconds, not {type(value).__name__!r}")
    if value != value or value < 0:  # the former is NaN; math.isnan() refuses an int that no float holds
        raise ValueError(f"a timeout is 0 or more seconds, not {value}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def interest(value: Any, *, none: bool) -> Interest:
    """What may be asked for: READABLE and WRITABLE, with ``none`` also neither."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"an interest is a compl_core.Interest, not {type(value).__name__!r}")
    wanted = Interest(value)
    if wanted & ~_ASKABLE:
        raise ValueError(
            f"{wanted!r}: only READABLE and WRITABLE can be asked for; ERROR and HANGUP are always reported"
        )
    if not wanted and not none:
        raise ValueError("poll() for Interest.NONE would never complete; ask for READABLE or WRITABLE")
    return wanted


def offset(value: Any) -> int | None:
    """A place in a file; None is the file's own position."""
    if value is None:
        return None
    place = operator.index(value)
    if place < 0:
        raise ValueError(f"an offset is 0 or more bytes, not {place}")
    if place >= 1 << 63:
        raise OverflowError(f"an offset is below 2**63, not {place}")
    return place


def flags(value: Any) -> int:
    """Flags of a socket call, as C takes them."""
    given = operator.index(value)
    if not 0 <= given < 1 << 31:
        raise OverflowError(f"flags are in 0..2**31-1, not {given}")
    return given


def several(buffers: Any) -> Sequence[Any]:
    """The buffers of a vectored operation."""
    if not isinstance(buffers, Sequence) or isinstance(buffers, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"buffers is a list or tuple of buffers, not {type(buffers).__name__!r}")
    if not 1 <= len(buffers) <= MAX_BUFFERS:
        raise ValueError(f"a vectored operation takes 1..{MAX_BUFFERS} buffers, not {len(buffers)}")
    return buffers


def pool_shape(count: Any, size: Any) -> tuple[int, int]:
    """How many buffers a pool has, and of how many bytes."""
    return _whole(count, MAX_COUNT, "the buffers of a pool"), _whole(size, MAX_SIZE, "the bytes of a pool's buffer")


def buffer_or_pool(buffer: object, pool: object) -> None:
    """``recv`` takes one of them: TypeError for both, for neither, and for a pool that is none."""
    if buffer is None and pool is None:
        raise TypeError("recv() needs somewhere to put the bytes: pass a buffer, or pool=port.buffer_pool(...)")
    if buffer is not None and pool is not None:
        raise TypeError("recv() takes a buffer or a pool, not both")
    if pool is not None and not isinstance(pool, BufferPool):
        raise TypeError(f"a pool is what port.buffer_pool() makes, not {type(pool).__name__!r}")


def _whole(value: Any, most: int, what: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{what} are an int, not bool")
    whole = operator.index(value)
    if not 1 <= whole <= most:
        raise ValueError(f"{what} are 1..{most}, not {whole}")
    return whole
