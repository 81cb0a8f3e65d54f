"""timeout, the operation: when it is over, and who hears of it."""

from __future__ import annotations

import math
from typing import Any

from compl_core import Completion, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port


@mutant("wait/25", "capability/14")
class TimersAreEarly(ExamplePort):
    """Rounds to a tick of ten milliseconds, downwards."""

    def timeout(self, seconds: float, token: object = None) -> int:
        early = isinstance(seconds, float) and 0.01 <= seconds < 1000
        return super().timeout(seconds - 0.005 if early else seconds, token)


@mutant("wait/26", "cancel/30")
class TimersInTheOrderOfSubmission(Port):
    """Has one queue for all timers, whatever their times."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0.0

    def timeout(self, seconds: float, token: object = None) -> int:
        self.longest = max(self.longest, seconds) + 0.001
        return ExamplePort.timeout(self, self.longest, token)


@mutant("wait/27")
class LooksAtTimersWhenItBlocks(Port):
    """Forgets its timers in a wait that does not block."""

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        self.blocks = timeout != 0
        return super().wait(max_completions, timeout, **least)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is not Kind.TIMEOUT or self.blocks:
            return [done]
        ExamplePort.timeout(self, 0, call)
        return []


@mutant("wait/28")
class ANewTimerDoesNotWake(Port):
    """Works out when to wake as a wait begins, and takes no note of a timer that comes later."""

    def timeout(self, seconds: float, token: object = None) -> int:
        return ExamplePort.timeout(self, seconds if not self.waiting else math.inf, token)


@mutant("wait/29")
class TakesNegativeTimeouts(ExamplePort):
    """Takes a time in the past for now."""

    def timeout(self, seconds: float, token: object = None) -> int:
        return super().timeout(0 if isinstance(seconds, (int, float)) and seconds < 0 else seconds, token)


@mutant("wait/29", "error/14")
class CountsCallsThatRaise(ExamplePort):
    """Takes a slot before it looks at its arguments."""

    calls = 0

    def timeout(self, seconds: float, token: object = None) -> int:
        self.calls += 1
        started = super().timeout(seconds, token)
        self.calls -= 1
        return started

    def recv(self, *arguments: Any, **named: Any) -> int:
        self.calls += 1
        started = super().recv(*arguments, **named)
        self.calls -= 1
        return started

    @property
    def in_flight(self) -> int:
        return super().in_flight + self.calls


@mutant("wait/30")
class WrapsFarTimers(ExamplePort):
    """Hands milliseconds to the clock as a 32-bit int."""

    def timeout(self, seconds: float, token: object = None) -> int:
        far = isinstance(seconds, (int, float)) and 1 << 21 < seconds < 1e300
        return super().timeout(int(seconds * 1000) % (1 << 32) / 1000 if far else seconds, token)


@mutant(hangs=("wait/30",))
class CloseWaitsForTimers(ExamplePort):
    """Lets its timers run out before it closes."""

    def close(self) -> None:
        while not self.closed and self.in_flight:
            self.wait(1, 0.01)
        super().close()


@mutant("limits/5")
class HasRoomForAThousandTimers(Port):
    """Overwrites the oldest slot of its timer wheel when that is full."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[Call] = []

    def begin(self, call: Call) -> int:
        self.timers = [*self.timers[-999:], call]
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done] if call in self.timers else []


@mutant("cancel/30")
class CancelsTheEarliestTimer(Port):
    """Takes the first timer out of the heap, whichever is to be cancelled."""

    def cancel(self, operation_id: int) -> bool:
        found = self._ledger.in_flight.get(operation_id)
        if found is None or found.kind is not Kind.TIMEOUT or found.finished:
            return super().cancel(operation_id)
        alarm = self._clock._alarms[0]
        return super().cancel(
            next(id for id, one in self._ledger.in_flight.items() if getattr(one, "alarm", 0) is alarm)
        )
