"""``python -m compl_core``: the installed backends, what this host gives them and why not, and which one is opened.

Exit codes: 0; 2 if COMPL_BACKEND names nothing that is installed, or for a mistake on the command line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import compl_core
from compl_core.capability import Capability
from compl_core.errors import BackendUnavailable
from compl_core.registry import ENVIRONMENT, Candidate, advice, ask, candidates, load, wanted

_WIDTH = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or the same as JSON; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m compl_core",
        description="The installed backends, what this host gives them and why not, and which one open_port() opens.",
        epilog=f"{ENVIRONMENT} in the environment names the backend that open_port() opens.",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    options = parser.parse_args(arguments)
    found = list(candidates())
    asked = wanted()
    if asked.name is not None and asked.name not in [candidate.name for candidate in found]:
        try:
            backend = load(asked.name)
        except BackendUnavailable as error:
            print(f"{parser.prog}: {ENVIRONMENT}={asked.name}: {error.reason}; {error.fix}", file=sys.stderr)
            return 2
        found.append(Candidate(asked.name, ask(backend), backend, ENVIRONMENT))
    choice = next((one.name for one in found if one.probe.available and asked.name in (None, one.name)), None)
    if choice is not None:
        why = asked.why
    elif asked.name is not None:
        why = f"{asked.name} was {asked.why}, and is refused"
    else:
        why = "none of these opens on this host" if found else f"no backend is installed; {advice()}"
    if options.json:
        print(json.dumps(_document(found, choice, why), indent=2))
    else:
        print("\n".join(_page(found, choice, why)))
    return 0


def _page(found: Sequence[Candidate], choice: str | None, why: str) -> Iterator[str]:
    yield f"compl-core {compl_core.__version__}, contract {compl_core.CONTRACT}, {_python()}, {_system()}"
    if found:
        yield from _table(found)
    yield ""
    yield f"open_port() opens {choice}: {why}" if choice else f"open_port() raises BackendUnavailable: {why}"


def _table(found: Sequence[Candidate]) -> Iterator[str]:
    yield ""
    rows = [("backend", "available", "contract", "from")]
    rows += [
        (one.name, "yes" if one.probe.available else "no", one.backend.contract if one.backend else "-", one.origin)
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, candidate in zip(rows, [None, *found], strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if candidate is not None:
            yield from _facts(candidate)


def _facts(candidate: Candidate) -> Iterator[str]:
    probe, backend = candidate.probe, candidate.backend
    absent = backend.capabilities & ~probe.capabilities if backend and probe.available else Capability.NONE
    facts = {
        "reason": probe.reason,
        "fix": probe.fix,
        "capabilities": " ".join(_names(probe.capabilities)),
        "not here": " ".join(_names(absent)),
        "details": ", ".join(f"{name}: {value}" for name, value in probe.details.items()),
    }
    for name, text in facts.items():
        if text:
            yield textwrap.fill(
                text,
                _WIDTH,
                initial_indent=f"    {name:<14}",
                subsequent_indent=" " * 18,
                break_long_words=False,
                break_on_hyphens=False,
            )


def _document(found: Sequence[Candidate], choice: str | None, why: str) -> dict[str, Any]:
    return {
        "compl_core": compl_core.__version__,
        "contract": compl_core.CONTRACT,
        "python": _python(),
        "system": _system(),
        ENVIRONMENT: os.environ.get(ENVIRONMENT),
        "opens": choice,
        "why": why,
        "backends": [
            {
                "name": one.name,
                "from": one.origin,
                "contract": one.backend.contract if one.backend else None,
                "available": one.probe.available,
                "capabilities": _names(one.probe.capabilities),
                "reason": one.probe.reason,
                "fix": one.probe.fix,
                "details": dict(one.probe.details),
            }
            for one in found
        ],
    }


def _names(capabilities: Capability) -> list[str]:
    return [str(one.name) for one in capabilities]


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def _system() -> str:
    return f"{platform.system()} {platform.release()} {platform.machine()}"


if __name__ == "__main__":
    sys.exit(main())
