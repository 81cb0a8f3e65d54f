"""Timing a loop: CPU of the whole process and wall clock, per operation."""

from __future__ import annotations

import time
from collections.abc import Callable


def timed(rounds: Callable[[int], None], operations_per_round: float, seconds: float) -> dict[str, float]:
    """Run ``rounds(count)`` for about ``seconds``, after finding a fitting count, which warms up as well.

    CPU is CLOCK_PROCESS_CPUTIME_ID: all threads of the process, in the kernel too.
    """
    count, spent = 1, 0.0
    while spent < seconds / 8:
        count *= 2
        started = time.perf_counter()
        rounds(count)
        spent = time.perf_counter() - started
    count = max(1, int(count * seconds / spent))
    cpu, wall = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID), time.perf_counter_ns()
    rounds(count)
    wall, cpu = time.perf_counter_ns() - wall, time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID) - cpu
    operations = count * operations_per_round
    return {"cpu": cpu / operations, "wall": wall / operations, "operations": operations}
