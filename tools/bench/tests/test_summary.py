"""Medians, paired ratios and verdicts, on samples made by hand."""

from __future__ import annotations

import dataclasses

import pytest

from bench.record import RowRecord, Sample
from bench.row import Case, Goal, Implementation, Metric, Row
from bench.summary import measured, number, outcomes, paired


def record(*samples: tuple[int, str, float, float]) -> RowRecord:
    """Round, implementation, value, noise."""
    return RowRecord([Sample(round, 0, "case", name, {"cpu": value}, noise) for round, name, value, noise in samples])


def row(goal: float, *, more_is_better: bool = False) -> Row:
    return Row(
        name="row",
        title="",
        description="",
        cases=(Case("case", {}),),
        metrics=(Metric("cpu", "CPU", "ns", more_is_better),),
        implementations=(Implementation("peer", print), Implementation("ours", print, ours=True)),
        goals=(Goal("ours", "peer", "cpu", ("case",), goal),),
    )


def test_a_ratio_is_taken_within_the_round_before_the_median() -> None:
    # Each round is as slow as its number says: the ratio of the medians would be 2 / 20, the paired one is 0.5.
    samples = record((0, "ours", 1, 0), (0, "peer", 2, 0), (1, "ours", 10, 0), (1, "peer", 20, 0), (2, "ours", 2, 0))
    found = paired(samples, "case", "ours", "peer", "cpu")
    assert found is not None
    assert (found.median, found.least, found.greatest) == (0.5, 0.5, 0.5)


def test_disturbed_samples_are_left_out_while_three_quiet_ones_remain() -> None:
    quiet = [(number, "ours", 10.0, 0.0) for number in range(3)]
    found = measured(record(*quiet, (3, "ours", 99.0, 1.5)), "case", "ours", "cpu")
    assert found is not None
    assert (found.greatest, found.noisy) == (10.0, False)


def test_disturbed_samples_are_kept_and_marked_when_fewer_remain() -> None:
    found = measured(record((0, "ours", 10, 0), (1, "ours", 12, 0), (2, "ours", 99, 1.5)), "case", "ours", "cpu")
    assert found is not None
    assert (found.median, found.greatest, found.noisy) == (12, 99, True)


@pytest.mark.parametrize(("more_is_better", "met"), [(False, True), (True, False)])
def test_a_goal_is_an_upper_bound_unless_more_is_better(more_is_better: bool, met: bool) -> None:
    samples = record((0, "ours", 80, 0), (0, "peer", 100, 0))
    (outcome,) = outcomes(row(0.9, more_is_better=more_is_better), samples)
    assert outcome.met is met


def test_what_must_not_grow_is_compared_with_itself_in_another_case() -> None:
    samples = [
        Sample(round, 0, case, "ours", {"cpu": value}, 0.0)
        for round, case, value in ((0, "small", 10.0), (0, "large", 11.0), (1, "small", 20.0), (1, "large", 22.0))
    ]
    goals = (Goal("ours", "ours", "cpu", ("large",), 1.05, peer_case="small"),)
    (outcome,) = outcomes(dataclasses.replace(row(1.0), goals=goals), RowRecord(samples))
    assert outcome.ratio is not None
    assert outcome.ratio.median == pytest.approx(1.1)
    assert outcome.met is False


def test_a_missing_side_is_neither_met_nor_missed() -> None:
    (outcome,) = outcomes(row(0.9), record((0, "peer", 100, 0)))
    assert (outcome.ratio, outcome.met) == (None, None)


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.0, "0"), (7.0, "7")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
