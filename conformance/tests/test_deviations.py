"""Declared deviations: strict, explained, about rules that exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_conformance.deviations import Deviations, load
from compl_conformance.verdict import UsageError

Command = Callable[..., Any]
PLACE = "staged_backends"


def _declare(directory: Path, entries: str, name: str = "pyproject.toml") -> Path:
    file = directory / name
    file.write_text(f"[tool.compl-conformance.deviations]\n{entries}\n", encoding="utf-8")
    return file


def test_declared_failure_is_a_deviation(command: Command, tmp_path: Path) -> None:
    _declare(tmp_path, '"mail/1" = { reason = "keys are hard", issue = "https://example.org/1" }')
    done = command(f"{PLACE}:wrong", "mail/*")
    assert done.status == 0, done.out
    assert done.judged("mail/1")["verdict"] == "deviation"
    assert done.judged("mail/1")["actual"] == "Completion(key=0x8, result=0, kind=POSTED)"
    assert "keys are hard (https://example.org/1)" in done.out


def test_one_that_passes_is_stale(command: Command, tmp_path: Path) -> None:
    _declare(tmp_path, '"mail/1" = { reason = "keys are hard" }')
    done = command(f"{PLACE}:good", "mail/1")
    assert (done.status, done.judged("mail/1")["verdict"]) == (1, "stale")
    assert "remove the deviation" in done.out


def test_several_judgements_are_stale_only_together(command: Command, tmp_path: Path) -> None:
    """A deviation that shows in one round is not stale in the others."""
    _declare(tmp_path, '"mail/3" = { reason = "counting is hard" }')
    assert command(f"{PLACE}:good", "mail/3").judged("mail/3")["verdict"] == "stale"
    assert command(f"{PLACE}:stubborn", "mail/3").judged("mail/3")["verdict"] == "deviation"


def test_crash_and_hang_can_be_declared(command: Command, tmp_path: Path) -> None:
    _declare(tmp_path, '"clock/1" = { reason = "it dies" }')
    for backend in ("exiting", "hanging"):
        done = command(f"{PLACE}:{backend}", "clock/1", "mail/1", "--timeout=5")
        assert done.status == 0, done.out
        assert done.judged("clock/1")["verdict"] == "deviation"


def test_limited_to_a_backend(command: Command, tmp_path: Path) -> None:
    _declare(tmp_path, '"mail/1" = { reason = "keys are hard", backend = "wrong" }')
    done = command(f"{PLACE}:good", f"{PLACE}:wrong", "mail/1")
    assert done.status == 0, done.out
    assert done.judged("mail/1", "good")["verdict"] == "pass"


def test_other_file(command: Command, tmp_path: Path) -> None:
    _declare(tmp_path, '"mail/1" = { reason = "keys are hard" }', "other.toml")
    assert command(f"{PLACE}:wrong", "mail/1").status == 1
    done = command(f"{PLACE}:wrong", "mail/1", "--deviations=other.toml")
    assert done.status == 0
    assert command(f"{PLACE}:good", "mail/1", "--deviations=other.toml").out.count("--deviations=other.toml") == 1


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ('"mail/99" = { reason = "none" }', "no rule 'mail/99'"),
        ('"mail/99" = { reason = "none", when = "os_name == \'nowhere\'" }', "no rule 'mail/99'"),
        ('"mail/1" = { issue = "https://example.org" }', "mail/1: has no reason"),
        ('"mail/1" = { reason = "  " }', "mail/1: has no reason"),
        ('"mail/1" = "because"', "is to be a table"),
        ('"mail/1" = { reason = "x", whem = "y" }', "unknown 'whem'"),
        ('"mail/1" = { reason = "x", when = "tuesday" }', "is not an environment marker"),
        ('"mail/1" = { reason = "x", when = 3 }', "are to be strings"),
        ('"mail/1" = { reason = "x", backend = 3 }', "a name or a list of names"),
        ("[tool.compl-conformance]\nrequire = []", "knows no 'require'"),
        ("= nonsense", "not TOML"),
    ],
)
def test_refused(command: Command, tmp_path: Path, entries: str, says: str) -> None:
    if entries.startswith("[tool"):
        (tmp_path / "pyproject.toml").write_text(entries)
    else:
        _declare(tmp_path, entries)
    done = command(f"{PLACE}:good", "mail/1")
    assert done.status == 2, done.out
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("python_version >= '3.11'", True),
        ("sys_platform == 'nowhere'", False),
        ("platform_release >= '0.1'", True),
        ("platform_release < '0.1'", False),
    ],
)
def test_when(tmp_path: Path, when: str, holds: bool) -> None:
    file = _declare(tmp_path, f'"mail/1" = {{ reason = "x", when = "{when}" }}')
    assert (load(file).find("mail/1", "good") is not None) is holds


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --deviations a readable TOML file"):
        load(tmp_path / "missing.toml")


def test_none_declared(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(tmp_path / "pyproject.toml").find("mail/1", "good") is None
    Deviations().check(())
