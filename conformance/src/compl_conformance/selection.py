"""What the words on the command line mean: backends, rules, patterns of rules."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable

from compl_conformance.deviations import nearest
from compl_conformance.rule import Rule
from compl_conformance.targets import Candidate, choose, installed
from compl_conformance.verdict import UsageError


class RequiredAbsent(Exception):
    """A backend of ``--require`` is not even installed; the message is one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """Which backends before which rules."""

    candidates: list[Candidate]
    #: The specs of those that have to be judged for the run to succeed.
    required: frozenset[str]
    rules: dict[str, Rule]


def select(words: Iterable[str], required: Iterable[str], rules: dict[str, Rule]) -> Selection:
    """Sort the words out: ``wait/4`` and ``wait/*`` are rules, the others backends.

    Raises UsageError for what is neither, RequiredAbsent for a required backend that is not installed.
    """
    words, required = list(words), list(required)
    named = [word for word in words if not _is_rule(word)]
    known = installed()
    for name in required:
        if name not in known and ":" not in name:
            raise RequiredAbsent(
                f"required backend {name!r} is not installed, only {', '.join(known)}{nearest(name, known)}"
            )
    candidates = choose(named, required)
    return Selection(
        candidates, frozenset([*named, *required]), chosen_rules([word for word in words if _is_rule(word)], rules)
    )


def chosen_rules(words: Iterable[str], rules: dict[str, Rule]) -> dict[str, Rule]:
    """The rules that these ids and patterns name, all of them if there are none; UsageError for one that names none."""
    wanted: set[str] = set()
    for word in words:
        found = fnmatch.filter(rules, word)
        if not found:
            raise UsageError(f"no rule {word!r}{nearest(word, rules) or '; compl-conformance --list names them all'}")
        wanted.update(found)
    return {id: rule for id, rule in rules.items() if id in wanted} if wanted else rules


def _is_rule(word: str) -> bool:
    return "/" in word and ":" not in word
