"""Backends that take the process with them, or never come back: the rule is named, the rest goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_conformance import process
from compl_conformance.child import Settings, Trial, Watcher
from compl_conformance.deviations import Deviations
from compl_conformance.results import BackendResult
from compl_conformance.rule import Level, Rule
from compl_conformance.targets import Candidate
from compl_core import Capability

Command = Callable[..., Any]
PLACE = "staged_backends"


@pytest.mark.skipif(sys.platform == "win32", reason="abort() is no signal on Windows")
def test_crash_is_blamed_on_the_rule(command: Command) -> None:
    done = command(f"{PLACE}:aborting")
    assert done.status == 1
    assert done.judged("clock/1")["actual"] == "crashed: SIGABRT"
    assert "in timeout" in done.judged("clock/1")["detail"], "the stacks are kept"
    assert len(done.report["backends"]["aborting"]["rules"]) == len(done.report["rules"]), "the others have a verdict"
    assert done.judged("luck/1")["verdict"] == "pass", "also those after it"


def test_exit_in_a_rule(command: Command) -> None:
    done = command(f"{PLACE}:exiting", "clock/1", "mail/1")
    assert done.status == 1
    assert done.judged("clock/1")["actual"] == "the process ended with status 7"
    assert done.judged("mail/1")["verdict"] == "pass"


def test_hang_ends_with_stacks(command: Command) -> None:
    done = command(f"{PLACE}:hanging", "clock/1", "luck/1", "--timeout=5")
    assert done.status == 1
    judged = done.judged("clock/1")
    assert judged["actual"].startswith("hung: no end within")
    assert "in timeout" in judged["detail"]
    assert done.judged("luck/1")["verdict"] == "pass"


def test_limit_scales(command: Command) -> None:
    """The rule's own limit of 2 s is 1 s with --timeout=5 and 20 s with --timeout=100; the backend takes 1.5 s."""
    assert command(f"{PLACE}:slow", "clock/1", "--timeout=100").status == 0
    assert command(f"{PLACE}:slow", "clock/1", "--timeout=5").status == 1


def test_gives_up_after_three_restarts(command: Command) -> None:
    done = command(f"{PLACE}:always_aborting")
    assert done.status == 1
    rules = done.report["backends"]["always-aborting"]["rules"]
    assert sum(judged.get("actual", "").startswith("crashed") for judged in rules.values()) == 4
    assert "not judged: the process died 4 times" in {judged.get("actual") for judged in rules.values()}
    assert set(rules) == set(done.report["rules"])


def test_crash_on_import(command: Command) -> None:
    done = command("aborts_on_import:backend", f"{PLACE}:good")
    assert done.status == 1
    assert "while it was imported and probed" in done.report["backends"]["aborts_on_import:backend"]["broken"]
    assert done.report["backends"]["good"]["conformant"]


def test_crash_at_exit(command: Command) -> None:
    done = command(f"{PLACE}:afterlife", "mail/1")
    assert done.status == 1
    assert done.judged("mail/1")["verdict"] == "pass"
    assert "after its last rule" in done.report["backends"]["afterlife"]["broken"]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BackendResult]:
    """Judges a backend by mail/1 from inside, with a parent that loses its patience after 5 s instead of a minute."""
    stage = Path(__file__).parent / "stage"
    monkeypatch.setenv("PYTHONPATH", str(stage))
    monkeypatch.setattr(process, "STARTUP", 5.0)
    rule = Rule("mail/1", "It comes.", "", Level.MUST, "1.0", Capability.NONE, None, 10.0, "a:b", "", 1)
    settings = Settings(stage / "staged_rules", (), Deviations())

    def judge(spec: str) -> BackendResult:
        return Trial(Candidate(spec, spec), {rule.id: rule}, settings, Watcher()).run()

    return judge


def test_hang_on_import(judged: Callable[[str], BackendResult]) -> None:
    result = judged("hangs_on_import:backend")
    assert result.broken == "hung: no end within 5 s while it was imported and probed"
    assert not result.judgements


def test_hang_at_exit(judged: Callable[[str], BackendResult]) -> None:
    result = judged(f"{PLACE}:lingering")
    assert result.broken == "hung: no end within 5 s after its last rule"
    assert result.judgements["mail/1"].verdict == "pass"
    assert not result.conformant
