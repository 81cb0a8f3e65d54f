"""One open file that the port knows: who it is, what waits on it, how it is registered."""

from __future__ import annotations

import enum
import errno
import selectors
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from compl_core import Interest
from compl_example.nature import Nature, close_number, identity

if TYPE_CHECKING:
    from compl_example.operation import Pending
    from compl_example.ready import Entry


class Lane(enum.Enum):
    """Where an operation waits for its turn.  Operations in one lane of one file go one after the other."""

    INWARD = "in"  #: until its file is readable
    OUTWARD = "out"  #: until its file is writable
    POSITION = "position"  #: for a helper thread, and for whoever uses the file's own position before it
    ANYTIME = "anytime"  #: for a helper thread
    NONE = "none"  #: for nothing that has an order


class Registration:
    """A key and an interest.  ``armed`` while the selector watches for it: from each ``wait`` to the next report."""

    __slots__ = ("armed", "interest", "key", "oneshot", "report", "seen", "spent")

    def __init__(self, key: int, interest: Interest, oneshot: bool) -> None:
        self.key = key
        self.interest = interest
        self.oneshot = oneshot
        self.armed = bool(interest)
        #: Reported with oneshot; nothing more until modify().
        self.spent = False
        #: Its report, as long as that is in the queue.
        self.report: Entry[Any] | None = None
        #: The number of the selector pass that last found it ready.
        self.seen = 0


class Source:
    """An open file: its number, and an identity that tells it from a later file of the same number."""

    def __init__(self, number: int, file: object, nature: Nature) -> None:
        self.number = number
        self.file: Any = file  # keeps a file object alive, and so its number taken
        self.nature = nature
        self.identity = identity(number)
        self.lines: dict[Lane, deque[Pending]] = {}
        self.polls: deque[Pending] = deque()
        self.operations: dict[int, Pending] = {}
        self.running: Pending | None = None  # the head of Lane.POSITION that a helper thread has
        self.registration: Registration | None = None
        self.paused = 0  # selector events not to look at for a moment
        self.watched = 0  # what the selector was told last
        self.closing: Pending | None = None  # close_file's operation
        self.lost = 0  # the error number of those that wait on it, once it was found closed behind the port's back

    @property
    def key(self) -> int:
        return self.registration.key if self.registration is not None else 0

    @property
    def idle(self) -> bool:
        """Nothing keeps the port interested in it."""
        return not self.operations and self.registration is None and self.closing is None

    def is_open(self) -> bool:
        """The number still is this file.  Another may have it now, if this one was closed behind the port's back."""
        if self.closing is None and isinstance(self.file, socket.socket) and self.file.fileno() != self.number:
            return False
        return self.identity == identity(self.number)

    def wanted(self) -> int:
        """The selector events that somebody waits for."""
        events = 0
        inward = self.lines.get(Lane.INWARD)
        if inward and not inward[0].starved:
            events |= selectors.EVENT_READ
        if self.lines.get(Lane.OUTWARD):
            events |= selectors.EVENT_WRITE
        events &= ~self.paused
        for poll in self.polls:
            events |= events_of(poll.interest)
        if self.registration is not None and self.registration.armed:
            events |= events_of(self.registration.interest)
        return events

    def close(self) -> int:
        """Close it, as close_file promised; 0 or an error number."""
        try:
            if isinstance(self.file, int):
                (socket.close if self.nature is Nature.SOCKET else close_number)(self.number)
            elif isinstance(self.file, socket.socket):  # detached since close_file was called
                socket.close(self.number)
            else:
                self.file.close()
        except OSError as error:
            return error.errno or errno.EIO
        except Exception:  # an object's own close() may raise anything, and there is nobody here to catch it
            return errno.EIO
        return 0


def events_of(interest: Interest) -> int:
    """An interest as selector events."""
    return (selectors.EVENT_READ if interest & Interest.READABLE else 0) | (
        selectors.EVENT_WRITE if interest & Interest.WRITABLE else 0
    )
