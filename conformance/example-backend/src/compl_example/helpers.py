"""The helper threads, which make the system calls that may block on a disk.

Started as they are needed, up to a few; they end with the port.  They know the ledger, not the port, so that a port
that nobody refers to any more is collected.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque

from compl_core import CompletionFlags
from compl_example import threads
from compl_example.ledger import Ledger
from compl_example.operation import Outcome, Pending
from compl_example.source import Lane

#: Disks like a few requests at a time; more threads would only wait in line.
_MOST_THREADS = 4


class Helpers:
    """A queue of operations, and the threads that run them."""

    def __init__(self, lock: threading.RLock, ledger: Ledger) -> None:
        self._lock = lock
        self._ledger = ledger
        self._waiting: deque[Pending] = deque()
        self._work = threading.Condition(lock)
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stopping = False

    def start(self, pending: Pending) -> None:
        """Run ``pending`` as soon as a thread is free and, in Lane.POSITION, those before it are through."""
        if pending.lane is Lane.POSITION:
            assert pending.source is not None
            line = pending.source.lines.setdefault(Lane.POSITION, deque())
            line.append(pending)
            pending.line = line
            self._next_at(pending)
        else:
            self._enqueue(pending)

    def stop(self) -> None:
        """Let the threads end after what they are at.  Call with the lock held; then :meth:`join` without."""
        self._stopping = True
        self._work.notify_all()

    def join(self, deadline: float) -> bool:
        """Whether all threads have ended by the deadline."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _enqueue(self, pending: Pending) -> None:
        self._waiting.append(pending)
        pending.line = self._waiting
        if len(self._waiting) > self._idle and len(self._threads) < _MOST_THREADS:
            self._threads.append(threads.start(self._run, "compl-example helper"))
        self._work.notify()

    def _next_at(self, pending: Pending) -> None:
        """The file's position is free for the next in line, if it is free."""
        source = pending.source
        assert source is not None
        line = source.lines[Lane.POSITION]
        if source.running is None and line:
            source.running = line.popleft()
            self._enqueue(source.running)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                self._work.wait_for(lambda: self._waiting or self._stopping)
                self._idle -= 1
                if self._stopping:
                    return
                pending = self._waiting.popleft()
                pending.line = None  # running: cannot be cancelled any more
            outcome = _run_one(pending)
            with self._lock:
                self._ledger.finish(pending, outcome)
                self.passed(pending)

    def passed(self, pending: Pending) -> None:
        """``pending`` has ended: the next of its file may go."""
        if pending.source is not None and pending.source.running is pending:
            pending.source.running = None
            self._next_at(pending)


def _run_one(pending: Pending) -> Outcome:
    while True:
        try:
            outcome = pending.attempt()
        except (BlockingIOError, InterruptedError):
            time.sleep(0.001)
            continue
        except OSError as error:
            outcome = pending.failed(error.errno or errno.EIO)
        assert outcome is not None
        return outcome._replace(flags=outcome.flags | CompletionFlags.VIA_THREAD)
