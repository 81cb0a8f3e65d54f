"""The rules in somebody's own pytest run: ids, outcomes, options, and nothing for who has no rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Python = Callable[..., Any]
PLACE = "staged_backends"


@pytest.fixture
def run_pytest(python: Python) -> Python:
    """Runs ``pytest --pyargs staged_rules ...``."""

    def run(*arguments: str) -> Any:
        return python("-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "staged_rules", *arguments)

    return run


def test_ids_and_outcomes(run_pytest: Python) -> None:
    done = run_pytest(f"--compl-backend={PLACE}:good", "-v", "-rs")
    assert done.status == 0, done.out
    assert "::mail/1[good] PASSED" in done.out
    assert "::mail/3[good-2] PASSED" in done.out
    assert "::later/1[good] SKIPPED" in done.out
    assert "future: since contract 1.1" in done.out
    assert "host: no machine has one; build one" in done.out
    assert "n/a: does not declare MULTI_WAITER" in done.out


def test_failure(run_pytest: Python) -> None:
    done = run_pytest(f"--compl-backend={PLACE}:wrong", "--compl-seed=5")
    assert done.status == 1
    assert "Expected  a completion with key=7" in done.out
    assert "seed 5" in done.out


def test_several_backends(run_pytest: Python) -> None:
    done = run_pytest(f"--compl-backend={PLACE}:good", f"--compl-backend={PLACE}:modest", "-v", "--compl-rule=mail/1")
    assert "::mail/1[good] PASSED" in done.out
    assert "::mail/1[modest] PASSED" in done.out
    assert "2 passed" in done.out


@pytest.mark.parametrize(
    "selection", [["--compl-rule=mail/*"], ["-k", "mail/1 or mail/2 or test_several"], ["-k", "mail"]]
)
def test_selection(run_pytest: Python, selection: list[str]) -> None:
    done = run_pytest(f"--compl-backend={PLACE}:good", *selection)
    assert "5 passed" in done.out, done.out


def test_selection_by_id(python: Python) -> None:
    file = Path(__file__).parent / "stage" / "staged_rules" / "test_staged.py"
    done = python("-m", "pytest", "-p", "no:cacheprovider", f"{file}::mail/1[good]", f"--compl-backend={PLACE}:good")
    assert "1 passed" in done.out, done.out


def test_hang_is_a_failure(run_pytest: Python) -> None:
    done = run_pytest(f"--compl-backend={PLACE}:hanging", "--compl-timeout=2", "--compl-rule=clock/1")
    assert done.status == 1
    assert "Timeout" in done.out + done.err


def test_deviations_show_as_expected_failures(run_pytest: Python, tmp_path: Path) -> None:
    declared = '[tool.compl-conformance.deviations]\n"mail/1" = { reason = "keys are hard" }\n'
    (tmp_path / "pyproject.toml").write_text(declared)
    wrong = run_pytest(f"--compl-backend={PLACE}:wrong", "--compl-rule=mail/1", "-rx")
    assert wrong.status == 0, wrong.out
    assert "deviation: keys are hard" in wrong.out
    good = run_pytest(f"--compl-backend={PLACE}:good", "--compl-rule=mail/1")
    assert good.status == 1
    assert "remove the deviation" in good.out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--compl-backend=nope"], 4, "no backend 'nope' is installed"),
        ([f"--compl-backend={PLACE}:good", f"--compl-require={PLACE}:absent"], 4, "required backend absent: no such"),
        ([f"--compl-backend={PLACE}:absent"], 5, "no rule ran on absent"),
        ([f"--compl-backend={PLACE}:good", "--compl-rule=nothing/1"], 5, "no rule ran on good"),
        ([f"--compl-backend={PLACE}:good", "--compl-contract=soon"], 4, "'soon' is no contract version"),
    ],
)
def test_refused(run_pytest: Python, arguments: list[str], status: int, says: str) -> None:
    done = run_pytest(*arguments)
    assert done.status == status, done.out + done.err
    assert says in done.out + done.err


def test_unknown_deviation(run_pytest: Python, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[tool.compl-conformance.deviations]\n"mail/99" = { reason = "none" }\n')
    done = run_pytest(f"--compl-backend={PLACE}:good", "--compl-deviations=other.toml")
    assert done.status == 4
    assert "no rule 'mail/99'" in done.out + done.err


def test_without_rules_it_does_nothing(python: Python, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine(request):\n    assert 'port' not in request.fixturenames\n")
    (tmp_path / "pyproject.toml").write_text("[tool.compl-conformance]\nnonsense = 1\n")
    done = python("-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")
    assert done.status == 0, done.out
    assert "1 passed" in done.out
    assert "conformance: " not in done.out


def test_rules_of_ones_own_beside_plain_tests(python: Python, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from staged_rules.conftest import *\n")
    (tmp_path / "test_mine.py").write_text(
        "from compl_conformance.rule import rule\n"
        "@rule('mine/1')\n"
        "def test_port(port):\n"
        "    '''A port counts.'''\n"
        "    assert port.statistics()['posted'] == 1\n"
        "def test_plain():\n"
        "    pass\n"
    )
    done = python("-m", "pytest", "-p", "no:cacheprovider", f"--compl-backend={PLACE}:good", "-v")
    assert "::mine/1[good] FAILED" in done.out
    assert "::test_plain PASSED" in done.out
    assert "assert 0 == 1" in done.out, "assertions are explained"
