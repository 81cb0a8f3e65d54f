"""The catalogue of rules for people and for machines: ``--list`` and ``--explain``."""

from __future__ import annotations

import json

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from compl_conformance.results import rule_as_json
from compl_conformance.rule import Rule
from compl_core import CONTRACT


def table(rules: dict[str, Rule]) -> RenderableType:
    """Id, level, needed capabilities and requirement of each."""
    listed = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("rule", "level", "since", "needs", "requirement"):
        listed.add_column(heading, no_wrap=heading != "requirement")
    for rule in rules.values():
        listed.add_row(Text(rule.id, "bold"), str(rule.level), rule.since, _capabilities(rule), rule.requirement)
    return Group(listed, Text(f"\n{len(rules)} rules, contract {CONTRACT}"))


def as_json(rules: dict[str, Rule]) -> str:
    listed = {rule.id: rule_as_json(rule) for rule in rules.values()}
    return json.dumps({"schema": 1, "contract": CONTRACT, "rules": listed}, indent=2) + "\n"


def explanation(*rules: Rule) -> RenderableType:
    """All there is to say of a rule."""
    return Group(*(_explain(rule) for rule in rules))


def _explain(rule: Rule) -> RenderableType:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row("Level", f"{rule.level}, since contract {rule.since}")
    facts.add_row("Needs", _capabilities(rule) or "nothing beyond the contract")
    if rule.proves:
        facts.add_row("Proves", ", ".join(str(one.name) for one in rule.proves))
    facts.add_row("Limit", f"{rule.timeout:g} s")
    facts.add_row("Scenario", f"{rule.scenario} ({rule.file}:{rule.line})")
    head = Text.assemble((rule.id, "bold"), "  ", rule.requirement)
    why = [Padding(Text(rule.rationale), (1, 0, 1, 6))] if rule.rationale else []
    return Group(head, *why, Padding(facts, (0, 0, 1, 6)))


def _capabilities(rule: Rule) -> str:
    return ", ".join(str(one.name) for one in rule.needs)
