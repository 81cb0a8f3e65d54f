"""What a run found out, as data: the report's text, files and exit code all come from here."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import sys
from typing import Any, Final

from compl_conformance import __version__
from compl_conformance.rule import Rule
from compl_conformance.verdict import Exit, Judgement, Verdict
from compl_core import CONTRACT

#: Of the JSON report; a change that a reader would trip over raises it.
SCHEMA: Final = 1


@dataclasses.dataclass(slots=True)
class BackendResult:
    """All about one backend."""

    name: str
    spec: str
    distribution: str
    #: Asked for by name or by ``--require``, not merely installed.
    required: bool = False
    contract: str = ""
    available: bool = False
    #: There is nothing at the path that was given.
    missing: bool = False
    reason: str = ""
    fix: str = ""
    capabilities: list[str] = dataclasses.field(default_factory=list)
    details: dict[str, str] = dataclasses.field(default_factory=dict)
    #: By rule, in the order of the catalogue.
    judgements: dict[str, Judgement] = dataclasses.field(default_factory=dict)
    #: What went wrong outside of any rule: a crash on import, a process that does not exit.
    broken: str = ""
    detail: str = ""

    @property
    def failures(self) -> list[Judgement]:
        return [judgement for judgement in self.judgements.values() if judgement.verdict.failed]

    @property
    def ran(self) -> int:
        """How many rules were put to it."""
        return sum(judgement.verdict.ran for judgement in self.judgements.values())

    @property
    def conformant(self) -> bool:
        return bool(self.ran) and not self.failures and not self.broken

    def count(self, verdict: Verdict) -> int:
        return sum(judgement.verdict is verdict for judgement in self.judgements.values())

    def of_area(self, area: str) -> list[Judgement]:
        return [judgement for id, judgement in self.judgements.items() if id.partition("/")[0] == area]


@dataclasses.dataclass(slots=True)
class Report:
    """One run of the suite over some backends."""

    rules: dict[str, Rule]
    backends: list[BackendResult]
    seed: int
    strict: bool = False
    #: What else a command line needs to judge the same way.
    options: tuple[str, ...] = ()
    #: Set when the suite, not a backend, failed: its output.
    suite_broke: str = ""
    started: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def areas(self) -> list[str]:
        return list(dict.fromkeys(rule.area for rule in self.rules.values()))

    @property
    def exit_code(self) -> Exit:
        if self.suite_broke:
            return Exit.SUITE_BROKE
        if any(backend.failures or backend.broken for backend in self.backends):
            return Exit.RULE_FAILED
        idle = [backend for backend in self.backends if not backend.ran]
        if len(idle) == len(self.backends) or any(backend.required for backend in idle):
            return Exit.NOTHING_RAN
        return Exit.CONFORMANT

    def count(self, verdict: Verdict) -> int:
        return sum(backend.count(verdict) for backend in self.backends)

    def as_json(self) -> dict[str, Any]:
        """Schema 1."""
        return {
            "schema": SCHEMA,
            "suite": __version__,
            "contract": CONTRACT,
            "date": self.started.isoformat(timespec="seconds"),
            "host": host(),
            "seed": self.seed,
            "strict": self.strict,
            "exit": int(self.exit_code),
            "rules": {rule.id: rule_as_json(rule) for rule in self.rules.values()},
            "backends": {backend.name: _backend_as_json(backend) for backend in self.backends},
        }


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """A rule as the catalogue lists it."""
    return {
        "requirement": rule.requirement,
        "rationale": rule.rationale,
        "level": str(rule.level),
        "since": rule.since,
        "needs": [str(capability.name) for capability in rule.needs],
        "proves": [str(capability.name) for capability in rule.proves or ()],
        "timeout": rule.timeout,
        "scenario": rule.scenario,
    }


def host() -> dict[str, str]:
    """What the run depends on besides the backend."""
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version() + (" free-threaded" if free_threaded else ""),
        "implementation": platform.python_implementation(),
        "processors": str(os.cpu_count()),
    }


def _backend_as_json(backend: BackendResult) -> dict[str, Any]:
    fields = ("spec", "distribution", "contract", "available", "reason", "fix", "capabilities", "details", "broken")
    return {
        **{field: getattr(backend, field) for field in fields},
        "conformant": backend.conformant,
        "rules": {id: _judgement_as_json(judgement) for id, judgement in backend.judgements.items()},
    }


def _judgement_as_json(judgement: Judgement) -> dict[str, Any]:
    texts = {name: getattr(judgement, name) for name in ("expected", "actual", "reason", "detail")}
    return {
        "verdict": str(judgement.verdict),
        "ms": round(judgement.seconds * 1000, 3),
        **{name: text for name, text in texts.items() if text},
    }
