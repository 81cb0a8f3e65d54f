"""The reference port: the contract in plain Python, in memory, with nothing in the way of reading it.

It is the oracle of the model rule, and the first port that every rule is tried on.  Packets, timers and the table of
keys need no kernel; readiness and I/O do, so it does not declare them: what it cannot do honestly, it refuses.
"""

from __future__ import annotations

import errno
import itertools
import math
import operator
import os
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from compl_conformance import reference_files as files
from compl_conformance.reference_queue import Item, ReferenceQueue, Timer
from compl_core import (
    CONTRACT,
    Backend,
    Capability,
    Completion,
    CompletionFlags,
    CompletionPort,
    Interest,
    Kind,
    NotSupported,
    OperationId,
    Probe,
    arguments,
)
from compl_core.errors import already_registered, bad_descriptor, closed_port, forked_port, not_registered

if TYPE_CHECKING:
    from compl_core import FileLike

#: Waiting is on a lock, whose timeouts are nanoseconds on POSIX and milliseconds on Windows.
CAPABILITIES = (
    Capability.TIMEOUT
    | Capability.CANCEL
    | Capability.MULTI_WAITER
    | (Capability.NONE if sys.platform == "win32" else Capability.SUB_MS_TIMEOUT)
)

#: One count for all ports, so that an id of another port is never mistaken for one's own.
_identifiers = itertools.count(1)


