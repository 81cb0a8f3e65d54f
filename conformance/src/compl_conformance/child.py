"""Judges one backend in child processes until every rule has a verdict.

Native code can crash and a wait can hang.  The child tells by a stream of events which rule runs; when it dies over
one, that rule fails, with the stacks that faulthandler left, and another child goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, Final

from compl_conformance import events
from compl_conformance.deviations import Deviations
from compl_conformance.process import Ending, run
from compl_conformance.results import BackendResult
from compl_conformance.rule import Rule
from compl_conformance.targets import Candidate
from compl_conformance.verdict import Judgement, Verdict, combine

#: Further children after one that died.
RESTARTS: Final = 3


class SuiteBroke(Exception):
    """A child ended in a way that no backend is to blame for; the message is what it printed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What every child is told."""

    #: The directory or file with the scenarios.
    scenarios: Path
    #: ``--compl-`` options, as they are written on the command line.
    options: tuple[str, ...]
    deviations: Deviations


class Watcher:
    """Hears how it goes; this one keeps silent."""

    def started(self, backend: str, rule: str) -> None:
        """The rule begins."""

    def judged(self, backend: str, judgement: Judgement) -> None:
        """A rule, or one round of it, has its verdict."""


class Trial:
    """One backend before the suite."""

    def __init__(self, candidate: Candidate, rules: dict[str, Rule], settings: Settings, watcher: Watcher) -> None:
        self.result = BackendResult(candidate.name, candidate.spec, candidate.distribution)
        self._candidate = candidate
        self._rules = rules
        self._settings = settings
        self._watcher = watcher
        self._judged: dict[str, list[Judgement]] = {}

    def run(self) -> BackendResult:
        """Judge all rules.  Raises SuiteBroke."""
        for _ in range(RESTARTS + 1):
            before = len(self._judged)
            with tempfile.TemporaryDirectory(prefix="compl-conformance-", ignore_cleanup_errors=True) as directory:
                ending = run(self._settings.scenarios, self._options(), Path(directory), self._on_event)
            if ending.running:
                self._died(ending)
            elif not self._at_rest(ending):
                self.result.detail = ending.stacks or ending.output
                if len(self._judged) == before:
                    break  # it would be no different next time
            if not self._remaining:
                break
        for id in self._remaining if not self.result.broken else ():
            self._judge(id, f"not judged: the process died {RESTARTS + 1} times")
        judged = {id: combine(self._judged[id]) for id in self._rules if id in self._judged}
        self.result.judgements = judged
        return self.result

    @property
    def _remaining(self) -> list[str]:
        return [id for id in self._rules if id not in self._judged]

    def _options(self) -> list[str]:
        rules = [f"--compl-rule={id}" for id in self._remaining]
        return [*self._settings.options, f"--compl-backend={self._candidate.spec}", *rules]

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case events.BACKEND:
                for field in ("name", "contract", "available", "missing", "reason", "fix", "capabilities", "details"):
                    setattr(self.result, field, event[field])
            case events.START:
                self._watcher.started(self.result.name, event["rule"])
            case events.JUDGED:
                self._add(events.judgement_of(event))

    def _died(self, ending: Ending) -> None:
        """The running rule is to blame."""
        rule = self._rules[ending.running]
        if "Timeout (" in ending.stacks and not ending.overstepped:  # the child's own watchdog ended it
            self._judge(rule.id, f"hung: no end within {ending.ran_for:.1f} s", ending.ran_for, ending.stacks)
        else:
            self._judge(rule.id, str(ending), ending.ran_for, ending.stacks or ending.output)

    def _at_rest(self, ending: Ending) -> bool:
        """Whether the child ended well; else no rule is to blame: the backend's import or exit is, or the suite."""
        if ending.orderly and not ending.finished:
            raise SuiteBroke(ending.output)
        if ending.finished and self._remaining:
            raise SuiteBroke(f"never collected: {', '.join(self._remaining)}\n{ending.output}")
        if ending.orderly:
            return True
        when = "after its last rule" if ending.finished else "between two rules"
        self.result.broken = f"{ending} {when if ending.probed else 'while it was imported and probed'}"
        return False

    def _judge(self, id: str, actual: str, seconds: float = 0.0, detail: str = "") -> None:
        deviation = self._settings.deviations.find(id, self.result.name)
        verdict, reason = (Verdict.DEVIATION, str(deviation)) if deviation else (Verdict.FAIL, "")
        requirement = self._rules[id].requirement
        self._add(Judgement(id, verdict, seconds, requirement, actual, reason, detail))

    def _add(self, judgement: Judgement) -> None:
        self._judged.setdefault(judgement.rule, []).append(judgement)
        self._watcher.judged(self.result.name, judgement)
