"""Runs the command and pytest in processes of their own, on the backends and rules of ``stage/``."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Backends and rules to be judged in subprocesses; no tests of this session.
collect_ignore = ["stage"]
STAGE = Path(__file__).parent / "stage"


@dataclasses.dataclass(frozen=True)
class Run:
    """A command that has ended."""

    status: int
    out: str
    err: str
    #: What ``--json`` wrote; empty if nothing.
    report: dict[str, Any]

    def judged(self, rule: str, backend: str | None = None) -> dict[str, Any]:
        """The JSON of one judgement; the backend may be left out if there is one only."""
        backends = self.report["backends"]
        (found,) = [entry for name, entry in backends.items() if backend in (None, name)]
        judgement: dict[str, Any] = found["rules"][rule]
        return judgement


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_", "COMPL_"))}
    return {**kept, "PYTHONPATH": str(STAGE), "COLUMNS": "200"}


def run_python(directory: Path, *arguments: str, **environment: str) -> Run:
    """Run ``python ...`` in a directory."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=_environment() | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    file = directory / "report.json"
    report = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return Run(done.returncode, done.stdout, done.stderr, report)


def run_command(directory: Path, *arguments: str, **environment: str) -> Run:
    """Run ``compl-conformance ...`` on the staged rules, in a directory."""
    staged = ("--scenarios=staged_rules", "--json=report.json", "--seed=1")
    return run_python(directory, "-m", "compl_conformance", *staged, *arguments, **environment)


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., Run]:
    """Runs ``python ...`` in an empty directory."""
    return functools.partial(run_python, tmp_path)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Run]:
    """Runs ``compl-conformance ...`` on the staged rules, in an empty directory."""
    return functools.partial(run_command, tmp_path)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run with something of everything and every kind of file, and where the files are."""
    directory = tmp_path_factory.mktemp("mixed")
    done = run_command(
        directory,
        *(f"staged_backends:{name}" for name in ("good", "wrong", "modest", "absent", "afterlife")),
        *("mail/*", "clock/*", "machine/1"),
        *("--html=r.html", "--svg=r.svg", "--junit=r.xml", "--badge=r.badge"),
        GITHUB_STEP_SUMMARY=str(directory / "summary.md"),
    )
    return done, directory
