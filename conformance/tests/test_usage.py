"""Options and names, right and wrong: one clear line and the promised exit code, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from compl_conformance import __version__

Command = Callable[..., Any]
PLACE = "staged_backends"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nope"], 2, "no backend 'nope' is installed"),
        (["referense"], 2, "did you mean reference?"),
        ([f"{PLACE}:good", "mail/99"], 2, "no rule 'mail/99'; did you mean mail/"),
        ([f"{PLACE}:good", "nowhere/*"], 2, "no rule 'nowhere/*'"),
        ([f"{PLACE}:nothing_there"], 2, "nothing_there"),
        (["no_such_module:backend"], 2, "No module named 'no_such_module'"),
        ([f"{PLACE}:good", "--contract=soon"], 2, "'soon' is no contract version"),
        ([f"{PLACE}:good", "--html=no/such/directory.html"], 2, "there is no directory"),
        ([f"{PLACE}:good", "--scenarios=no_such_package"], 2, "no_such_package"),
        ([f"{PLACE}:good", "--deviations=missing.toml"], 2, "missing.toml"),
        ([f"{PLACE}:good", "--repeat=0"], 2, "--repeat"),
        (["--require=nope", f"{PLACE}:good"], 3, "required backend 'nope' is not installed"),
    ],
)
def test_refused(command: Command, arguments: list[str], status: int, says: str) -> None:
    done = command(*arguments)
    assert done.status == status, done.err
    assert says in done.err
    assert "Traceback" not in done.out + done.err
    assert not done.report


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("absent", "no such kernel; boot another"),
        ("no_backend", "is no compl_core.Backend"),
        ("probe_raises", "a probe that raises"),
    ],
)
def test_named_but_not_on_this_host(command: Command, backend: str, says: str) -> None:
    done = command(f"{PLACE}:{backend}", f"{PLACE}:good", "mail/1")
    assert done.status == 3, done.out
    assert says in done.out
    assert done.judged("mail/1", "good")["verdict"] == "pass"


def test_required_beside_named(command: Command) -> None:
    assert command(f"{PLACE}:good", f"--require={PLACE}:modest", "mail/1").status == 0
    done = command(f"{PLACE}:good", f"--require={PLACE}:modest,{PLACE}:absent", "mail/1")
    assert done.status == 3
    assert set(done.report["backends"]) == {"good", "modest", "absent"}
    assert "NOTHING RAN: absent" in done.out


def test_nothing_ran(command: Command) -> None:
    done = command(f"{PLACE}:good", "machine/1")
    assert done.status == 3
    assert "NOTHING RAN: good" in done.out


def test_version(python: Command) -> None:
    assert __version__ in python("-m", "compl_conformance", "--version").out


def test_list(command: Command) -> None:
    done = command("--list")
    assert done.status == 0
    assert set(done.report["rules"]) >= {"mail/1", "clock/1"}
    assert done.report["rules"]["clock/1"]["needs"] == ["TIMEOUT"]
    assert done.report["rules"]["clock/1"]["rationale"] == "The paragraph after the first is the rationale."


def test_list_for_people(python: Command) -> None:
    done = python("-m", "compl_conformance", "--scenarios=staged_rules", "--list", "mail/*")
    assert "A post comes back with its key." in done.out
    assert "clock/1" not in done.out


def test_explain(command: Command) -> None:
    done = command("--explain", "mail/1")
    assert done.status == 0
    for said in ("A post comes back with its key.", "Keys are how a caller", "MUST", "test_staged.py"):
        assert said in done.out
    assert command("--explain", "mail/99").status == 2


def test_json_on_stdout(python: Command) -> None:
    """A later --json wins; the report goes to stderr then."""
    done = python("-m", "compl_conformance", "--scenarios=staged_rules", f"{PLACE}:good", "mail/1", "--json=-")
    assert json.loads(done.out)["backends"]["good"]["conformant"]
    assert "conformant: good" in done.err


def test_a_broken_suite_is_nobodys_fault(command: Command) -> None:
    done = command(f"{PLACE}:good", "--scenarios=broken_rules")
    assert done.status == 4
    assert "THE SUITE BROKE" in done.out
    assert "this conftest does not import" in done.out


def test_colliding_ids_break_the_suite(command: Command) -> None:
    done = command(f"{PLACE}:good", "--scenarios=colliding_rules")
    assert done.status == 4
    assert "rule mail/1 is already defined by" in done.err
    assert "Traceback" not in done.err


def test_real_catalogue_is_complete(python: Command) -> None:
    done = python("-m", "compl_conformance", "--list", "--json=-")
    assert done.status == 0, done.err
    rules = json.loads(done.out)["rules"]
    assert len(rules) > 100
