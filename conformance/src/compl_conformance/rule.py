"""What a rule is, the decorator that makes a pytest function one, and the catalogue of all of them.

A rule's id (``wait/4``) is stable: it is never given to another requirement.  Its docstring's first paragraph is the
requirement, the sentence that a failing author reads; the paragraphs after it, or ``rationale=``, say why.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable
from typing import Any, Final, TypeVar

from compl_core import Capability

#: Where the rules of the contract live; ``catalogue()`` imports it.
SCENARIOS: Final = "compl_conformance.scenarios"
#: The areas of the contract, in the order of reports.
AREAS: Final = (
    "lifecycle",
    "register",
    "post",
    "wait",
    "error",
    "file",
    "socket",
    "datagram",
    "pooled",
    "cancel",
    "teardown",
    "threads",
    "signals",
    "limits",
    "capability",
    "leak",
    "model",
)
#: Seconds that a rule may take unless it says otherwise.
TIMEOUT: Final = 10.0

_ID = re.compile(r"[a-z]+(?:-[a-z]+)*/[1-9][0-9]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_Scenario = TypeVar("_Scenario", bound=Callable[..., Any])


class Level(enum.StrEnum):
    """As in RFC 2119: a MUST that fails is non-conformance, a SHOULD that fails only with ``--strict``."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One requirement of the contract, and the scenario that judges it."""

    id: str
    requirement: str
    rationale: str
    level: Level
    #: The first contract version that has it.
    since: str
    #: Without these capabilities the scenario's calls are to be refused with NotSupported.
    needs: Capability
    #: The capability that this rule is the proof of, if it is one.
    proves: Capability | None
    #: Seconds, set-up and close of the ports included.
    timeout: float
    #: ``module:function``.
    scenario: str
    file: str
    line: int

    @property
    def area(self) -> str:
        return self.id.partition("/")[0]

    @property
    def number(self) -> int:
        return int(self.id.partition("/")[2])


#: Every rule imported so far, by id, in the order of definition.
RULES: Final[dict[str, Rule]] = {}


def rule(
    id: str,
    *,
    needs: Capability = Capability.NONE,
    level: Level = Level.MUST,
    since: str = "1.0",
    proves: Capability | None = None,
    timeout: float = TIMEOUT,
    rationale: str = "",
) -> Callable[[_Scenario], _Scenario]:
    """Make a pytest function the scenario of rule ``id``.

    Raises ValueError at import for a malformed or duplicate id, a missing docstring or a timeout that is not positive.
    """

    def define(scenario: _Scenario) -> _Scenario:
        code = inspect.unwrap(scenario).__code__
        where = f"{scenario.__module__}:{scenario.__qualname__}"
        if not _ID.fullmatch(id):
            raise ValueError(f"{where}: rule id {id!r} is not of the form area/number, such as wait/4")
        if not _VERSION.fullmatch(since):
            raise ValueError(f"{where}: rule {id}: since={since!r} is not a contract version such as 1.0")
        if not timeout > 0:
            raise ValueError(f"{where}: rule {id}: timeout={timeout!r} is not a positive number of seconds")
        requirement, *paragraphs = _paragraphs(scenario.__doc__)
        if not requirement:
            raise ValueError(f"{where}: rule {id} has no docstring; its first paragraph is the requirement")
        made = Rule(
            id=id,
            requirement=requirement,
            rationale=rationale or "\n\n".join(paragraphs),
            level=Level(level),
            since=since,
            needs=needs,
            proves=proves,
            timeout=float(timeout),
            scenario=where,
            file=code.co_filename,
            line=code.co_firstlineno,
        )
        known = RULES.get(id)
        # The same lines imported once more (pytest and the catalogue may do that) are no duplicate.
        if known is not None and (known.file, known.line) != (made.file, made.line):
            raise ValueError(f"{where}: rule {id} is already defined by {known.scenario} ({known.file}:{known.line})")
        RULES[id] = made
        scenario.__compl_rule__ = made  # type: ignore[attr-defined]
        scenario.__test__ = True  # type: ignore[attr-defined]  # a test for pytest, under whatever name
        return scenario

    return define


def rule_of(scenario: object) -> Rule | None:
    """The rule that a test function is the scenario of, or None."""
    found = getattr(scenario, "__compl_rule__", None)
    return found if isinstance(found, Rule) else None


def catalogue(package: str = SCENARIOS) -> dict[str, Rule]:
    """All rules of a package of scenarios: by area, those not in AREAS last, and by number in each."""
    root = importlib.import_module(package)
    names = [package]
    if hasattr(root, "__path__"):
        names += [f"{package}.{module.name}" for module in pkgutil.iter_modules(root.__path__)]
    modules = {importlib.import_module(name).__name__ for name in names if _holds_scenarios(name, package)}
    mine = [rule for rule in RULES.values() if rule.scenario.partition(":")[0] in modules]
    areas = list(dict.fromkeys([*AREAS, *(rule.area for rule in mine)]))
    mine.sort(key=lambda rule: (areas.index(rule.area), rule.number))
    return {rule.id: rule for rule in mine}


def proofs(package: str = SCENARIOS) -> dict[Capability, list[Rule]]:
    """Which rules prove which single capability; one that nobody proves maps to an empty list."""
    rules = catalogue(package).values()
    return {single: [rule for rule in rules if rule.proves and single in rule.proves] for single in Capability}


def _holds_scenarios(name: str, package: str) -> bool:
    return name == package or name.rpartition(".")[2].startswith("test_")


def _paragraphs(docstring: str | None) -> list[str]:
    text = textwrap.dedent(inspect.cleandoc(docstring or ""))
    return [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text)]
