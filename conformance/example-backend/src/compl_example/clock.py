"""Calling back at a time: a thread that sleeps until the earliest deadline.

A thread of its own, rather than a timeout of the selector's, because selectors round up to a millisecond.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from compl_example import threads

#: Deadline on the monotonic clock, a number that makes equal deadlines keep their order, what to call.
Alarm: TypeAlias = "tuple[float, int, Callable[[], None]]"


class Clock:
    """Alarms, rung with the port's lock held."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._changed = threading.Condition(lock)
        self._alarms: list[Alarm] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Call once, so many seconds from now."""
        alarm = (time.monotonic() + seconds, next(self._numbers), call)
        heapq.heappush(self._alarms, alarm)
        if self._thread is None:
            self._thread = threads.start(self._run, "compl-example clock")
        if self._alarms[0] is alarm:
            self._changed.notify()
        return alarm

    def forget(self, alarm: Alarm) -> None:
        """Do not call."""
        if alarm in self._alarms:
            self._alarms.remove(alarm)
            heapq.heapify(self._alarms)

    def stop(self) -> None:
        """Let the thread end.  Call with the lock held; then :meth:`join` without."""
        self._stopping = True
        self._alarms.clear()
        self._changed.notify()

    def join(self, deadline: float) -> bool:
        """Whether the thread has ended by the deadline."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._lock:
            while not self._stopping:
                if not self._alarms:
                    self._changed.wait()
                    continue
                remaining = self._alarms[0][0] - time.monotonic()
                if remaining > 0:
                    self._changed.wait(min(remaining, threading.TIMEOUT_MAX))
                    continue
                _, _, call = heapq.heappop(self._alarms)
                call()