class ReferencePort(CompletionPort):
    """A queue, a table of keys, and a lock around both."""

    name: ClassVar[str] = "reference"

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._closed = False
        # Re-entrant, because post() may be called by a signal handler that interrupts the port itself.
        self._lock = threading.RLock()
        self._queue = ReferenceQueue(self._lock)
        self._files = files.KeyTable()
        self._in_flight: dict[OperationId, Item] = {}
        self._submitted = 0
        self._posted = 0

    def __repr__(self) -> str:
        return f"<{self.name} port, {'closed' if self._closed else 'open'}, at {id(self):#x}>"

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capability:
        return CAPABILITIES

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def closed(self) -> bool:
        return self._closed

    def statistics(self) -> Mapping[str, int]:
        with self._lock:
            self._check("statistics")
            return {
                "submitted": self._submitted,
                "in_flight": len(self._in_flight),
                "ready": len(self._queue),
                "posted": self._posted,
                "via_thread": 0,
                "resubmitted": 0,
            }

    def flush(self) -> int:
        self._check("flush")
        return 0  # nothing is held back

    # ---- registration -----------------------------------------------------------------------------------------------

    def register(self, file: FileLike, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        del oneshot  # disarms after a report, and there are none here
        self._check("register")
        key = arguments.unsigned(key, 64, "a key")
        self._check_interest(interest, "register")
        number = files.number(file)
        with self._lock:
            self._check("register")
            known = self._files.find(number)
            if known is not None:
                raise already_registered(self.name, number, known.key)
            if not self._files.add(number, file, key):
                raise bad_descriptor(self.name, number, "register")

    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None:
        del oneshot
        self._check("modify")
        key = None if key is None else arguments.unsigned(key, 64, "a key")
        if interest is not None:
            self._check_interest(interest, "modify")
        with self._lock:
            registered = self._registered(file, "modify")
            if key is not None:
                registered.key = key

    def unregister(self, file: FileLike) -> None:
        self._check("unregister")
        with self._lock:
            self._files.remove(self._registered(file, "unregister"))

    def _registered(self, file: FileLike, method: str) -> files.Registered:
        self._check(method)
        number = files.number(file)
        registered = self._files.find(number)
        if registered is not None:
            return registered
        if files.identity(number) is None:
            raise bad_descriptor(self.name, number, method)
        raise not_registered(self.name, number, method)

    def _check_interest(self, interest: Any, method: str) -> None:
        if arguments.interest(interest, none=True):
            raise NotSupported(Capability.READINESS, self.name, method)

    # ---- posting and waiting ----------------------------------------------------------------------------------------

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self._check("post")
        key = arguments.unsigned(key, 64, "a key")
        result = arguments.unsigned(result, 32, "a result")
        with self._lock:
            self._check("post")  # again: close() may have come first
            self._posted += 1
            self._queue.append(Item(Completion(key, result, token, Kind.POSTED, CompletionFlags.NONE, None)))

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        self._check("wait")
        most, least = operator.index(max_completions), operator.index(min_completions)
        if most < 1:
            raise ValueError(f"max_completions is 1 or more, not {most}")
        if not 1 <= least <= most:
            raise ValueError(f"min_completions is in 1..max_completions (1..{most}), not {least}")
        budget = math.inf if timeout is None else arguments.seconds(timeout)
        deadline = time.monotonic() + budget
        batch: list[Item] = []
        try:
            with self._lock:
                self._queue.take(batch, most, least, deadline)
                self._check("wait")  # again: close() may be what ended the waiting
                for item in batch:
                    self._in_flight.pop(item.id, None)
            return [item.completion for item in batch]
        except BaseException:
            # A signal handler raised, anywhere above.  Whatever had been taken by then is in the batch: undo.
            with self._lock:
                self._queue.give_back(batch)
                self._in_flight.update((item.id, item) for item in batch if item.id)
            raise

    # ---- operations -------------------------------------------------------------------------------------------------

    def nop(self, token: object = None) -> OperationId:
        with self._lock:
            self._check("nop")
            return self._finished(Kind.NOP, token, 0)

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        self._check("timeout")
        due = time.monotonic() + arguments.seconds(seconds)
        with self._lock:
            self._check("timeout")
            timer = Timer(Completion(0, 0, token, Kind.TIMEOUT, CompletionFlags.NONE, None), due)
            self._queue.start(timer)
            return self._started(timer)

    def cancel(self, operation_id: OperationId) -> bool:
        self._check("cancel")
        if not isinstance(operation_id, int):
            raise TypeError(f"an operation id is an int, not {type(operation_id).__name__!r}")
        with self._lock:
            item = self._in_flight.get(operation_id)
            return isinstance(item, Timer) and self._queue.cancel(item)

    def cancel_all(self, file: FileLike) -> int:
        self._check("cancel_all")
        files.number(file)  # a TypeError for what is no file
        return 0  # no operation here is on a file

    def close_file(self, file: FileLike, token: object = None) -> OperationId:
        self._check("close_file")
        number = files.number(file)
        with self._lock:
            self._check("close_file")
            if files.identity(number) is None:
                return self._finished(Kind.CLOSE, token, -errno.EBADF)
            registered = self._files.find(number)
            if registered is not None:
                self._files.remove(registered)
            key = registered.key if registered is not None else 0
            return self._finished(Kind.CLOSE, token, -files.close(file, number), key)

    def _finished(self, kind: Kind, token: object, result: int, key: int = 0) -> OperationId:
        item = Item(Completion(key, result, token, kind, CompletionFlags.NONE, None))
        started = self._started(item)
        self._queue.append(item)
        return started

    def _started(self, item: Item) -> OperationId:
        item.id = next(_identifiers)
        self._in_flight[item.id] = item
        self._submitted += 1
        return item.id

    # ---- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._owner != os.getpid():  # the lock may be held by a thread that exists in the parent only
            self._closed = True
            return
        with self._lock:
            self._closed = True
            self._queue.close()
            self._in_flight.clear()
            self._files.clear()

    def __del__(self) -> None:
        # At the end of the interpreter the lock may be held by a daemon thread that will never run again.
        if getattr(self, "_closed", True) or self._owner != os.getpid() or sys.is_finalizing():
            return
        warnings.warn(f"{self!r} was not closed; use 'with' or close()", ResourceWarning, source=self, stacklevel=1)
        self.close()

    def _check(self, method: str) -> None:
        if self._owner != os.getpid():
            raise forked_port(self.name, method, self._owner)
        if self._closed:
            raise closed_port(self.name, method)


def _probe() -> Probe:
    return Probe(available=True, capabilities=CAPABILITIES)


backend = Backend(name="reference", contract=CONTRACT, capabilities=CAPABILITIES, probe=_probe, open=ReferencePort)
