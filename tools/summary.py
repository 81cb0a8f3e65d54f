"""What a tox run came to: every environment, every skip with its reason, and one line of totals.

From tox's result file and the JUnit files that the environments write.  An environment without tests of its own (types,
lint, sdists) counts as one test.  A conformance rule that is not applicable (the backend does not declare the
capability, and was seen to refuse the call) is counted apart from what was skipped.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

#: How compl-conformance begins the reason of a rule that is not applicable.
_INAPPLICABLE = "n/a: "


@dataclasses.dataclass(slots=True)
class Outcome:
    """One environment's share, or the whole run's."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    inapplicable: int = 0

    def __iadd__(self, other: Outcome) -> Outcome:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.inapplicable += other.inapplicable
        return self

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{counts}, {self.inapplicable} n/a" if self.inapplicable else counts


def summarize(results: Path, reports: Path) -> tuple[str, bool]:
    """The text to end a run with, and whether all is well: something ran and nothing failed."""
    total = Outcome()
    lines: list[str] = []
    skips: dict[str, list[str]] = collections.defaultdict(list)
    failures: list[str] = []
    environments = json.loads(results.read_text(encoding="utf-8"))["testenvs"] if results.is_file() else {}
    for name, environment in environments.items():
        result = environment.get("result")
        if result is None:
            continue  # tox's own environments, which build no result
        outcome = Outcome()
        if result["skipped"]:
            outcome.skipped = 1
            skips[_why_skipped(environment)].append(name)
        else:
            for report in sorted(reports.glob(f"{name}[.-]*xml")):
                outcome += _read(report, name, skips, failures)
            ran = outcome.passed + outcome.failed
            if not result["success"] and not outcome.failed:
                failed = _failed_commands(environment)
                outcome.failed = len(failed)
                failures += [f"{name}: {command}" for command in failed]
            elif not ran:
                outcome.passed = 1
        total += outcome
        lines.append(f"  {name:<20} {outcome} ({result['duration']:.1f} s)")
    ran = total.passed + total.failed
    text = ["", "Environments:", *lines]
    if skips:
        text += [
            "",
            "Skipped, and not applicable (n/a):",
            *(f"  {_names(names)}: {reason}" for reason, names in sorted(skips.items())),
        ]
    if failures:
        text += ["", "Failed:", *(f"  {failure}" for failure in failures)]
    if not ran:
        text += ["", "Nothing ran: no environment was selected, or no Python for one was found."]
    if total.inapplicable:
        text += ["", f"{total.inapplicable} rules were not applicable (n/a)."]
    return "\n".join([*text, "", _as_pytest_ends(total)]), bool(ran and not total.failed)


def _as_pytest_ends(total: Outcome) -> str:
    """The last line, in the words that are known from pytest."""
    counts = (("failed", total.failed), ("passed", total.passed), ("skipped", total.skipped))
    said = ", ".join(f"{count} {what}" for what, count in counts if count) or "no tests ran"
    return f" {said} ".center(80, "=")


def _read(report: Path, environment: str, skips: dict[str, list[str]], failures: list[str]) -> Outcome:
    outcome = Outcome()
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{environment}: {case.get('classname', '')}::{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            failures.append(name)
        elif skipped is not None:
            reason = skipped.get("message") or "no reason given"
            if reason.startswith(_INAPPLICABLE):
                outcome.inapplicable += 1
            else:
                outcome.skipped += 1
            skips[reason].append(name)
        else:
            outcome.passed += 1
    return outcome


def _why_skipped(environment: dict[str, list[dict[str, Any]]]) -> str:
    """tox keeps no sentence of its own: what the last command that it tried said, or else the platform."""
    said = [line for run in environment.get("setup", []) for line in run["err"].splitlines()]
    return next((line.removeprefix("error: ") for line in said if "ython" in line), "not for this platform (tox.ini)")


def _failed_commands(environment: dict[str, list[dict[str, Any]]]) -> list[str]:
    runs = [*environment.get("setup", []), *environment.get("test", [])]
    failed = [f"exit code {run['retcode']} of {' '.join(run['command'])}" for run in runs if run["retcode"]]
    return failed or ["see the output above"]


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
