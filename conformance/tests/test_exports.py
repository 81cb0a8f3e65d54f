"""What a run leaves behind: JSON, JUnit, pictures, badge, step summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Command = Callable[..., Any]
PLACE = "staged_backends"
Mixed = tuple[Any, Path]


def test_json(mixed: Mixed) -> None:
    report = mixed[0].report
    assert report["schema"] == 1
    assert (report["exit"], report["seed"], report["strict"]) == (1, 1, False)
    assert {"system", "release", "machine", "python"} <= set(report["host"])
    assert report["rules"]["mail/1"]["requirement"] == "A post comes back with its key."
    assert report["backends"]["good"]["capabilities"] == ["TIMEOUT"]
    assert report["backends"]["good"]["details"] == {"staged": "yes"}
    assert report["backends"]["absent"]["available"] is False
    assert report["backends"]["absent"]["reason"] == "no such kernel"
    assert report["backends"]["good"]["rules"]["mail/1"]["ms"] > 0
    assert list(report["backends"]["good"]["rules"]) == list(report["rules"])


def test_junit(mixed: Mixed) -> None:
    done, directory = mixed
    root = ElementTree.parse(directory / "r.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert suites.keys() == done.report["backends"].keys()
    assert suites["wrong"].get("failures") == "1"
    failure = suites["wrong"].find("testcase[@name='mail/1']/failure")
    assert failure is not None
    assert "expected a completion with key=7" in failure.get("message", "")
    assert suites["absent"].get("skipped") == suites["absent"].get("tests")
    assert suites["afterlife"].get("errors") == "1"


def test_pictures(mixed: Mixed) -> None:
    _, directory = mixed
    svg = (directory / "r.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "afterlife" in svg
    html = (directory / "r.html").read_text(encoding="utf-8")
    assert "mail/3" in html
    assert "A post comes back with its key." in html


def test_step_summary(mixed: Mixed) -> None:
    _, directory = mixed
    summary = (directory / "summary.md").read_text(encoding="utf-8")
    assert "| area | good | wrong | modest | absent | afterlife |" in summary
    assert "| mail | 3/3 | **2/3 FAIL** | 3/3 | host | 3/3 |" in summary
    assert "`compl-conformance staged_backends:wrong mail/1" in summary


@pytest.mark.parametrize(
    ("backend", "rule", "message", "color"),
    [
        ("good", "mail/*", "conformant 3/3", "brightgreen"),
        ("wrong", "mail/*", "not conformant 2/3", "red"),
        ("absent", "mail/*", "not judged", "lightgrey"),
    ],
)
def test_badge(command: Command, tmp_path: Path, backend: str, rule: str, message: str, color: str) -> None:
    command(f"{PLACE}:{backend}", rule, "--badge=r.badge")
    badge = json.loads((tmp_path / "r.badge").read_text(encoding="utf-8"))
    assert badge == {"schemaVersion": 1, "label": "compl 1.0", "message": message, "color": color}


def test_badge_tells_deviations(command: Command, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.compl-conformance.deviations]\n"mail/1" = { reason = "hard" }\n')
    command(f"{PLACE}:wrong", "mail/*", "--badge=r.badge")
    assert json.loads((tmp_path / "r.badge").read_text(encoding="utf-8"))["message"] == "2/3, deviations 1"


def test_matrix_on_the_terminal(mixed: Mixed) -> None:
    done, _ = mixed
    assert done.status == 1
    lines = [line.split() for line in done.out.splitlines()]
    assert ["mail", "3/3", "2/3", "FAIL", "3/3", "host", "3/3"] in lines
    assert ["clock", "1/1", "1/1", "n/a", "host", "1/1"] in lines
    assert "no such kernel; boot another" in done.out
