"""epoll(7) as it is: the kernel's own names and behaviour, u64 data, nanosecond timeouts, reusable event arrays.

Differences from :class:`select.epoll`: an event carries any u64 the caller chose (not only the descriptor), a wait
fills an array that the caller owns and reuses, and timeouts below a millisecond are kept (epoll_pwait2(2), Linux 5.11;
before that they are rounded up).  Several threads may wait, each with an array of its own, and any thread may register,
modify and unregister meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from compl_epoll._native import Epoll, EventArray
from compl_epoll.constants import ControlOp, EpollEvents


class Event(NamedTuple):
    """``struct epoll_event``: what to watch for, or what happened, and the caller's own u64."""

    events: int
    data: int = 0


def events(array: EventArray) -> Iterator[tuple[EpollEvents, int]]:
    """The filled entries with their bits as :class:`EpollEvents`; plain iteration gives ints, and is faster."""
    for mask, data in array:
        yield EpollEvents(mask), data


__all__ = ["ControlOp", "Epoll", "EpollEvents", "Event", "EventArray", "events"]
