"""The backends under test: found by entry point or by ``package.module:object``, loaded, probed.

Names are looked up without importing anything, so that the parent process never runs a backend's native code.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib.metadata
from collections.abc import Iterable

from compl_conformance.deviations import nearest
from compl_conformance.verdict import UsageError
from compl_core import GROUP, Backend, BackendUnavailable, Capability, Probe, registry

#: The oracle of this distribution; there even where nothing is installed.
REFERENCE = ("reference", "compl_conformance.reference:backend")


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A backend that can be named, not imported yet."""

    name: str
    #: What ``compl_core.registry.load`` takes: the name, or ``package.module:object``.
    spec: str
    #: ``my-backend 0.3.0``; empty for one given by its path.
    distribution: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A backend, loaded and probed; or why that did not work."""

    name: str
    spec: str
    backend: Backend | None
    probe: Probe
    #: There is nothing at the path that was given.
    missing: bool = False

    @property
    def available(self) -> bool:
        return self.backend is not None and self.probe.available

    @property
    def why_not(self) -> str:
        """Reason and fix in one line; empty when available."""
        return "" if self.available else "; ".join(filter(None, (self.probe.reason, self.probe.fix)))

    @property
    def contract(self) -> str:
        return self.backend.contract if self.backend else "0.0"

    @property
    def capabilities(self) -> Capability:
        return self.probe.capabilities


def installed() -> dict[str, Candidate]:
    """Every backend with an entry point, and the reference last."""
    found: dict[str, Candidate] = {}
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
        found.setdefault(entry.name, Candidate(entry.name, entry.name, distribution))
    name, spec = REFERENCE
    reference = found.pop(name, Candidate(name, spec))
    return {**found, name: reference}


def choose(named: Iterable[str], required: Iterable[str] = ()) -> list[Candidate]:
    """The candidates of these names and dotted paths; all installed ones, if none is named; the required in any case.

    Raises UsageError for a name that is not installed.
    """
    known = installed()
    names = list(dict.fromkeys([*(list(named) or known), *required]))
    for name in names:
        if name not in known and ":" not in name:
            raise UsageError(
                f"no backend {name!r} is installed, only {', '.join(known)}"
                + (nearest(name, known) or "; install its distribution, or give package.module:object")
            )
    return [known.get(name) or Candidate(name, name) for name in names]


def load(candidate: Candidate) -> Target:
    """Import and probe.  Never raises for what a backend does: a Target that is not available says what it was."""
    try:
        backend = registry.load(candidate.spec)
    except BackendUnavailable as error:
        probe = Probe(available=False, reason=error.reason, fix=error.fix)
        missing = ":" in candidate.spec and error.errno in (errno.ENOENT, errno.EINVAL)
        return Target(candidate.name, candidate.spec, None, probe, missing)
    return Target(backend.name, candidate.spec, backend, registry.ask(backend))
