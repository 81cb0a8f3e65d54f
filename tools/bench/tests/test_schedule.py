"""Turns, absence and failure, with rows whose samples are not processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.process import SampleFailed
from bench.row import Case, Implementation, Metric, Row
from bench.schedule import Settings, run_row, samples_of

SETTINGS = Settings(rounds=3, patience=0)


def observe(command: Sequence[str], parameters: Mapping[str, object]) -> Mapping[str, float]:
    if command[-1] == "fails" and parameters["which"] == 2:
        raise SampleFailed("no luck")
    return {"cpu": 1.0}


def row(*implementations: Implementation) -> Row:
    return Row(
        name="row",
        title="",
        description="",
        cases=(Case("one", {"which": 1}), Case("two", {"which": 2})),
        metrics=(Metric("cpu", "CPU", "ns"),),
        implementations=implementations,
        observe=observe,
    )


def ignore(number: int, case: str, implementation: str) -> None:
    """Progress that nobody watches."""


def test_every_implementation_is_first_once() -> None:
    steps: list[tuple[int, str, str]] = []
    three = row(*(Implementation(name, print) for name in "ABC"))
    run_row(three, SETTINGS, lambda number, case, name: steps.append((number, case, name)))
    order = ["".join(name for at, case, name in steps if (at, case) == (number, "one")) for number in range(3)]
    assert order == ["ABC", "BCA", "CAB"]
    assert len(steps) == samples_of(three, SETTINGS)


def test_an_absent_one_is_named_with_its_reason_and_the_others_run() -> None:
    result = run_row(row(Implementation("A", print), Implementation("B", print, ("no_such_peer",))), SETTINGS, ignore)
    assert result.absent == {"B": "no_such_peer: not installed"}
    assert {sample.implementation for sample in result.samples} == {"A"}


def test_a_failure_is_kept_with_its_case_and_not_tried_again() -> None:
    result = run_row(row(Implementation("fails", print)), SETTINGS, ignore)
    assert result.failed == {"fails": {"two": "no luck"}}
    assert [sample.case for sample in result.samples] == ["one"] * 3


def test_an_implementation_takes_part_in_its_cases_only() -> None:
    result = run_row(row(Implementation("A", print, cases=frozenset({"two"}))), SETTINGS, ignore)
    assert {sample.case for sample in result.samples} == {"two"}
