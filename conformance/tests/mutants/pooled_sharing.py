"""pooled: pools that run empty, receives that stand in line, and the end."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import atexit
import errno
import mmap
import time
from typing import Any, ClassVar, cast

from compl_core import BufferPool, Completion, CompletionFlags, FileLike
from compl_example import ExamplePort
from compl_example.pool import Pool
from mutants.fault import mutant
from mutants.pooled import Pooled
from mutants.ports import Call


class Counting(Pooled):
    """Knows which pooled receives are in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.values.get("pool") is not None:
            self.pending.append(call)
        return super().begin(call)

    def over(self, done: Completion, call: Call) -> list[Completion]:
        self.pending = [each for each in self.pending if each is not call]
        return [done]


@mutant("pooled/17", "pooled/18", "pooled/19", "pooled/20")
class SaysENOBUFS(Pooled):
    """Ends a receive for which there is no buffer, with the error that the kernel has for it."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self._watcher.look()
        with self._lock:
            for pending in [each for each in self._watcher._turns._starved if not each.finished]:
                self._tokens[pending.id].note = "empty"
                self._cancel(pending)
        return super().wait(*arguments, **named)

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=-errno.ENOBUFS) if call.note else done]


@mutant("pooled/17", "pooled/18", "pooled/19", "pooled/21", "pooled/22")
class NeverGoesOn(ExamplePort):
    """Has nothing that would take up again what it paused."""

    def __init__(self) -> None:
        super().__init__()
        turns: Any = self._watcher._turns
        turns.resume = lambda: False


@mutant("pooled/18")
class GoesOnAtTheNextWait(ExamplePort):
    """Looks for buffers that came back when somebody calls wait, and wakes nobody who is in it."""

    def __init__(self) -> None:
        super().__init__()
        watcher: Any = self._watcher
        watcher.nudge = lambda: None


@mutant("pooled/19")
class GoesOnWithTheEnd(Pooled):
    """Asks after a pause whether the stream has ended before it asks for what is left of it."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        paused = any(self._tokens.get(each.id) is call for each in self._watcher._turns._starved)
        if call.note == "paused":
            return []
        call.note = "paused" if paused else None
        return [done]


@mutant("pooled/20")
class CancelWaitsForABuffer(ExamplePort):
    """Ends a receive that was cancelled when it is its turn."""

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        return True if pending is not None and pending.starved else super().cancel(operation_id)


@mutant("pooled/21", "pooled/22", "pooled/24")
class APoolIsForOneReceive(Counting):
    """Refuses a pool that another receive uses."""

    def begin(self, call: Call) -> int:
        pool = call.values.get("pool")
        if pool is not None and any(each.values["pool"] is pool for each in self.pending):
            return self.settle(call, -errno.EBUSY)
        return super().begin(call)


@mutant("pooled/21", "pooled/24")
class BelievesTheFirst(Counting):
    """Gives all arrivals of a pool to the first who asked for them."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        first = next((each for each in self.pending if each.values["pool"] is call.values["pool"]), call)
        return [done._replace(token=first.token)]

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done]  # and for ever


@mutant("pooled/22")
class TheLastIsServedFirst(ExamplePort):
    """Has a stack of those who wait for a buffer."""

    def __init__(self) -> None:
        super().__init__()
        turns: Any = self._watcher._turns
        resume = turns.resume

        def backwards() -> bool:
            turns._starved = dict(reversed(turns._starved.items()))
            try:
                return bool(resume())
            finally:
                turns._starved = dict(reversed(turns._starved.items()))

        turns.resume = backwards


@mutant("pooled/23")
class LaterReceivesComeFirst(Counting):
    """Gives what arrives to a receive with a buffer of its own, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.method == "recv" and any(each.number == call.number for each in self.pending):
            self.others.append(call)
        return super().begin(call)

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        for other in self.others:
            if other.note is None and other.number == call.number and other.values["buffer"] is not None:
                other.note = "served"
                memoryview(other.values["buffer"])[: done.result] = done.value
                return [done._replace(token=other.token, flags=CompletionFlags.NONE, value=None)]
        return [done]

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if call.note == "served" else super().end(done, call)


