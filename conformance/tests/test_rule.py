"""The decorator and the catalogue."""

from __future__ import annotations

import pytest

from compl_conformance import rule as catalogue
from compl_conformance.rule import Level, rule, rule_of
from compl_core import Capability


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules that these tests make stay among themselves."""
    monkeypatch.setattr(catalogue, "RULES", {})


def test_everything_said() -> None:
    @rule(
        "some-area/12",
        needs=Capability.TIMEOUT,
        level=Level.SHOULD,
        since="1.3",
        proves=Capability.TIMEOUT,
        timeout=3,
        rationale="Because.",
    )
    def scenario() -> None:
        """The requirement, over
        two lines.

        Not the rationale, which is given.
        """

    made = rule_of(scenario)
    assert made is catalogue.RULES["some-area/12"]
    assert (made.area, made.number) == ("some-area", 12)
    assert made.requirement == "The requirement, over two lines."
    assert made.rationale == "Because."
    assert (made.level, made.since, made.timeout) == (Level.SHOULD, "1.3", 3.0)
    assert made.needs is made.proves is Capability.TIMEOUT
    assert made.scenario.startswith(f"{__name__}:")


def test_defaults() -> None:
    @rule("area/1")
    def scenario() -> None:
        """The requirement."""

    made = rule_of(scenario)
    assert made is not None
    assert (made.needs, made.level, made.since, made.proves) == (Capability.NONE, Level.MUST, "1.0", None)
    assert (made.timeout, made.rationale) == (10.0, "")


@pytest.mark.parametrize(
    "id", ["", "wait", "wait/", "wait/0", "wait/01", "Wait/1", "wait/1a", "wait/1/2", "wait_for/1"]
)
def test_malformed_id(id: str) -> None:
    with pytest.raises(ValueError, match="not of the form area/number"):
        rule(id)(lambda: None)


def test_no_docstring() -> None:
    def scenario() -> None:
        pass

    with pytest.raises(ValueError, match="area/1 has no docstring"):
        rule("area/1")(scenario)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_timeout_is_positive(timeout: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        rule("area/1", timeout=timeout)(lambda: None)


def test_version_is_one() -> None:
    with pytest.raises(ValueError, match="not a contract version"):
        rule("area/1", since="next")(lambda: None)


def test_duplicate_names_both() -> None:
    @rule("area/1")
    def one() -> None:
        """One."""

    def other() -> None:
        """Another."""

    with pytest.raises(ValueError, match=r"other: rule area/1 is already defined by .*one "):
        rule("area/1")(other)


def test_the_same_lines_again_are_no_duplicate() -> None:
    def scenario() -> None:
        """One."""

    rule("area/1")(scenario)
    rule("area/1")(scenario)


def test_not_a_rule() -> None:
    assert rule_of(None) is None
    assert rule_of(test_not_a_rule) is None


def test_proofs_are_of_capabilities_that_exist() -> None:
    proofs = catalogue.proofs("compl_conformance.rule")  # a module without scenarios
    assert set(proofs) == set(Capability)
    assert not any(proofs.values())
