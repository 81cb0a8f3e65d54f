"""One rule on one backend while it runs, and the verdict that comes of it."""

from __future__ import annotations

import dataclasses
import time
from typing import Final

import pytest

from compl_conformance.deviations import Deviations
from compl_conformance.expect import ExpectationFailed, show
from compl_conformance.rule import Level, Rule
from compl_conformance.sources import HostLacks
from compl_conformance.targets import Target
from compl_conformance.verdict import Judgement, Verdict, combine
from compl_core import METHODS, NotSupported

#: What pytest makes of an exception in a finaliser or a thread; its cause is the exception.
UNCAUGHT: Final = (pytest.PytestUnraisableExceptionWarning, pytest.PytestUnhandledThreadExceptionWarning)

_RELATED: Final = 8  # exceptions followed from one to its cause or its group's members


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """What a session judges by."""

    strict: bool
    #: The contract version that rules may be as new as; None: the one that the backend states.
    contract: tuple[int, ...] | None
    #: All limits in relation to the rules' own.
    time_scale: float
    deviations: Deviations


class Settled(Exception):
    """The verdict is known before the scenario runs."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason


class Case:
    """One rule on one backend while it runs."""

    def __init__(self, rule: Rule, target: Target, terms: Terms) -> None:
        self.rule = rule
        self.target = target
        self._terms = terms
        self._started = time.monotonic()
        self._judgements: list[Judgement] = []
        #: What the rule needs and the port does not declare.
        self.undeclared = rule.needs & ~target.capabilities

    def settle(self) -> None:
        """Raise Settled when there is nothing to run."""
        if not self.target.available:
            raise Settled(Verdict.HOST, self.target.why_not)
        judged = self._terms.contract or version(self.target.contract)
        if version(self.rule.since) > judged:
            raise Settled(Verdict.FUTURE, f"since contract {self.rule.since}, judged by {'.'.join(map(str, judged))}")
        if self.undeclared and not any(capability in METHODS for capability in self.undeclared):
            raise Settled(Verdict.NOT_APPLICABLE, f"does not declare {self._missing}, which no call needs")

    @property
    def verdict(self) -> Verdict | None:
        """The worst of what was judged so far."""
        return combine(self._judgements).verdict if self._judgements else None

    @property
    def judgement(self) -> Judgement | None:
        """The worst of what was judged so far, with the time since the start."""
        if not self._judgements:
            return None
        return dataclasses.replace(combine(self._judgements), seconds=time.monotonic() - self._started)

    def failed(self, error: BaseException) -> Judgement:
        """Judge an exception that came out of a phase."""
        related = _related(error)
        settled = next((one for one in related if isinstance(one, Settled)), None)
        lacks = next((one for one in related if isinstance(one, HostLacks)), None)
        refusal = next((one for one in related if isinstance(one, NotSupported)), None)
        if settled:
            return self._add(settled.verdict, reason=settled.reason)
        if lacks:
            return self._add(Verdict.HOST, reason=str(lacks))
        if self.undeclared and refusal and refusal.capability & ~self.target.capabilities:
            return self._add(Verdict.NOT_APPLICABLE, reason=f"{refusal.method}() refused: {refusal.capability.name}")
        if isinstance(error, UNCAUGHT):
            expected = "no exception where nobody can catch it: in a finaliser, in a thread of its own"
            actual = show(error.__cause__ or error)
        elif self.undeclared:
            expected, actual = f"NotSupported naming {self._missing}, which the port does not declare", show(error)
        elif isinstance(error, ExpectationFailed):
            expected, actual = error.expected, error.actual
        elif isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
            expected, actual = "a scenario that runs, or host_lacks()", f"it skips itself: {error}"
        elif isinstance(error, AssertionError):
            expected, actual = self.rule.requirement, str(error) or "an assertion failed"
        else:
            expected, actual = self.rule.requirement, show(error)
        return self._not_kept(expected, actual)

    def passed(self) -> Judgement:
        """Judge a rule that came through all its phases."""
        if self.undeclared and self._terms.strict:
            return self._not_kept(f"NotSupported naming {self._missing}, which the port does not declare", "it works")
        if self.undeclared:
            return self._add(Verdict.NOT_APPLICABLE, reason=f"{self._missing} is not declared, and works")
        deviation = self._terms.deviations.find(self.rule.id, self.target.name)
        if deviation:
            expected = f"the deviation that is declared: {deviation}"
            return self._add(Verdict.STALE, expected, "the rule is kept; remove the deviation")
        return self._add(Verdict.PASS)

    @property
    def _missing(self) -> str:
        return str(self.undeclared.name)

    def _not_kept(self, expected: str, actual: str) -> Judgement:
        deviation = self._terms.deviations.find(self.rule.id, self.target.name)
        if deviation:
            return self._add(Verdict.DEVIATION, expected, actual, str(deviation))
        if self.rule.level is Level.SHOULD and not self._terms.strict:
            return self._add(Verdict.ADVICE, expected, actual, "a SHOULD; --strict insists")
        return self._add(Verdict.FAIL, expected, actual)

    def attach(self, detail: str) -> None:
        """Keep a traceback with the last judgement."""
        self._judgements[-1] = dataclasses.replace(self._judgements[-1], detail=detail)

    def _add(self, verdict: Verdict, expected: str = "", actual: str = "", reason: str = "") -> Judgement:
        made = Judgement(self.rule.id, verdict, 0.0, expected, actual, reason)
        self._judgements.append(made)
        return made


def version(text: str) -> tuple[int, ...]:
    """``1.10`` as numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def _related(error: BaseException) -> list[BaseException]:
    """The exception, the members of groups, and what each was raised from."""
    found: list[BaseException] = []
    pending = [error]
    while pending and len(found) < _RELATED:
        one = pending.pop(0)
        found.append(one)
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        if one.__cause__ is not None:
            pending.append(one.__cause__)
    return found