@mutant("pooled/24")
class OnePooledReceivePerSocket(Counting):
    """Refuses a second pooled receive on the same socket."""

    def begin(self, call: Call) -> int:
        if call.values.get("pool") is not None and any(each.number == call.number for each in self.pending):
            return self.settle(call, -errno.EALREADY)
        return super().begin(call)


@mutant("pooled/25")
class TakesForeignPools(Pooled):
    """Does not ask whose pool it is."""

    def begin(self, call: Call) -> int:
        pool = call.values.get("pool")
        if isinstance(pool, Pool):
            call.values["pool"] = Pool(self._watcher, pool.count, pool.size)
        return super().begin(call)


@mutant("pooled/25")
class AForeignPoolIsData(Pooled):
    """Completes with EINVAL where the pool is another port's."""

    def begin(self, call: Call) -> int:
        pool = call.values.get("pool")
        if isinstance(pool, Pool) and pool.watcher is not self._watcher:
            return self.settle(call, -errno.EINVAL)
        return super().begin(call)


@mutant("pooled/20", "pooled/23", "pooled/24", "pooled/26", "pooled/28", "pooled/29")
class CancelHasNoEnd(Pooled):
    """Stops receiving when it is cancelled, without a word."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.result == -errno.ECANCELED else [done]


@mutant("pooled/26", "pooled/27", "pooled/28", "pooled/29")
class CancelIsTheEndOfTheStream(Pooled):
    """Has one way to end."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        cancelled = done.result == -errno.ECANCELED
        return [done._replace(result=0, flags=CompletionFlags.EOF) if cancelled else done]


@mutant("pooled/27")
class CancelDropsWhatCame(Pooled):
    """Gives nothing any more once it is cancelled."""

    def cancel(self, operation_id: int) -> bool:
        call = self._tokens.get(operation_id)
        if isinstance(call, Call):
            call.note = "cancelled"
        return super().cancel(operation_id)

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [] if call.note == "cancelled" else [done]


@mutant("pooled/28")
class CancelAllCountsArrivals(Pooled):
    """Counts what it had to do with the file."""

    arrivals = 0

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.arrivals += 1
        return [done]

    def cancel_all(self, file: FileLike) -> int:
        return super().cancel_all(file) + self.arrivals


class Remembering(ExamplePort):
    """Knows its pools."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: list[Pool] = []

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        made = super().buffer_pool(count, size)
        assert isinstance(made, Pool)
        self.pools.append(made)
        return made


@mutant("pooled/29")
class CloseFileTakesTheViewsAlong(Remembering):
    """Clears the buffers of a file that is closed."""

    def close_file(self, file: FileLike, token: object = None) -> int:
        for pool in self.pools:
            pool._memory[:] = bytes(len(pool._memory))
        return super().close_file(file, token)


@mutant("pooled/30")
class FreesItsPools(Remembering):
    """Frees its memory at close, whoever looks at it: here it is overwritten instead."""

    def close(self) -> None:
        super().close()
        for pool in self.pools:
            pool._memory[:] = b"\xdd" * len(pool._memory)


@mutant("pooled/31")
class LosesBuffersNobodyTook(ExamplePort):
    """Frees its queue at close without giving back the buffers in it."""

    def close(self) -> None:
        self.lost = [] if self.closed else [done.value for done in self.wait(1000, 0)]
        super().close()


@mutant("pooled/37")
class SharesItsMemory(ExamplePort):
    """Has its pools in memory that a forked child shares."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        made: Any = super().buffer_pool(count, size)
        made._memory = mmap.mmap(-1, made.count * made.size)
        return cast("BufferPool", made)


@mutant("pooled/38")
class WaitsForItsViewsAtTheEnd(ExamplePort):
    """Keeps the interpreter until all views have been let go of."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        made = super().buffer_pool(count, size)
        atexit.register(self._linger, made)
        return made

    @staticmethod
    def _linger(pool: BufferPool) -> None:
        while pool.available < pool.count:
            time.sleep(0.01)


@mutant("leak/17", "lifecycle/24")
class KeepsItsPools(ExamplePort):
    """Has a table of the pools that were made, and of whom they belong to."""

    kept: ClassVar[list[tuple[BufferPool, ExamplePort]]] = []

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        made = super().buffer_pool(count, size)
        self.kept.append((made, self))
        return made
