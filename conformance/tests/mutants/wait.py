"""wait: its numbers, its clock, its list; nops, ids and counters."""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Mapping
from typing import Any

from compl_core import Completion
from compl_example import ExamplePort
from mutants.fault import mutant


class _Timing(ExamplePort):
    """Hands wait another timeout than it was given."""

    def seconds(self, timeout: float) -> float | None:
        raise NotImplementedError

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        number = isinstance(timeout, (int, float)) and not math.isnan(timeout) and not math.isinf(timeout)
        given = self.seconds(timeout) if timeout is not None and number else timeout
        return super().wait(max_completions, given, min_completions=min_completions)


@mutant(hangs=("wait/1",))
class BlocksAtZero(_Timing):
    """Asks ``if timeout`` where ``is not None`` is meant."""

    def seconds(self, timeout: float) -> float | None:
        return timeout or None


@mutant("wait/2", "wait/14", "wait/17", "wait/18", "threads/5", "signals/1", "signals/2", "signals/10")
class ReturnsEarly(_Timing):
    """Goes by a coarse clock that is behind the caller's."""

    def seconds(self, timeout: float) -> float | None:
        return timeout * 0.5


@mutant("wait/3", "wait/4", "capability/18")
class RoundsSubMsToZero(_Timing):
    """Converts to whole milliseconds by ``int()``, for epoll_wait()."""

    def seconds(self, timeout: float) -> float | None:
        return 0 if 0 < timeout < 0.001 else timeout


@mutant("wait/4", "capability/18")
class RoundsUpToMilliseconds(_Timing):
    """Declares SUB_MS_TIMEOUT, and rounds up to whole milliseconds."""

    def seconds(self, timeout: float) -> float | None:
        return math.ceil(timeout * 1000) / 1000 if 0 < timeout < 1e6 else timeout


@mutant("wait/12")
class WrapsFarTimeouts(_Timing):
    """Keeps milliseconds in a 32-bit int."""

    def seconds(self, timeout: float) -> float | None:
        return int(timeout * 1000) % (1 << 32) / 1000 if timeout >= 1 << 31 else timeout


@mutant("wait/11")
class WaitsForEverIfNegative(_Timing):
    """Takes a negative timeout as poll() does."""

    def seconds(self, timeout: float) -> float | None:
        return 0 if timeout < 0 else timeout


@mutant("wait/6", "wait/12", "wait/13", "signals/3")
class HasALongestWait(ExamplePort):
    """Ends a wait without a timeout after a while, to be on the safe side."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        endless = timeout is None or timeout == math.inf or (isinstance(timeout, (int, float)) and timeout > 10)
        return super().wait(max_completions, 0.01 if endless else timeout, min_completions=min_completions)


@mutant("wait/1")
class ReturnsTuples(ExamplePort):
    """Returns a tuple."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        return tuple(super().wait(*arguments, **named))  # type: ignore[return-value]


@mutant("wait/5", alone=True)
class Spins(ExamplePort):
    """Asks again and again until the time is over."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        start = time.monotonic()
        while True:
            batch = super().wait(max_completions, 0, min_completions=min_completions)
            if batch or (timeout is not None and time.monotonic() - start >= timeout):
                return batch


@mutant("wait/7", "wait/9", "wait/27", "post/9")
class LingersToFillTheBatch(ExamplePort):
    """Waits a second for more when the batch is not full."""

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        batch = super().wait(max_completions, timeout, **least)
        if batch and timeout != 0 and len(batch) < max_completions + (max_completions == 1):
            time.sleep(1)
        return batch


@mutant("wait/8", "threads/2", "capability/17")
class IgnoresMaxCompletions(ExamplePort):
    """Returns all there is, however few were asked for."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        return super().wait(100_000 if max_completions in range(1, 100_000) else max_completions, *arguments, **named)


@mutant("wait/8", "post/7")
class PutsTheRestBehind(ExamplePort):
    """Puts what does not fit at the end of the queue again."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(max_completions + 1 if max_completions > 0 else max_completions, *arguments, **named)
        for done in batch[max_completions:]:
            self.post(done.key, done.result, done.token)
        return batch[:max_completions]


@mutant("wait/9", "limits/3")
class ReturnsSixteenAtMost(ExamplePort):
    """Has an array for sixteen events on its stack."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        return super().wait(min(max_completions, 16), *arguments, **named)


@mutant("wait/10")
class WaitsForNothing(ExamplePort):
    """Has no objection to a batch of no completions."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        return [] if max_completions == 0 else super().wait(max_completions, *arguments, **named)


@mutant("wait/10")
class CapsMinAtMax(ExamplePort):
    """Puts a min_completions right that cannot be reached."""

    def wait(self, most: int = 64, timeout: float | None = None, *, min_completions: int = 1) -> list[Completion]:
        return super().wait(most, timeout, min_completions=min(min_completions, most) if most > 0 else 1)


@mutant("wait/11")
class TakesBeforeItChecks(ExamplePort):
    """Looks at its timeout only when it has to block."""

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        return super().wait(max_completions, 0, **least) or super().wait(max_completions, timeout, **least)


@mutant("wait/13", "wait/14", "signals/5", "signals/14")
class IgnoresMinCompletions(ExamplePort):
    """Returns as soon as there is anything."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        return super().wait(max_completions, timeout)


