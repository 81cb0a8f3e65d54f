"""The rules are tested: each mutant is killed by the rules that it names, and no rule is without a killer.

Most of the time is spent waiting for what mutants have lost, so there are more workers than processors.
"""

# mypy: disable-error-code="unreachable"

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compl_conformance.rule import catalogue
from compl_conformance.verdict import Verdict

if sys.platform != "linux":
    pytest.skip("the mutants are made of what only Linux has: fork, epoll, /dev/full", allow_module_level=True)
pytest.importorskip("compl_example", reason="the mutants are made of the example backend; install that, too")

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # the mutants are no distribution

import mutants  # noqa: E402
from mutants.fault import Mutant  # noqa: E402

MUTANTS = mutants.everyone()
PAIRS = [pytest.param(mutant, rule, id=f"{name}-{rule}") for name, mutant in MUTANTS.items() for rule in mutant.kills]
WORKERS = min(16, 4 * (os.cpu_count() or 2))
#: Some faults show only when two threads meet, some rules about time need a quiet moment.
TRIES = 3

Answer = dict[str, dict[str, Any]]


class Workers:
    """Processes that put rules to ports, each one port after the other."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)
        self._second_tries = ThreadPoolExecutor(2)  # a test waits for them: they do not stand in line
        self._mine = threading.local()
        self._processes: list[subprocess.Popen[str]] = []
        self._answers: dict[tuple[str, str], Future[Answer]] = {}

    def submit(self, spec: str, rules: list[str], *, impatient: bool) -> None:
        """Have the port at ``spec`` judged by these rules; the last time is what counts."""
        pool = self._second_tries if (spec, rules[0]) in self._answers else self._pool
        future = pool.submit(self._ask, {"spec": spec, "rules": rules, "impatient": impatient})
        self._answers.update({(spec, rule): future for rule in rules})

    def judgement(self, spec: str, rule: str) -> dict[str, Any]:
        """What came of it: ``verdict``, ``expected``, ``actual`` and so on."""
        answer = self._answers[spec, rule].result()
        assert rule in answer, f"{spec} could not be judged: {answer}"
        return answer[rule]

    def close(self) -> None:
        pools = (self._pool, self._second_tries)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()  # idle, unless the session was cut short
            with process:
                pass
        for pool in pools:
            pool.shutdown()

    def _ask(self, job: dict[str, Any]) -> Answer:
        if not hasattr(self._mine, "process"):
            self._mine.process = self._start()
        process: subprocess.Popen[str] = self._mine.process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer: Answer = json.loads(process.stdout.readline())
        return answer

    def _start(self) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COMPL_"))}
        environment = {**kept, "PYTHONPATH": str(HERE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "mutants.trial"]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        return process


@pytest.fixture(scope="session")
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Judges all that this session asks for, in the order in which it asks."""
    chosen: dict[str, list[str]] = {}
    alone: set[str] = set()
    unmutated: dict[str, set[str]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == test_killed.__name__:
            mutant: Any = item.callspec.params["mutant"]
            rule: Any = item.callspec.params["rule"]
            chosen.setdefault(mutant.spec, []).append(rule)
            unmutated.setdefault(mutant.control, set()).add(rule)
            alone |= {mutant.spec} if mutant.alone else set()
    with contextlib.closing(Workers()) as made:
        for spec in alone:
            asked = chosen.pop(spec)
            made.submit(spec, asked, impatient=True)
            made.judgement(spec, asked[0])
        for spec, rules in unmutated.items():
            for some in _chunks(sorted(rules), 25):
                made.submit(spec, some, impatient=False)
        for spec, asked in chosen.items():
            made.submit(spec, asked, impatient=True)
        yield made


def _chunks(rules: list[str], size: int) -> Iterable[list[str]]:
    return (rules[start : start + size] for start in range(0, len(rules), size))


@pytest.mark.parametrize(("mutant", "rule"), PAIRS)
def test_killed(workers: Workers, mutant: Mutant, rule: str) -> None:
    """The rule fails on the mutant, by its own judgement, and passes on the port that the mutant was made of."""
    for _ in range(TRIES):
        sound = workers.judgement(mutant.control, rule)
        if sound["verdict"] != Verdict.FAIL:
            break
        workers.submit(mutant.control, [rule], impatient=False)
    if sound["verdict"] == Verdict.HOST:
        pytest.skip(sound["reason"])
    assert sound["verdict"] in (Verdict.PASS, Verdict.NOT_APPLICABLE), f"{rule} fails on the unmutated port: {sound}"
    for _ in range(TRIES):
        judged = workers.judgement(mutant.spec, rule)
        ended = judged["actual"].startswith(("hung", "crashed"))
        if judged["verdict"] == Verdict.FAIL and (not ended or rule in mutant.hangs):
            return
        workers.submit(mutant.spec, [rule], impatient=True)
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if mutant.alone and load > processors:
        pytest.skip(f"{mutant.name} shows where a processor is free; the load is {load:.1f} on {processors}")
    assert judged["verdict"] == Verdict.FAIL, f"{mutant.name} survives {rule}.  {mutant.fault}"
    pytest.fail(f"{rule} does not notice it by itself, it {judged['actual']}\n{judged['detail']}")


def test_every_rule_has_a_killer() -> None:
    killed = {rule for mutant in MUTANTS.values() for rule in mutant.kills}
    rules = catalogue()
    assert not rules.keys() - killed, "a rule that fails on no mutant may be a rule that cannot fail"
    assert not killed - rules.keys(), "there are no such rules"


def test_every_mutant_has_a_fault_of_its_own() -> None:
    faults = [mutant.fault for mutant in MUTANTS.values()]
    assert len(set(faults)) == len(faults), "two mutants say the same of themselves"
    assert all(mutant.kills for mutant in MUTANTS.values())
