"""threads: several waiters, and callers that come and go."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from typing import Any, ClassVar

from compl_core import Completion, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port


@mutant("threads/1", "threads/6")
class WakesAllWaiters(ExamplePort):
    """Notifies all threads for each completion, and lets those go that find nothing."""

    taken = 0

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        before, start = self.taken, time.monotonic()
        while True:
            left = 0.003 if timeout is None else min(0.003, max(0.0, timeout - (time.monotonic() - start)))
            batch = super().wait(max_completions, left, min_completions=min_completions)
            self.taken += bool(batch)
            if batch or self.taken != before or left == 0:
                return batch


@mutant("threads/2", "threads/3", "capability/17")
class KeepsTheRestForItsThread(ExamplePort):
    """Takes all there is, and keeps what it does not return for the next wait of the same thread."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        rest: deque[Completion] = self.local.__dict__.setdefault("rest", deque())
        if not rest:
            rest.extend(super().wait(max(max_completions, 100), timeout, **least))
        return [rest.popleft() for _ in range(min(len(rest), max_completions))]


@mutant("threads/3", "threads/4")
class NobodyFollowsTheLeader(ExamplePort):
    """Has one thread ask the kernel for all, and nobody in its place when that one leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.leader: int | None = None

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        me = threading.get_ident()
        if self.leader not in (None, me):
            threading.Event().wait(timeout)
            return []
        self.leader = me
        batch = super().wait(max_completions, timeout, **least)
        if batch:
            self.leader = None
        return batch


@mutant("threads/17", "threads/5")
class LetsOneThreadWait(ExamplePort):
    """Holds a lock while it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.one = threading.Lock()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        with self.one:
            return super().wait(*arguments, **named)


@mutant("threads/5")
class HasOneDeadlineForAll(ExamplePort):
    """Keeps the deadline with the port, where the next waiter puts its own."""

    deadline = 0.0

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        if not timeout:
            return super().wait(max_completions, timeout, **least)
        self.deadline = time.monotonic() + timeout
        while True:
            batch = super().wait(max_completions, 0.001, **least)
            if batch or time.monotonic() >= self.deadline:
                return batch


@mutant("threads/6")
class ReportsAFileToEveryWaiter(Port):
    """Gives a readiness to all that wait."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(*arguments, **named)
        for done in batch:
            for _ in range(self.waiting if done.kind is Kind.READY else 0):
                self.post(done.key, done.result)
        return batch


class _Unseen(Port):
    """Starts calls of some kinds only when no thread is in wait."""

    methods: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.method not in self.methods or not self.waiting:
            return super().begin(call)
        self.held.append(call)
        return self._ledger.number()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        while self.held:
            super().begin(self.held.pop(0))
        return super().wait(*arguments, **named)


@mutant("threads/8", "threads/9")
class AWaiterSeesNoNewOperations(_Unseen):
    """Hands operations to the kernel when a wait begins, which is too late for the one that has begun."""

    methods = ("nop", "recv")


@mutant("threads/10", "threads/11", "threads/12")
class OperationsEndWithTheirThread(Port):
    """Loses what a thread has started when that exits, as overlapped I/O on Windows once did."""

    def begin(self, call: Call) -> int:
        call.note = threading.current_thread()
        return super().begin(call)

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        for number, pending in list(self._ledger.in_flight.items()):
            call = self._tokens.get(number)
            if isinstance(call, Call) and call.note is not None and not call.note.is_alive() and pending:
                self.cancel(number)
        return super().wait(*arguments, **named)


@mutant("threads/13", "threads/9", "post/9")
class BelongsToItsThread(ExamplePort):
    """Lets the thread that opened it wait, and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.opener = threading.get_ident()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        if threading.get_ident() != self.opener:
            raise RuntimeError("a port is waited for by the thread that opened it")
        return super().wait(*arguments, **named)


@mutant("threads/14")
class KeepsTheInterpreterWhileItWaits(ExamplePort):
    """Forgets to let the GIL go around the call that blocks."""

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        batch = super().wait(max_completions, 0, **least)
        if not batch and timeout:
            ctypes.PyDLL(None).usleep(int(min(timeout, 1) * 1e6))
            return super().wait(max_completions, 0, **least)
        return batch or super().wait(max_completions, timeout, **least)


@mutant("threads/7", "threads/16", "limits/5")
class LosesACompletionInAThousand(Port):
    """Has a queue that is not safe for threads, and loses one in a while."""

    seen = 0

    def end(self, done: Completion, call: Call) -> list[Completion]:
        self.seen += 1
        return [] if self.seen % 299 == 0 else [done]
