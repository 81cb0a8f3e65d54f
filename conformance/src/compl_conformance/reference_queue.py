"""The reference port's queue: what finished, the timers that will, and the threads that wait for either.

Everything is first in, first out.  A timer counts as finished from the moment it is due: whoever looks at the queue
first moves it there.  All methods run with the port's lock held; sleeping lets go of it.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import sys
import threading
import time
from collections import deque

from compl_core import Completion

#: Windows interrupts no thread that waits for a lock, so Ctrl-C would go unnoticed: look up this often (seconds).
_GLANCE = 0.05 if sys.platform == "win32" else threading.TIMEOUT_MAX


class Item:
    """A completion, and the id of its operation; 0 for a packet, which has none."""

    __slots__ = ("completion", "id")

    def __init__(self, completion: Completion) -> None:
        self.completion = completion
        self.id = 0


class Timer(Item):
    """A completion to come."""

    __slots__ = ("due", "running")

    def __init__(self, completion: Completion, due: float) -> None:
        super().__init__(completion)
        self.due = due
        self.running = True


class _Waiter:
    __slots__ = ("condition", "needs", "woken")

    def __init__(self, lock: threading.RLock, needs: int) -> None:
        self.condition = threading.Condition(lock)
        self.needs = needs
        self.woken = False


class ReferenceQueue:
    """Items in the order of their end, waiters in the order of their arrival."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._items: deque[Item] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()  # timers due at the same moment end in the order of their start
        self._waiters: deque[_Waiter] = deque()
        self._closed = False

    def __len__(self) -> int:
        self._collect_due()
        return len(self._items)

    def append(self, item: Item) -> None:
        """Finished now; wakes one waiter."""
        self._collect_due()
        self._items.append(item)
        self._wake()

    def start(self, timer: Timer) -> None:
        """Finished when it is due."""
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        if self._timers[0][2] is timer:
            self._wake_all()  # they sleep until what was the first timer

    def cancel(self, timer: Timer) -> bool:
        """Finish it now, as cancelled; False if it is finished already."""
        self._collect_due()
        if not timer.running:
            return False
        timer.running = False
        self._timers = [entry for entry in self._timers if entry[2] is not timer]
        heapq.heapify(self._timers)
        timer.completion = timer.completion._replace(result=-errno.ECANCELED)
        self.append(timer)
        return True

    def take(self, batch: list[Item], most: int, least: int, deadline: float) -> None:
        """Move up to ``most`` items into ``batch`` once there are ``least``, or what there is at the deadline.

        The moment of the deadline is on the monotonic clock.  A closed queue gives nothing.
        """
        if len(self) < least and not self._closed:
            self._sleep(least, deadline)
        # In this order an exception between any two steps loses nothing: what give_back() misses is still in the queue.
        batch.extend(itertools.islice(self._items, most))
        for _ in batch:
            self._items.popleft()
        self._wake()

    def give_back(self, batch: list[Item]) -> None:
        """Undo a ``take`` that was cut short, wherever it was."""
        present = {id(item) for item in self._items}
        self._items.extendleft(item for item in reversed(batch) if id(item) not in present)
        self._wake()

    def close(self) -> None:
        """Forget everything, wake everybody."""
        self._closed = True
        self._items.clear()
        self._timers.clear()
        self._wake_all()

    def _sleep(self, least: int, deadline: float) -> None:
        waiter = _Waiter(self._lock, least)
        self._waiters.append(waiter)
        try:
            while len(self) < least and not self._closed:
                now = time.monotonic()
                if now >= deadline:
                    return
                next_due = self._timers[0][0] if self._timers else deadline
                waiter.woken = False
                waiter.condition.wait(min(deadline - now, max(0.0, next_due - now), _GLANCE))
        finally:
            self._waiters.remove(waiter)
            self._wake()  # should this be an exception, whoever woke this thread must not have done so in vain

    def _collect_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = self._timers[0][2]
            if timer.running:  # not so if an exception came between these steps the last time
                timer.running = False
                self._items.append(timer)
            heapq.heappop(self._timers)
            self._wake()

    def _wake(self) -> None:
        """Wake the first who sleeps and for whom there is enough."""
        for waiter in self._waiters:
            if not waiter.woken and waiter.needs <= len(self._items):
                waiter.woken = True
                waiter.condition.notify()
                return

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            waiter.condition.notify()
