"""Every verdict, from outside: the command on backends that are good or bad in one way each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]
PLACE = "staged_backends"


def test_conformant(command: Command) -> None:
    done = command(f"{PLACE}:good")
    assert done.status == 0, done.out
    assert "conformant: good" in done.out
    verdicts = {rule: judged["verdict"] for rule, judged in done.report["backends"]["good"]["rules"].items()}
    assert verdicts == {
        "mail/1": "pass",
        "mail/2": "pass",
        "mail/3": "pass",
        "clock/1": "pass",
        "clock/2": "n/a",
        "later/1": "future",
        "machine/1": "host",
        "machine/2": "pass",
        "luck/1": "pass",
    }
    assert done.judged("later/1")["reason"] == "since contract 1.1, judged by 1.0"
    assert done.judged("machine/1")["reason"] == "no machine has one; build one"


def test_failure_says_both_sides_and_the_command(command: Command) -> None:
    done = command(f"{PLACE}:wrong", "mail/*")
    assert done.status == 1
    judged = done.judged("mail/1")
    assert judged["verdict"] == "FAIL"
    assert judged["expected"] == "a completion with key=7"
    assert judged["actual"] == "Completion(key=0x8, result=0, kind=POSTED)"
    assert "A post comes back with its key." in done.out
    assert "compl-conformance staged_backends:wrong mail/1 -v --seed=1 --scenarios=staged_rules" in done.out
    assert "NOT CONFORMANT: wrong" in done.out


def test_traceback_only_if_verbose(command: Command) -> None:
    assert "test_staged.py" not in command(f"{PLACE}:wrong", "mail/1").out
    verbose = command(f"{PLACE}:wrong", "mail/1", "-v").out
    assert "test_staged.py" in verbose
    assert "FAIL      mail/1" in verbose


def test_should_is_advice_unless_strict(command: Command) -> None:
    lax = command(f"{PLACE}:lax", "mail/2")
    assert (lax.status, lax.judged("mail/2")["verdict"]) == (0, "advice")
    strict = command(f"{PLACE}:lax", "mail/2", "--strict")
    assert (strict.status, strict.judged("mail/2")["verdict"]) == (1, "FAIL")
    assert "--strict" in strict.out


@pytest.mark.parametrize("strict", [False, True])
def test_capabilities(command: Command, strict: bool) -> None:
    backends = ("modest", "secretive", "rude", "boasting")
    done = command(*(f"{PLACE}:{name}" for name in backends), "clock/1", *(["--strict"] if strict else []))
    modest, secretive, rude, boasting = (done.judged("clock/1", name) for name in backends)
    assert done.status == 1
    assert (modest["verdict"], modest["reason"]) == ("n/a", "timeout() refused: TIMEOUT")
    refusal = "NotSupported naming TIMEOUT, which the port does not declare"
    if strict:
        assert (secretive["verdict"], secretive["expected"]) == ("FAIL", refusal)
    else:
        assert (secretive["verdict"], secretive["reason"]) == ("n/a", "TIMEOUT is not declared, and works")
    assert (rude["verdict"], rude["expected"]) == ("FAIL", refusal)
    assert (boasting["verdict"], boasting["expected"]) == ("FAIL", "A timeout completes.")


def test_close_belongs_to_the_rule(command: Command) -> None:
    causes = {
        "grumbling": "2 operations leaked",
        "stubborn": "will not close",
        "littering": "ValueError: in a finaliser",
    }
    done = command(*(f"{PLACE}:{name}" for name in causes), "mail/1")
    assert done.status == 1
    for name, cause in causes.items():
        assert cause in done.judged("mail/1", name)["actual"]


def test_a_rule_does_not_skip_itself(command: Command) -> None:
    done = command(f"{PLACE}:skipping", "machine/2")
    assert done.status == 1
    assert "it skips itself: because I can" in done.judged("machine/2")["actual"]


def test_contract_gates_rules(command: Command) -> None:
    assert command(f"{PLACE}:newer", "later/1").judged("later/1")["verdict"] == "pass"
    assert command(f"{PLACE}:good", "later/1", "--contract=latest").judged("later/1")["verdict"] == "pass"
    nothing = command(f"{PLACE}:newer", "later/1", "--contract=1.0")
    assert (nothing.status, nothing.judged("later/1")["verdict"]) == (3, "future")


def test_seed_decides_and_is_told(command: Command) -> None:
    drawn = [command(f"{PLACE}:wrong", "luck/1", f"--seed={seed}") for seed in (5, 5, 6)]
    first, again, other = (done.judged("luck/1")["actual"] for done in drawn)
    assert first == again != other
    assert "--seed=5" in drawn[0].out
    assert "seed 5" in drawn[0].judged("luck/1")["detail"]


def test_repeat_draws_anew_each_time(command: Command) -> None:
    done = command(f"{PLACE}:wrong", "luck/1", "--repeat=3", "-v")
    assert done.out.count("FAIL      luck/1") == 3
    actual = [line.split()[-1] for line in done.out.splitlines() if line.strip().startswith("Actual")]
    assert len(actual) == 1, "three judgements make one"


def test_several_backends(command: Command) -> None:
    done = command(f"{PLACE}:good", f"{PLACE}:wrong", f"{PLACE}:modest", "mail/1")
    assert done.status == 1
    conformant = {name: backend["conformant"] for name, backend in done.report["backends"].items()}
    assert conformant == {"good": True, "wrong": False, "modest": True}
