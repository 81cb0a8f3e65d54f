"""Numbers for people: medians, spreads, and ratios that are taken within a round before the median."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from bench.machine import QUIET
from bench.record import RowRecord
from bench.row import Goal, Row


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    least: float
    greatest: float
    #: Too few quiet samples: the disturbed ones are in as well.
    noisy: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A goal in one case: the paired ratio, None if one side is missing."""

    goal: Goal
    case: str
    ratio: Spread | None
    met: bool | None


def spread(values: Sequence[float], *, noisy: bool) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values), noisy) if values else None


def by_round(record: RowRecord, case: str, implementation: str, metric: str) -> dict[int, tuple[float, bool]]:
    """Value and quietness of each round's sample."""
    return {
        each.round: (each.values[metric], each.noise < QUIET)
        for each in record.samples
        if each.case == case and each.implementation == implementation and metric in each.values
    }


def preferring_quiet(values: Sequence[tuple[float, bool]]) -> Spread | None:
    """Only the undisturbed values, if they are at least three or all there are."""
    quiet = [value for value, undisturbed in values if undisturbed]
    if len(quiet) >= min(3, len(values)):
        return spread(quiet, noisy=False)
    return spread([value for value, _ in values], noisy=True)


def measured(record: RowRecord, case: str, implementation: str, metric: str) -> Spread | None:
    return preferring_quiet(list(by_round(record, case, implementation, metric).values()))


def paired(
    record: RowRecord, case: str, ours: str, peer: str, metric: str, peer_case: str | None = None
) -> Spread | None:
    """The ratio ours / peer of each round, which cancels what disturbed that round as a whole."""
    left, right = by_round(record, case, ours, metric), by_round(record, peer_case or case, peer, metric)
    ratios = [
        (left[number][0] / right[number][0], left[number][1] and right[number][1])
        for number in sorted(left.keys() & right.keys())
        if right[number][0]
    ]
    return preferring_quiet(ratios)


def outcomes(row: Row, record: RowRecord) -> list[Outcome]:
    found = []
    for goal in row.goals:
        for case in goal.cases:
            ratio = paired(record, case, goal.ours, goal.peer, goal.metric, goal.peer_case)
            found.append(Outcome(goal, case, ratio, None if ratio is None else meets(row, goal, ratio.median)))
    return found


def meets(row: Row, goal: Goal, ratio: float) -> bool:
    return ratio >= goal.ratio if row.metric(goal.metric).more_is_better else ratio <= goal.ratio


def number(value: float) -> str:
    """Three significant digits or whole numbers, with thousands separated."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 100 else f"{ratio:.0f}x"
