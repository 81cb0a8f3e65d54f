"""Which backends are installed, which of them this host can open, and the one to open.

A distribution exports a :class:`Backend` under the entry-point group ``compl.backends``; nothing is listed by hand.
What cannot be used stays visible, with the reason and the fix: a backend whose module does not import is a refused
candidate, and none keeps another from being found.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module, metadata
from typing import Any, NamedTuple

from compl_core.backend import GROUP, Backend, Probe
from compl_core.capability import Capability
from compl_core.errors import BackendUnavailable
from compl_core.port import CONTRACT, CompletionPort

#: The environment variable that names the backend for :func:`open_port`.
ENVIRONMENT = "COMPL_BACKEND"
#: Best first; others come after these, by name.
PREFERENCE = ("uring", "aio", "epoll", "iocp")

_KNOWN = {name: f"compl-{name}" for name in PREFERENCE}
_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VERSION = re.compile(r"\d+\.\d+", re.ASCII)


class Candidate(NamedTuple):
    """An installed backend, asked whether this host can open it."""

    name: str
    probe: Probe
    #: None if it could not be loaded; the probe says why.
    backend: Backend | None
    #: Where it comes from: ``compl-epoll 0.1.0``.
    origin: str


class Wanted(NamedTuple):
    """What :func:`open_port` is asked for, and by whom."""

    #: A backend's name or ``package.module:object``; None: the best that this host can open.
    name: str | None
    why: str


def wanted(name: str | None = None) -> Wanted:
    """What ``open_port(name)`` is asked for: ``name``, else what COMPL_BACKEND says, else the best."""
    if name is not None:
        return Wanted(name, "asked for by name")
    name = os.environ.get(ENVIRONMENT, "").strip()
    if name:
        return Wanted(name, f"asked for by {ENVIRONMENT} in the environment")
    return Wanted(None, f"the first that this host can open of {', '.join(PREFERENCE)} and others by name")


def backends() -> Mapping[str, Backend]:
    """The installed backends that can be loaded, by name, in the order of preference.  None is probed."""
    found = {}
    for name, points in _installed().items():
        try:
            found[name] = _load_installed(name, points)
        except BackendUnavailable:
            continue  # candidates() shows why
    return found


def candidates() -> Sequence[Candidate]:
    """Every installed backend in the order of preference, probed now; those that cannot be loaded are refused."""
    return list(_candidates())


def load(spec: str) -> Backend:
    """The backend of this name, or the object at ``package.module:object``, whether this host can open it or not.

    Raises BackendUnavailable with the reason and the fix; its errno is ENOENT if there is nothing of that name.
    """
    if ":" in spec:
        return _import(spec, None, "correct the path, or install the distribution that has it")
    installed = _installed()
    if spec not in installed:
        raise _unknown(spec, list(installed))
    return _load_installed(spec, installed[spec])


def ask(backend: Backend) -> Probe:
    """Probe a backend; one that breaks the rule that a probe never raises counts as refused, with that reason."""
    fix = f"report it to the author of the backend {backend.name}: a probe returns a compl_core.Probe and never raises"
    try:
        found: Any = backend.probe()
    except Exception as error:
        return Probe(False, reason=f"its probe raised {type(error).__name__}: {error}", fix=fix)
    return found if isinstance(found, Probe) else Probe(False, reason=f"its probe returned {found!r}", fix=fix)


def open_port(name: str | None = None) -> CompletionPort:
    """Open a port: of the backend ``name``, else the one that COMPL_BACKEND names, else the best that opens.

    A name, or ``package.module:object``, gives that backend or an error, never another backend.  The best is the first
    whose probe and opening succeed, in the order uring, aio, epoll, iocp, others by name.

    Raises BackendUnavailable with the reason and the fix; where no backend opens, with those of every one of them.
    """
    asked = wanted(name)
    if asked.name is None:
        return _open_best()
    try:
        backend = load(asked.name)
        probe = ask(backend)
        if not probe.available:
            raise BackendUnavailable(backend.name, probe.reason, probe.fix)
        return backend.open()
    except BackendUnavailable as error:
        if name is None:  # whoever reads this did not write the name
            error.add_note(f"{asked.name!r} was {asked.why}")
        raise


def advice() -> str:
    """What to install where nothing is installed."""
    own = {"linux": "pip install compl-uring compl-aio compl-epoll", "win32": "pip install compl-iocp"}
    return own.get(sys.platform, f"install a distribution with an entry point in the group {GROUP!r}")


def _open_best() -> CompletionPort:
    refused = []
    for candidate in _candidates():
        reason, fix = candidate.probe.reason, candidate.probe.fix
        if candidate.backend is not None and candidate.probe.available:
            try:
                return candidate.backend.open()
            except BackendUnavailable as error:  # a probe can be too hopeful, or the host has changed since
                reason, fix = error.reason, error.fix
        refused.append(f"\n  {candidate.name}: {reason}" + (f"; {fix}" if fix else ""))
    if refused:
        raise BackendUnavailable(
            "open_port()", "no installed backend opens on this host", "mend one of them:" + "".join(refused)
        )
    raise BackendUnavailable("open_port()", "no backend is installed", advice(), errno.ENOENT)


def _candidates() -> Iterator[Candidate]:
    """One by one: what comes after the one that opens is neither imported nor probed."""
    for name, points in _installed().items():
        origin = ", ".join(_origin(point) for point in points)
        try:
            backend = _load_installed(name, points)
        except BackendUnavailable as error:
            yield Candidate(name, Probe(False, reason=error.reason, fix=error.fix), None, origin)
        else:
            yield Candidate(name, ask(backend), backend, origin)


def _installed() -> dict[str, list[metadata.EntryPoint]]:
    """The entry points of each name, in the order of preference; nothing is imported."""
    found: dict[str, list[metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    rank = {name: place for place, name in enumerate(PREFERENCE)}
    return {name: found[name] for name in sorted(found, key=lambda name: (rank.get(name, len(rank)), name))}


def _load_installed(name: str, points: Sequence[metadata.EntryPoint]) -> Backend:
    paths = {_object_path(point): _origin(point) for point in points}
    if len(paths) > 1:
        both = " and ".join(f"{origin} ({path})" for path, origin in sorted(paths.items()))
        raise BackendUnavailable(name, f"exported by {both}; which one is meant is unclear", "uninstall all but one")
    (path,) = paths
    return _import(path, name, f"mend or uninstall {paths[path]}")


def _object_path(point: metadata.EntryPoint) -> str:
    """Read by hand, without the extras: EntryPoint.module breaks on a malformed value, which is to be reported."""
    return re.sub(r"\s*:\s*", ":", point.value.partition("[")[0]).strip()


def _origin(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _import(path: str, name: str | None, fix: str) -> Backend:
    """The Backend at ``package.module:object``, which an entry point calls ``name``."""
    module, _, attribute = path.partition(":")
    if not (_PATH.fullmatch(module) and _PATH.fullmatch(attribute)):
        raise BackendUnavailable(name or path, f"{path!r} is not of the form package.module:object", fix, errno.EINVAL)
    try:
        found: object = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # anything can happen in an import, and it is the others' loss if it comes out
        reason = f"loading {path} failed: {type(error).__name__}: {error}"
        missing = name is None and isinstance(error, (ModuleNotFoundError, AttributeError))
        raise BackendUnavailable(name or path, reason, fix, errno.ENOENT if missing else errno.ENOSYS) from error
    if not isinstance(found, Backend):
        raise BackendUnavailable(name or path, f"{path} is no compl_core.Backend but {found!r}", fix)
    fault = _fault(found, name)
    if fault:
        raise BackendUnavailable(name or path, f"{path}: {fault}", fix)
    return found


def _fault(backend: Any, name: str | None) -> str:
    """What is wrong with a Backend record, its types included: third parties need not run a type checker."""
    if not isinstance(backend.name, str) or not _NAME.fullmatch(backend.name):
        return f"its name {backend.name!r} is not lower-case letters, digits, '-' and '_', beginning with a letter"
    if name is not None and backend.name != name:
        return f"its name is {backend.name!r}, the entry point's {name!r}; the two must be one"
    if not isinstance(backend.contract, str) or not _VERSION.fullmatch(backend.contract):
        return f"its contract {backend.contract!r} is not a version such as {CONTRACT!r}"
    if backend.contract.split(".")[0] != CONTRACT.split(".")[0]:
        return f"it keeps contract {backend.contract}, this compl-core states {CONTRACT}"
    if not isinstance(backend.capabilities, Capability):
        return f"its capabilities {backend.capabilities!r} are no compl_core.Capability"
    for role in ("probe", "open"):
        if not callable(getattr(backend, role)):
            return f"its {role} {getattr(backend, role)!r} cannot be called"
    return ""


def _unknown(name: str, installed: Sequence[str]) -> BackendUnavailable:
    near = difflib.get_close_matches(name.lower(), [*installed, *_KNOWN], n=1)
    if name in _KNOWN:
        fix = f"pip install {_KNOWN[name]}"
    elif near:
        fix = f"did you mean {near[0]!r}?"
    else:
        fix = f"install the distribution that exports it under the entry-point group {GROUP!r}"
    reason = f"no backend of this name is installed; installed: {', '.join(installed) or 'none'}"
    return BackendUnavailable(name, reason, fix, errno.ENOENT)
