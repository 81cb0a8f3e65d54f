"""The queue of what finished, and the threads that wait for it.

First in, first out, on both sides.  A waiter is woken only when there is enough for it, and one arrival wakes one
waiter: a thundering herd would find N-1 empty queues.  A waiter that leaves something behind wakes the next.

All methods run with the port's lock held.  It is an RLock, so that ``post`` works in a signal handler that
interrupts the port in the same thread; every step here leaves the queue in order for such a visitor.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from itertools import islice
from typing import Generic, TypeVar

from compl_core import Completion
from compl_example.doorbell import Doorbell

#: Windows interrupts no thread that waits for a lock, so Ctrl-C would go unnoticed: look up this often (seconds).
_GLANCE = 0.05 if sys.platform == "win32" else threading.TIMEOUT_MAX

Origin = TypeVar("Origin")


class Entry(Generic[Origin]):
    """A completion but for its token; the number that the token is kept under; who must hear that it was returned."""

    __slots__ = ("completion", "number", "origin")

    def __init__(self, completion: Completion, number: int, origin: Origin) -> None:
        self.completion = completion
        self.number = number
        self.origin = origin


class _Waiter:
    __slots__ = ("condition", "needs", "woken")

    def __init__(self, lock: threading.RLock, needs: int) -> None:
        self.condition = threading.Condition(lock)
        self.needs = needs
        self.woken = False


class ReadyQueue(Generic[Origin]):
    """Entries in the order of their arrival, waiters in the order of theirs."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._entries: deque[Entry[Origin]] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._closed = False
        #: Readable while there is something in the queue; made by the first ``fileno()``.
        self.sign: Doorbell | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def watched(self) -> bool:
        """Somebody will want to know of the next arrival."""
        return bool(self._waiters) or self.sign is not None

    def append(self, entry: Entry[Origin]) -> None:
        self._entries.append(entry)
        if self.sign is not None:
            self.sign.ring()
        self._wake()

    def remove(self, entry: Entry[Origin]) -> None:
        """Take back an entry that is not true any more."""
        self._entries.remove(entry)
        self._lower_sign()

    def take(self, batch: list[Entry[Origin]], most: int, least: int, deadline: float | None) -> bool:
        """Move up to ``most`` entries into ``batch`` once there are ``least``, or what there is at the deadline.

        False if the queue was closed meanwhile.  ``deadline`` is on the monotonic clock, None is never.
        """
        if len(self._entries) < least and not self._closed:
            self._wait(least, deadline)
        if self._closed:
            return False
        # In this order an exception of a signal handler between any two steps loses nothing: see give_back().
        batch.extend(islice(self._entries, most))
        for _ in range(len(batch)):
            self._entries.popleft()
        self._lower_sign()
        self._wake()
        return True

    def give_back(self, batch: list[Entry[Origin]]) -> None:
        """Undo a ``take`` that a signal handler's exception cut short, wherever it was."""
        present = {id(entry) for entry in self._entries}
        for entry in reversed(batch):
            if id(entry) not in present:
                self._entries.appendleft(entry)
        if self._entries and self.sign is not None:
            self.sign.ring()
        self._wake()

    def shut(self) -> None:
        """Wake all waiters; ``take`` takes nothing any more."""
        self._closed = True
        for waiter in self._waiters:
            waiter.condition.notify()

    def clear(self) -> list[Entry[Origin]]:
        """What nobody took."""
        left = list(self._entries)
        self._entries.clear()
        if self.sign is not None:
            self.sign.close()
            self.sign = None
        return left

    def _wait(self, least: int, deadline: float | None) -> None:
        waiter = _Waiter(self._lock, least)
        self._waiters.append(waiter)
        try:
            while len(self._entries) < least and not self._closed:
                remaining = _GLANCE if deadline is None else deadline - time.monotonic()
                if remaining <= 0:
                    return
                waiter.woken = False
                waiter.condition.wait(min(remaining, _GLANCE))
        finally:
            self._waiters.remove(waiter)
            self._wake()  # should this be an exception, whoever woke this thread must not have done so in vain

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.woken and waiter.needs <= len(self._entries):
                waiter.woken = True
                waiter.condition.notify()
                return

    def _lower_sign(self) -> None:
        if self.sign is not None and not self._entries:
            self.sign.clear()
