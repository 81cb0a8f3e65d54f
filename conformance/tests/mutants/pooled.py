"""pooled: what arrivals are, and when their buffers come back."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import errno
import weakref
from pickle import PickleBuffer
from typing import Any

from compl_core import BufferPool, Completion, CompletionFlags, Kind, Operation, Recv
from compl_example import ExamplePort
from compl_example.pool import Pool
from mutants.fault import mutant
from mutants.ports import Call, Port

MORE, EOF = CompletionFlags.MORE, CompletionFlags.EOF


class Pooled(Port):
    """Makes something else of what a pooled receive gives."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        """A completion with a view."""
        return [done]

    def over(self, done: Completion, call: Call) -> list[Completion]:
        """The last one."""
        return [done]

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.method != "recv" or call.values["pool"] is None:
            return [done]
        return self.arrived(done, call) if done.more else self.over(done, call)


@mutant("pooled/1", "pooled/2", "pooled/16", "capability/21")
class PooledSaysNotMore(Pooled):
    """Does not set MORE on an arrival."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags & ~MORE)]


@mutant("pooled/1", "pooled/5")
class GivesBytes(Pooled):
    """Gives a copy of what arrived."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=bytes(done.value))]


@mutant("pooled/1", "pooled/3", "pooled/34", "capability/21")
class GivesWholeBuffers(Pooled):
    """Gives the buffer that the bytes are in, and leaves it to the caller to look at the result."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=PickleBuffer(done.value.obj).raw())]


@mutant("pooled/1", "pooled/5", "pooled/6", "pooled/30", "pooled/34")
class GivesReadOnlyViews(Pooled):
    """Protects its memory from the caller."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=done.value.toreadonly())]


@mutant("pooled/1")
class GivesViewsOfCharacters(Pooled):
    """Has char for a byte, and says so."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=done.value.cast("c"))]


@mutant("pooled/1")
class ArrivalsHaveNoKey(Pooled):
    """Knows the key at the end only."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(key=0)]


@mutant("pooled/2", "pooled/7", "pooled/21", "pooled/36")
class LosesEverySeventhArrival(Pooled):
    """Overwrites a completion that was not taken yet, now and then."""

    count = 0

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.count += 1
        return [done] if self.count % 7 else []


@mutant("pooled/2", "pooled/14", "pooled/33")
class BuffersAreTwiceAsLarge(ExamplePort):
    """Rounds the size of buffers up."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        return super().buffer_pool(count, size if isinstance(size, bool) else size * 2)


@mutant("pooled/3", "pooled/10", "pooled/19", "capability/21")
class TheEndSaysMore(Pooled):
    """Sets MORE on the end of the stream, too."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags | MORE) if done.eof else done]


@mutant("pooled/3", "pooled/10", "pooled/26", "pooled/28", "pooled/29")
class TheEndHasAnEmptyView(Pooled):
    """Has a view for every completion."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(value=memoryview(bytearray()))]


@mutant("pooled/3", "pooled/10", "pooled/19", "pooled/24")
class TheEndIsSilent(Pooled):
    """Stops receiving at the end of the stream, without a word."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.eof else [done]


@mutant("pooled/4")
class AResetIsTheEnd(Pooled):
    """Takes a connection that was reset for one that was ended."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=0, flags=EOF) if done.result == -errno.ECONNRESET else done]


@mutant("pooled/5", "pooled/30", "pooled/37")
class OneBufferForAll(Pooled):
    """Shows every arrival in the same buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = memoryview(bytearray(1 << 16))

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.buffer[: done.result] = done.value
        return [done._replace(value=self.buffer[: done.result])]


@mutant("pooled/7", "pooled/8", "pooled/9", "pooled/17")
class HoldsWhatItGives(Pooled):
    """Has a slice of its own of each view, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[memoryview] = []

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.held.append(done.value[:])
        return [done]


@mutant("pooled/8", "pooled/18")
class WantsViewsReleased(Pooled):
    """Keeps a list of the views that are out, until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[memoryview] = []

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.out.append(done.value)
        return [done]


@mutant("pooled/9")
class TakesBuffersFromSlices(Pooled):
    """Takes a buffer back when the view that it gave is gone, whoever has a part of it."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        copy = memoryview(bytearray(done.value))
        weakref.finalize(copy, done.value.release)
        return [done._replace(value=copy)]


@mutant("pooled/10")
class ArrivalsAreInFlight(Pooled):
    """Counts each arrival as an operation."""

    arrivals = 0

    @property
    def in_flight(self) -> int:
        return super().in_flight + self.arrivals

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self.arrivals += 1
        return [done]

    def over(self, done: Completion, call: Call) -> list[Completion]:
        self.arrivals = 0
        return [done]


