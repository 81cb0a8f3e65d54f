"""The end of a test run: nothing that failed, and nothing that did not run, may look like success."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from summary import summarize

_PASSED = '<testcase classname="tests.test_a" name="test_one"/>'
_FAILED = '<testcase classname="tests.test_a" name="test_two"><failure message="no"/></testcase>'
_BROKEN = '<testcase classname="tests.test_a" name="test_three"><error message="no"/></testcase>'
_SKIPPED = (
    '<testcase classname="tests.test_a" name="test_four"><skipped message="the kernel has no such call"/></testcase>'
)


class Run:
    """A tox run, as its files tell it."""

    def __init__(self, folder: Path) -> None:
        self._results = folder / "tox.json"
        self._reports = folder / "reports"
        self._reports.mkdir()
        self._environments: dict[str, Any] = {}

    def environment(self, name: str, *failed: str, skipped: bool = False, setup: str = "") -> None:
        said = [{"err": setup, "retcode": 0, "command": ["uv", "venv"]}] if setup else []
        test = [{"err": "", "retcode": 1, "command": command.split()} for command in failed]
        result = {"success": not failed, "skipped": skipped, "duration": 1.0}
        self._environments[name] = {"result": result, "setup": said, "test": test}

    def report(self, name: str, *cases: str) -> None:
        text = f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        (self._reports / f"{name}.xml").write_text(text)

    def end(self) -> tuple[list[str], bool]:
        self._results.write_text(json.dumps({"testenvs": self._environments}))
        text, well = summarize(self._results, self._reports)
        return text.splitlines(), well


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_every_report_of_an_environment_counts(run: Run) -> None:
    run.environment("py312-epoll")
    run.environment("py312-core")
    run.report("py312-epoll", _PASSED, _SKIPPED)
    run.report("py312-epoll-judged", _PASSED, _PASSED)
    run.report("py312-core", _PASSED)
    lines, well = run.end()
    assert well
    assert lines[-1].strip("= ") == "4 passed, 1 skipped"
    assert "  py312-epoll: tests.test_a::test_four: the kernel has no such call" in lines


def test_a_rule_that_is_not_applicable_was_not_skipped(run: Run) -> None:
    run.environment("py312-conformance")
    run.report("py312-conformance-judged", _PASSED, _SKIPPED, _SKIPPED.replace("the kernel", "n/a: the kernel"))
    lines, well = run.end()
    assert well
    assert "1 rules were not applicable (n/a)." in lines
    assert lines[-1].strip("= ") == "1 passed, 1 skipped"


def test_a_failed_test_is_named(run: Run) -> None:
    run.environment("py312-core", "pytest tests")
    run.report("py312-core", _PASSED, _FAILED, _BROKEN)
    lines, well = run.end()
    assert not well
    assert lines[-1].strip("= ") == "2 failed, 1 passed"
    assert "  py312-core: tests.test_a::test_two" in lines
    assert "  py312-core: tests.test_a::test_three" in lines


def test_an_environment_without_tests_is_one(run: Run) -> None:
    run.environment("lint")
    run.environment("mypy", "mypy src", "mypy tests")
    lines, well = run.end()
    assert not well
    assert lines[-1].strip("= ") == "2 failed, 1 passed"
    assert "  mypy: exit code 1 of mypy src" in lines
    assert "  mypy: exit code 1 of mypy tests" in lines


def test_a_failure_behind_good_tests_is_one(run: Run) -> None:
    run.environment("py312-epoll", "python tools/layouts.py")
    run.report("py312-epoll", _PASSED)
    lines, well = run.end()
    assert not well
    assert lines[-1].strip("= ") == "1 failed, 1 passed"


def test_a_missing_python_is_a_skip_with_its_reason(run: Run) -> None:
    run.environment("lint")
    run.environment("py399-core", skipped=True, setup="error: No interpreter found for Python 3.99\nmore")
    run.environment("py312-epoll", skipped=True)
    lines, well = run.end()
    assert well
    assert lines[-1].strip("= ") == "1 passed, 2 skipped"
    assert "  py399-core: No interpreter found for Python 3.99" in lines
    assert "  py312-epoll: not for this platform (tox.ini)" in lines


def test_one_reason_is_said_once(run: Run) -> None:
    for name in ("py311-core", "py312-core", "py313-core"):
        run.environment(name)
        run.report(name, _PASSED, _SKIPPED)
    lines, _ = run.end()
    told = [line for line in lines if "no such call" in line]
    assert told == ["  py311-core: tests.test_a::test_four and 2 more: the kernel has no such call"]


@pytest.mark.parametrize("skipped", [True, False], ids=["all skipped", "no environment"])
def test_nothing_ran(run: Run, skipped: bool) -> None:
    if skipped:
        run.environment("py399-core", skipped=True)
    lines, well = run.end()
    assert not well
    assert any(line.startswith("Nothing ran") for line in lines)


def test_tox_did_not_get_as_far_as_its_results(tmp_path: Path) -> None:
    text, well = summarize(tmp_path / "absent.json", tmp_path)
    assert not well
    assert text.splitlines()[-1].strip("= ") == "no tests ran"
