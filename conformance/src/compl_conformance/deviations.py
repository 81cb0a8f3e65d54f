"""Declared deviations: rules that a backend is known to break, each with its reason.

They stand in ``pyproject.toml``::

    [tool.compl-conformance.deviations]
    "wait/4" = { reason = "the kernel rounds to ms", when = "platform_release < '5.11'", issue = "https://..." }

``when`` is an environment marker as in dependency specifications; where it does not hold, there is no deviation.
``backend`` (a name or a list of them) limits it to those.  A deviation is strict: a rule that passes all the same is
stale.
"""

from __future__ import annotations

import dataclasses
import difflib
import platform
import re
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from compl_conformance.verdict import UsageError

_TABLE = "[tool.compl-conformance.deviations]"


@dataclasses.dataclass(frozen=True, slots=True)
class Deviation:
    """One rule that fails for a known reason."""

    rule: str
    reason: str
    issue: str = ""
    #: The backends that it is about; all when empty.
    backends: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.reason + (f" ({self.issue})" if self.issue else "")


class Deviations:
    """What one file declares; only what applies on this host is found in it."""

    def __init__(
        self, file: Path | None = None, declared: Iterable[Deviation] = (), inapplicable: Iterable[str] = ()
    ) -> None:
        self._file = file
        self._by_rule = {deviation.rule: deviation for deviation in declared}
        self._inapplicable = tuple(inapplicable)

    def find(self, rule: str, backend: str) -> Deviation | None:
        """The deviation from ``rule`` that is declared for ``backend``."""
        found = self._by_rule.get(rule)
        return found if found and (not found.backends or backend in found.backends) else None

    def check(self, rules: Collection[str]) -> None:
        """Raise UsageError for a deviation from a rule that is not among these: an error, not a remark."""
        for rule in (*self._by_rule, *self._inapplicable):
            if rule not in rules:
                raise UsageError(f"{self._file}: {_TABLE}: no rule {rule!r}{nearest(rule, rules)}")


def load(file: Path) -> Deviations:
    """Read them from a TOML file laid out as pyproject.toml; raises UsageError for what is wrong in it."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; give --deviations a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}") from error
    section = document.get("tool", {}).get("compl-conformance", {})
    unknown = sorted(section.keys() - {"deviations"})
    if unknown:
        raise UsageError(f"{file}: [tool.compl-conformance] knows no {unknown[0]!r}, only deviations")
    table = section.get("deviations", {})
    if not isinstance(table, dict):
        raise UsageError(f"{file}: {_TABLE} is to be a table of rule ids")
    read = {rule: _deviation(f"{file}: {_TABLE}: {rule}", rule, entry) for rule, entry in table.items()}
    here = [deviation for deviation in read.values() if deviation is not None]
    return Deviations(file, here, [rule for rule, deviation in read.items() if deviation is None])


def nearest(wanted: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` when something known comes close, else nothing."""
    close = difflib.get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _deviation(where: str, rule: str, entry: Any) -> Deviation | None:
    """None when its ``when`` does not hold here."""
    if not isinstance(entry, dict):
        raise UsageError(f'{where}: is to be a table such as {{ reason = "..." }}')
    unknown = sorted(entry.keys() - {"reason", "when", "issue", "backend"})
    if unknown:
        raise UsageError(f"{where}: unknown {unknown[0]!r}; known are reason, when, issue and backend")
    reason = entry.get("reason", "")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f"{where}: has no reason; say why the rule is not kept")
    when, issue = entry.get("when", ""), entry.get("issue", "")
    if not isinstance(when, str) or not isinstance(issue, str):
        raise UsageError(f"{where}: when and issue are to be strings")
    backends = entry.get("backend", [])
    backends = [backends] if isinstance(backends, str) else backends
    if not isinstance(backends, list) or not all(isinstance(name, str) for name in backends):
        raise UsageError(f"{where}: backend is to be a name or a list of names")
    return Deviation(rule, reason.strip(), issue, tuple(backends)) if not when or _holds(when, where) else None


def _holds(when: str, where: str) -> bool:
    # A release such as 6.1.0-13-amd64 is no version that could be compared; its leading numbers are.
    release = re.match(r"[0-9]+(\.[0-9]+)*", platform.release())
    try:
        return Marker(when).evaluate({"platform_release": release.group() if release else "0"})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise UsageError(
            f"{where}: when = {when!r} is not an environment marker such as platform_release < '5.11'"
        ) from error
