"""The selector's thread: it waits until files are ready, then has the operations tried that wait for them.

One thread has the selector for itself; all others change what it should look at (:meth:`Watcher.touch`) and ring its
bell.  A ``wait`` asks it for a *pass* first (:meth:`Watcher.look`): one look at everything, without waiting.  So
what is ready when ``wait`` begins is in the queue when ``wait`` reads it, also with a timeout of 0.
"""

from __future__ import annotations

import errno
import selectors
import threading
import time

from compl_example import threads
from compl_example.clock import Clock
from compl_example.doorbell import Doorbell
from compl_example.ledger import Ledger
from compl_example.operation import Outcome
from compl_example.reports import Reports
from compl_example.source import Lane, Source
from compl_example.sources import Sources
from compl_example.turns import Turns


class Watcher:
    """Owns the selector.  Its methods run with the port's lock held, but for ``join`` and the thread itself."""

    def __init__(self, lock: threading.RLock, ledger: Ledger, sources: Sources, clock: Clock) -> None:
        self._lock = lock
        self._ledger = ledger
        self._sources = sources
        self._turns = Turns(ledger, clock, self.touch)
        self.reports = Reports(ledger, self.touch)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._touched: dict[Source, None] = {}  # an ordered set
        self._asked = 0  # passes asked for
        self._made = 0  # passes made
        self._answer = threading.Condition(lock)
        self._bell = Doorbell()
        try:
            self._selector = self._new_selector()
        except OSError:  # no descriptor left for it
            self._bell.close()
            raise
        ledger.on_ended = self.ended
        sources.on_lost = self.touch

    # ---- for other threads ------------------------------------------------------------------------------------------

    def touch(self, source: Source) -> None:
        """Something about ``source`` has changed: attend to it soon."""
        self._touched[source] = None
        self._bell.ring()
        if self._thread is None and not self._stopping:
            self._thread = threads.start(self._run, "compl-example selector")

    def ended(self, source: Source) -> None:
        """``source`` has one operation less, or no registration any more."""
        if source.idle:
            source.file = source.number  # the object is its owner's alone again
        if source.closing is not None or source.watched or source.lines.get(Lane.INWARD):
            self.touch(source)  # the last: whatever stood behind a receive that found its pool empty
        elif source.idle:
            self._sources.forget(source)

    def nudge(self) -> None:
        """A buffer that was wanted has come back.  Without the lock."""
        self._bell.nudge()

    def look(self) -> None:
        """Return when a pass is through that began after this call."""
        if self._thread is not None:
            ticket = self.look_soon()
            self._answer.wait_for(lambda: self._made >= ticket or self._stopping)

    def look_soon(self) -> int:
        """Have a pass made; its number."""
        self._asked += 1
        self._bell.ring()
        return self._asked

    def stop(self) -> None:
        """Let the thread end.  With the lock held; then :meth:`join` without."""
        self._stopping = True
        self._answer.notify_all()
        if self._thread is None:
            self.drop()
        else:
            self._bell.ring()

    def join(self, deadline: float) -> bool:
        """Whether the thread has ended by the deadline."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def clear(self) -> None:
        """The thread has ended: let all file objects go."""
        self._touched.clear()
        self.reports.clear()

    def drop(self) -> None:
        """Close the port's own descriptors: at the end of the thread, or in a forked child, which has no thread."""
        self._selector.close()
        self._bell.close()

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    break
                number = self._asked
                asked = number != self._made
                if asked:
                    self.reports.arm()
                self._attend_to_touched()
                self._bell.clear()
                while self._turns.resume():  # after the bell: a buffer that comes back from here on rings it again
                    self._attend_to_touched()
            events = self._select(0 if asked else None)
            with self._lock:
                for source, mask in events:
                    self._serve(source, mask, number)
                if asked:
                    self.reports.take_back_untrue(number)
                    self._made = number
                    self._answer.notify_all()
        self.drop()

    def _attend_to_touched(self) -> None:
        while self._touched:
            source = next(iter(self._touched))
            del self._touched[source]
            if source.lost:
                self._give_up(source, source.lost)
                continue
            self._turns.begin(source)
            if source.closing is not None and not source.operations:
                self._close(source)
            else:
                self._tell_selector(source)

    def _serve(self, source: Source, mask: int, number: int) -> None:
        if source.lost:
            return
        if not source.is_open():
            self._sources.lose(source)
            return
        self._turns.ready(source, mask & ~source.paused)
        self.reports.report(source, number)
        self.touch(source)

    def _select(self, timeout: float | None) -> list[tuple[Source, int]]:
        try:
            events = self._selector.select(timeout)
        except (OSError, ValueError):  # select() refuses the whole set for one closed number, or one number too many
            with self._lock:
                watched = [source for source in self._sources if source.watched]
                closed = [source for source in watched if not source.is_open()]
                for source in closed:
                    self._sources.lose(source)
                if watched and not closed:
                    self._sources.lose(watched[-1], errno.EMFILE)
            return []
        return [(key.data, mask) for key, mask in events if key.data is not None]

    def _tell_selector(self, source: Source) -> None:
        wanted = source.wanted()
        if wanted != source.watched:
            try:
                if not source.watched:
                    self._selector.register(source.number, wanted, source)
                elif wanted:
                    self._selector.modify(source.number, wanted, source)
                else:
                    self._selector.unregister(source.number)
            except OSError as error:
                self._sources.lose(source, error.errno or errno.EIO)
                return
            source.watched = wanted
        if source.idle:
            self._sources.forget(source)

    def _close(self, source: Source) -> None:
        """Nothing is in flight on it any more: keep close_file's promise."""
        assert source.closing is not None
        if source.watched:
            self._selector.unregister(source.number)
            source.watched = 0
        closing, source.closing = source.closing, None
        self._sources.forget(source)
        self._ledger.finish(closing, Outcome(-source.close()))

    def _give_up(self, source: Source, error_number: int) -> None:
        """The file was closed behind the port's back: end what can be ended, and never look at its number again."""
        self.reports.forget(source)
        for pending in list(source.operations.values()):
            if pending.line is not None:
                pending.line.remove(pending)
                self._ledger.finish(pending, pending.failed(error_number))
        if source.closing is not None:
            closing, source.closing = source.closing, None
            self._ledger.finish(closing, Outcome(-error_number))
        if source.watched:
            # A closed number cannot be taken out of an epoll set where a duplicate of it lives on: start a fresh one.
            source.watched = 0
            self._selector.close()
            self._selector = self._new_selector()

    def _new_selector(self) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        selector.register(self._bell, selectors.EVENT_READ)
        for source in self._sources:
            if source.watched:
                try:
                    selector.register(source.number, source.watched, source)
                except OSError:
                    source.watched = 0
                    self._sources.lose(source)
        return selector