@mutant("pooled/10")
class ArrivalsAreSubmitted(Pooled):
    """Submits itself anew after each arrival, and counts that."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        self._ledger.submitted += 1
        return [done]


@mutant("pooled/11")
class SubmitForgetsThePool(ExamplePort):
    """Has its own way of submitting operations, older than pools."""

    def submit(self, operation: Operation, *, token: object = None) -> int:
        if isinstance(operation, Recv) and operation.pool is not None:
            return self.recv(operation.sock, bytearray(operation.pool.size), operation.flags, token)
        return super().submit(operation, token=token)


@mutant("pooled/12")
class RaisesForAClosedSocket(Port):
    """Arms the receive within the call, and raises what the system says."""

    def begin(self, call: Call) -> int:
        if call.values.get("pool") is not None and call.number == -1:
            raise OSError(errno.EBADF, "recv")
        return super().begin(call)


@mutant("pooled/12")
class AFailureSaysMore(Pooled):
    """Sets MORE on all that a pooled receive gives."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags | MORE) if done.result < 0 else done]


@mutant("pooled/13")
class PoolsComeFirst(Port):
    """Has no eye for a buffer where there is a pool."""

    def begin(self, call: Call) -> int:
        if call.values.get("pool") is not None:
            call.values["buffer"] = None
        return super().begin(call)


@mutant("pooled/13", "error/14")
class ReceivesNothingIntoNothing(Port):
    """Takes no buffer and no pool for a buffer of no length."""

    def begin(self, call: Call) -> int:
        if call.method == "recv" and call.values["buffer"] is call.values["pool"] is None:
            return self.settle(call, 0)
        return super().begin(call)


@mutant("pooled/14")
class MakesDoWithLess(ExamplePort):
    """Makes the largest pool that it can where a larger one is asked for."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        return super().buffer_pool(min(count, 32768), min(size, 2**31 - 1))


@mutant("pooled/14")
class CountsInSixteenBits(ExamplePort):
    """Has a short for the number of buffers, as the kernel has."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        whole = type(count) is int and count > 0
        return super().buffer_pool(count & 0xFFFF or count if whole else count, size)


class _Handle(Pool):
    """A pool that a weak reference can watch, and the pool that receives really use."""

    inner: Pool


@mutant("pooled/15")
class LeavesPoolsToTheCaller(Pooled):
    """Has a bare pointer to the pool: what arrives after the caller has forgotten it, nobody gets."""

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        made = _Handle(self._watcher, count, size)
        made.inner = Pool(self._watcher, count, size)
        return made

    def begin(self, call: Call) -> int:
        pool = call.values.get("pool")
        if isinstance(pool, _Handle):
            call.note = weakref.ref(pool)
            call.values["pool"] = pool.inner
        return super().begin(call)

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done] if call.note() is not None else []


@mutant("pooled/16", "pooled/21")
class LosesArrivalsBeyondTheBatch(ExamplePort):
    """Takes all that arrived, and returns as much as was asked for."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(64, *arguments, **named)
        beyond = [done for done in batch[max_completions:] if done.kind is not Kind.RECV]
        return batch[:max_completions] + beyond


@mutant("pooled/32")
class JoinsDatagrams(Pooled):
    """Joins what came at the same time."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(*arguments, **named)
        joined: list[Completion] = []
        for done in batch + super().wait(1, 0):
            if joined and done.more and joined[-1].more and done.token is joined[-1].token:
                both = memoryview(bytearray(joined[-1].value) + bytearray(done.value))
                done = joined.pop()._replace(result=len(both), value=both)
            joined.append(done)
        return joined


@mutant("pooled/33")
class CutsOffInSilence(Pooled):
    """Gives as much of a datagram as fits, and nobody a hint."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags & ~CompletionFlags.TRUNCATED)]


@mutant("pooled/33")
class CuttingOffIsTheEnd(Pooled):
    """Says EMSGSIZE of a datagram that did not fit."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        if done.flags & CompletionFlags.TRUNCATED:
            return [done._replace(result=-errno.EMSGSIZE, flags=CompletionFlags.NONE, value=None)]
        return [done]


@mutant("pooled/34")
class EmptyArrivalsAreTheEnd(Pooled):
    """Takes no bytes for no more bytes."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done if done.result else done._replace(flags=EOF, value=None)]


@mutant("pooled/34")
class EmptyArrivalsAreNothing(Pooled):
    """Has no completion where there are no bytes."""

    def arrived(self, done: Completion, call: Call) -> list[Completion]:
        return [done] if done.result else []


@mutant("pooled/35")
class GoesOnAfterErrors(Pooled):
    """Clears an error of the socket, and tries again."""

    def over(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.result == -errno.ECONNREFUSED else [done]
