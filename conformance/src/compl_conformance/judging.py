"""pytest's hooks around each test that is a rule: what happens in it becomes a verdict."""

from __future__ import annotations

import faulthandler
import traceback
from collections.abc import Generator
from typing import IO, Final

import pytest

from compl_conformance.case import UNCAUGHT, Case, Terms
from compl_conformance.events import END, START, EventWriter
from compl_conformance.fixtures import SEED
from compl_conformance.rule import rule_of
from compl_conformance.targets import Target
from compl_conformance.verdict import Judgement

#: Fixtures that draw from the seed.
RANDOM: Final = frozenset({"rng"})


class Judge:
    """Runs the cases.  With ``stacks``, a file, a rule that hangs ends the process and leaves its stacks there."""

    def __init__(self, terms: Terms, events: EventWriter | None, stacks: IO[str] | None) -> None:
        self._terms = terms
        self._events = events
        self._stacks = stacks
        self._case: Case | None = None
        #: How many rules were put to each backend.
        self.ran: dict[str, int] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        rule = rule_of(getattr(item, "function", None))
        if rule is None:
            return (yield)
        target: Target = item.callspec.params["compl_target"]  # type: ignore[attr-defined]
        limit = rule.timeout * self._terms.time_scale
        self._case = Case(rule, target, self._terms)
        if self._events:
            self._events.write(START, rule=rule.id, limit=limit)
        if self._stacks:
            faulthandler.dump_traceback_later(limit, exit=True, file=self._stacks)
        try:
            return (yield)
        finally:
            if self._stacks:
                faulthandler.cancel_dump_traceback_later()
            judgement, self._case = self._case.judgement, None
            if judgement:  # None when the session is interrupted
                self.ran[target.name] = self.ran.get(target.name, 0) + judgement.verdict.ran
                if self._events:
                    self._events.judged(judgement)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if self._case:
            self._case.settle()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        case = self._case
        if case is None:
            return (yield)
        error = call.excinfo.value if call.excinfo else None
        judgement = case.failed(error) if error is not None else None
        if judgement and call.excinfo and not judgement.verdict.counted:
            # A skip, as pytest has it: representing an exception takes longer than most rules do.
            skip = pytest.skip.Exception(judgement.reason).with_traceback(call.excinfo.tb)
            call.excinfo = pytest.ExceptionInfo.from_exception(skip)
        report = yield
        if error is not None and judgement:
            if judgement.verdict.counted:
                if RANDOM & set(getattr(item, "fixturenames", ())):
                    report.sections.append(("compl-conformance", f"seed {item.config.stash[SEED]}"))
                case.attach(_detail(report, error))
            _show(report, judgement, item)
        elif call.when == "teardown" and not case.verdict:
            judgement = case.passed()
            if judgement.verdict.failed:
                _show(report, judgement, item)
        return report

    def pytest_sessionfinish(self) -> None:
        if self._events:
            self._events.write(END)


def _show(report: pytest.TestReport, judgement: Judgement, item: pytest.Item) -> None:
    """Make pytest's own report say what the verdict says."""
    verdict = judgement.verdict
    if verdict.failed:
        if report.outcome != "failed":  # it passed or skipped, which is what is wrong
            report.longrepr = f"{judgement.rule}: Expected {judgement.expected}; Actual {judgement.actual}"
        report.outcome = "failed"
        return
    report.outcome = "skipped"
    if verdict.counted:
        report.wasxfail = f"{verdict}: {judgement.reason}"
    else:
        path, line, _ = item.location
        report.longrepr = (path, (line or 0) + 1, f"{verdict}: {judgement.reason}")


def _detail(report: pytest.TestReport, error: BaseException) -> str:
    if isinstance(error, UNCAUGHT) and error.__cause__:  # the rest of the traceback is pytest's own
        return "".join(traceback.format_exception(error.__cause__))
    return "\n".join([report.longreprtext, *(f"-- {name}\n{text}" for name, text in report.sections)])
