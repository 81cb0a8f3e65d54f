"""The port itself: what it is, its registrations, posting, waiting, closing.  Its operations are in *_operations.py."""

from __future__ import annotations

import math
import operator
import os
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from compl_core import Capability, Completion, Interest
from compl_core.errors import already_registered, always_ready, bad_descriptor, closed_port, forked_port, not_registered
from compl_example import checks
from compl_example.capabilities import CAPABILITIES
from compl_example.clock import Clock
from compl_example.doorbell import Doorbell
from compl_example.file_operations import FileOperations
from compl_example.helpers import Helpers
from compl_example.ledger import Ledger, Origin
from compl_example.nature import Nature
from compl_example.ready import Entry
from compl_example.socket_operations import SocketOperations
from compl_example.source import Registration, Source
from compl_example.sources import Sources
from compl_example.watcher import Watcher

if TYPE_CHECKING:
    from compl_core import FileLike

#: How long close() waits for helper threads that are inside a system call (seconds).
_DRAIN = 10.0
#: What close() could not drain: kept for ever, because the system may still write into its buffers.
_leaked: list[Ledger] = []


class ExamplePort(SocketOperations, FileOperations):
    """A completion port over :mod:`selectors` and :mod:`threading`."""

    name: ClassVar[str] = "example"

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._closed = False
        # One lock for everything.  Re-entrant: post() may come from a signal handler that interrupts the port itself.
        self._lock = threading.RLock()
        self._tokens: dict[int, object] = {}
        self._ledger = Ledger(self._lock)
        self._sources = Sources()
        self._clock = Clock(self._lock)
        self._helpers = Helpers(self._lock, self._ledger)
        self._watcher = Watcher(self._lock, self._ledger, self._sources, self._clock)

    def __repr__(self) -> str:
        return f"<{self.name} port, {'closed' if self._closed else 'open'}, at {id(self):#x}>"

    @property
    def capabilities(self) -> Capability:
        return CAPABILITIES

    @property
    def in_flight(self) -> int:
        return len(self._ledger.in_flight)

    @property
    def closed(self) -> bool:
        return self._closed

    def fileno(self) -> int:
        self._check("fileno")
        if not self.capabilities & Capability.POLLABLE:
            return super().fileno()  # which refuses
        with self._lock:
            ready = self._ledger.ready
            if ready.sign is None:
                ready.sign = Doorbell()
                if ready:
                    ready.sign.ring()
                self._watcher.look_soon()
            return ready.sign.fileno()

    def statistics(self) -> Mapping[str, int]:
        self._check("statistics")
        with self._lock:
            ledger = self._ledger
            return {
                "submitted": ledger.submitted,
                "in_flight": len(ledger.in_flight),
                "ready": len(ledger.ready),
                "posted": ledger.posted,
                "via_thread": ledger.via_thread,
                "resubmitted": ledger.resubmitted,
            }

    def flush(self) -> int:
        self._check("flush")
        return 0  # nothing is held back

    # ---- registration -----------------------------------------------------------------------------------------------

    def register(self, file: FileLike, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        self._check("register")
        key = checks.unsigned(key, 64, "a key")
        interest = checks.interest(interest, none=True)
        with self._lock:
            source = self._open_source(file, "register")
            if source.registration is not None:
                raise already_registered(self.name, source.number, source.registration.key)
            self._check_watchable(source, interest, "register")
            source.registration = Registration(key, interest, bool(oneshot))
            source.file = file
            self._sources.keep(source)
            if interest:
                self._watcher.touch(source)

    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None:
        self._check("modify")
        key = None if key is None else checks.unsigned(key, 64, "a key")
        interest = None if interest is None else checks.interest(interest, none=True)
        with self._lock:
            source = self._open_source(file, "modify")
            old = source.registration
            if old is None:
                raise not_registered(self.name, source.number, "modify")
            self._check_watchable(source, old.interest if interest is None else interest, "modify")
            self._watcher.reports.take_back(old)
            source.registration = Registration(
                old.key if key is None else key,
                old.interest if interest is None else interest,
                old.oneshot if oneshot is None else bool(oneshot),
            )
            self._watcher.touch(source)

    def unregister(self, file: FileLike) -> None:
        self._check("unregister")
        with self._lock:
            source = self._open_source(file, "unregister")
            if source.registration is None:
                raise not_registered(self.name, source.number, "unregister")
            self._watcher.reports.forget(source)
            self._watcher.ended(source)

    def _open_source(self, file: FileLike, method: str) -> Source:
        number = checks.number(file)
        source = self._sources.find(file, number)
        if source is None:
            self._sources.lose_object(file)
            raise bad_descriptor(self.name, number, method)
        return source

    def _check_watchable(self, source: Source, interest: Interest, method: str) -> None:
        if interest and source.nature is Nature.STORAGE:
            raise always_ready(self.name, source.number, method)

    # ---- posting and waiting ----------------------------------------------------------------------------------------

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self._check("post")
        key = checks.unsigned(key, 64, "a key")
        result = checks.unsigned(result, 32, "a result")
        with self._lock:
            self._check("post")  # again: close() may have come first
            self._ledger.post(self._tokened(self._ledger.number(), token), key, result)

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        self._check("wait")
        most, least = operator.index(max_completions), operator.index(min_completions)
        if most < 1:
            raise ValueError(f"max_completions is 1 or more, not {most}")
        if not 1 <= least <= most:
            raise ValueError(f"min_completions is in 1..max_completions (1..{most}), not {least}")
        budget = math.inf if timeout is None else checks.seconds(timeout)
        deadline = None if budget == math.inf else time.monotonic() + budget
        batch: list[Entry[Origin]] = []
        completions: list[Completion] = []
        try:
            with self._lock:
                self._watcher.look()
                if not self._ledger.ready.take(batch, most, least, deadline):
                    raise closed_port(self.name, "wait")
                self._ledger.returned(batch)
                completions += [entry.completion._replace(token=self._tokens.get(entry.number)) for entry in batch]
                for entry, completion in zip(batch, completions, strict=True):
                    if not completion.more:
                        self._tokens.pop(entry.number, None)
                if self._ledger.ready.watched and any(isinstance(entry.origin, Registration) for entry in batch):
                    self._watcher.look_soon()  # others want to hear of these files too
            return completions
        except BaseException:
            # A signal handler raised, anywhere above.  Whatever had been taken by then is in the two lists.
            with self._lock:
                self._ledger.give_back(batch)
                for entry, completion in zip(batch, completions, strict=False):
                    self._tokened(entry.number, completion.token)
            raise

    # ---- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._owner != os.getpid():
            self._drop_copies()
            return
        with self._lock:
            self._stop()
        deadline = time.monotonic() + _DRAIN
        drained = [part.join(deadline) for part in (self._helpers, self._watcher, self._clock)]
        with self._lock:
            self._finish_closing_files()
            self._tokens.clear()
            self._sources.clear()
            self._watcher.clear()
            self._ledger.discard()
            if all(drained):
                self._ledger.release()
            elif self._ledger not in _leaked:
                _leaked.append(self._ledger)
                warnings.warn(
                    f"{self!r}: {len(self._ledger.in_flight)} operations did not end within {_DRAIN:g} s of close(); "
                    "their buffers are kept for ever",
                    ResourceWarning,
                    stacklevel=2,
                )

    def _stop(self) -> None:
        self._closed = True
        self._ledger.ready.shut()
        for part in (self._helpers, self._watcher, self._clock):
            part.stop()
        for pending in list(self._ledger.in_flight.values()):
            self._cancel(pending)

    def _finish_closing_files(self) -> None:
        """close_file() was called, and nobody else can close them any more."""
        for source in self._sources:
            if source.closing is not None:
                self._sources.forget(source)
                source.close()

    def _drop_copies(self) -> None:
        # A forked child: the lock may be held by a thread that exists in the parent only, so it is left alone.
        if not self._closed:
            self._closed = True
            self._watcher.drop()
            self._ledger.discard()

    def __del__(self) -> None:
        # At the end of the interpreter the lock may be held by a daemon thread that will never run again.
        if getattr(self, "_watcher", None) is None or self._closed or sys.is_finalizing():
            return
        if self._owner != os.getpid():
            self._drop_copies()
            return
        warnings.warn(f"{self!r} was not closed; use 'with' or close()", ResourceWarning, source=self, stacklevel=1)
        with self._lock:  # no waiting inside a destructor: the threads end by themselves, and then the buffers go
            self._stop()
            self._ledger.discard()

    def _check(self, method: str) -> None:
        if self._owner != os.getpid():
            raise forked_port(self.name, method, self._owner)
        if self._closed:
            raise closed_port(self.name, method)