@mutant("wait/14")
class ReturnsNothingBelowMin(ExamplePort):
    """Returns an empty list when its time is over before there are enough."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        batch = super().wait(max_completions, timeout, min_completions=min_completions)
        return batch if len(batch) >= min_completions else []


@mutant("wait/15")
class TakesMinByPosition(ExamplePort):
    """Takes all three numbers by position."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, min_completions: int = 1
    ) -> list[Completion]:
        return super().wait(max_completions, timeout, min_completions=min_completions)


@mutant("wait/16")
class ReusesItsList(ExamplePort):
    """Fills the same list each time, to save memory."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: list[Completion] = []

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.batch[:] = super().wait(*arguments, **named)
        return self.batch


class _Disturbed(ExamplePort):
    """Notices calls of other threads while it waits."""

    calls = 0

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        before, start = self.calls, time.monotonic()
        while True:
            left = 0.002 if timeout is None else min(0.002, max(0.0, timeout - (time.monotonic() - start)))
            batch = super().wait(max_completions, left, min_completions=min_completions)
            if batch or self.calls != before or left == 0:
                return batch


@mutant("wait/17")
class AnyCallEndsAWait(_Disturbed):
    """Wakes the waiter for every call, which then takes its time to be over."""

    def statistics(self) -> Mapping[str, int]:
        self.calls += 1
        return super().statistics()


@mutant("wait/18")
class ARegistrationEndsAWait(_Disturbed):
    """Wakes the waiter for every change of the files, which then takes its time to be over."""

    def register(self, *arguments: Any, **named: Any) -> None:
        self.calls += 1
        super().register(*arguments, **named)


@mutant("wait/19", "wait/22", "limits/1", "lifecycle/14", "threads/8")
class NopsDoNothing(ExamplePort):
    """Has a nop complete in the call that submits it, and tells nobody."""

    def nop(self, token: object = None) -> int:
        return self._ledger.number()


@mutant("wait/19", "wait/20")
class GivesIdsAsStrings(ExamplePort):
    """Has ids that are no ints."""

    def nop(self, token: object = None) -> int:
        return str(super().nop(token))  # type: ignore[return-value]


@mutant("wait/20", "file/24", "socket/27", "socket/48", "socket/63", "datagram/24", "teardown/33", "file/47")
class SubmitForgetsTheToken(ExamplePort):
    """Starts an operation given as data without its token."""

    def submit(self, operation: Any, *, token: object = None) -> int:
        return operation.start(self)  # type: ignore[no-any-return]


@mutant("wait/21", "cancel/8", "limits/1")
class ReusesIds(ExamplePort):
    """Has the index of a slot for an id, without a generation."""

    def nop(self, token: object = None) -> int:
        return super().nop(token) % 512


@mutant("wait/22", "error/9")
class CountsWhatRuns(ExamplePort):
    """Takes an operation off in_flight when it is finished, not when it is returned."""

    @property
    def in_flight(self) -> int:
        return sum(not pending.finished for pending in self._ledger.in_flight.values())


@mutant("wait/22", "wait/24", "register/41", "error/9", "cancel/1", "threads/7")
class NeverCountsDown(ExamplePort):
    """Counts what is submitted as in flight, and takes nothing off."""

    @property
    def in_flight(self) -> int:
        return self._ledger.submitted

    def statistics(self) -> Mapping[str, int]:
        return {**super().statistics(), "in_flight": self.in_flight}


@mutant("wait/23")
class FlushCountsAllEver(ExamplePort):
    """Has flush return how many operations were ever handed over."""

    def flush(self) -> int:
        super().flush()
        return self._ledger.submitted


@mutant("wait/23")
class FlushTakesCompletions(ExamplePort):
    """Has flush throw away what is finished."""

    def flush(self) -> int:
        self.wait(1, 0)
        return super().flush()


@mutant("wait/24")
class LacksACounter(ExamplePort):
    """Does not count what helper threads do."""

    def statistics(self) -> Mapping[str, int]:
        found = dict(super().statistics())
        del found["via_thread"]
        return found


@mutant("limits/12")
class CountsIn16Bits(ExamplePort):
    """Has counters that wrap round."""

    def statistics(self) -> Mapping[str, int]:
        return {name: count & 0x3FFF for name, count in super().statistics().items()}


class _Doorbell(ExamplePort):
    """Has a descriptor of its own for others to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.outside = socket.socketpair()
        self.inside.setblocking(False)

    def fileno(self) -> int:
        self._check("fileno")
        return self.inside.fileno()

    def ring(self) -> None:
        self.outside.send(b"\0")

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(*arguments, **named)
        if not self._ledger.ready and select.select([self.inside], [], [], 0)[0]:
            self.inside.recv(1000)
        return batch

    def close(self) -> None:
        super().close()
        self.inside.close()
        self.outside.close()


@mutant("wait/32", "wait/33", "wait/34", "wait/35")
class PostsRingAlone(_Doorbell):
    """Makes its descriptor readable for packets, and not for what else finishes."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token)
        self.ring()


@mutant("wait/31", "wait/36", "wait/37", "capability/19")
class PostsDoNotRing(_Doorbell):
    """Makes its descriptor readable for operations, and not for packets."""

    def nop(self, token: object = None) -> int:
        started = super().nop(token)
        self.ring()
        return started


@mutant("wait/31", "wait/37")
class StaysReadable(_Doorbell):
    """Never takes the byte out again that made its descriptor readable."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token)
        self.ring()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        return ExamplePort.wait(self, *arguments, **named)
