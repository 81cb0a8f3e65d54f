"""The records that a distribution exports."""

from __future__ import annotations

import dataclasses

import pytest

from compl_core import GROUP, Backend, Capability, Probe


def test_the_entry_point_group_is_part_of_the_contract() -> None:
    assert GROUP == "compl.backends"


@pytest.mark.parametrize(("reason", "fix"), [("", ""), ("why", ""), ("", "what")])
def test_a_refusal_says_why_and_what_to_do(reason: str, fix: str) -> None:
    with pytest.raises(ValueError, match="says why"):
        Probe(False, reason=reason, fix=fix)


def test_a_probe_that_says_yes_needs_no_words() -> None:
    probe = Probe(True, Capability.CANCEL)
    assert (probe.reason, probe.fix, dict(probe.details)) == ("", "", {})


def test_probes_do_not_share_their_details() -> None:
    assert Probe(True).details is not Probe(True).details


def test_records_are_frozen() -> None:
    probe = Probe(True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        probe.available = False  # type: ignore[misc]


def test_the_fields_of_a_backend_are_the_contract() -> None:
    names = [field.name for field in dataclasses.fields(Backend)]
    assert names == ["name", "contract", "capabilities", "probe", "open"]
    assert [field.name for field in dataclasses.fields(Probe)] == [
        "available",
        "capabilities",
        "reason",
        "fix",
        "details",
    ]
