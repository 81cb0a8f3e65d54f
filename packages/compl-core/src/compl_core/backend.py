"""What a distribution exports, under the entry-point group ``compl.backends``: one :class:`Backend` record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from compl_core.capability import Capability
from compl_core.port import CompletionPort

#: The entry-point group that backends are found under.
GROUP = "compl.backends"


@dataclasses.dataclass(frozen=True, slots=True)
class Probe:
    """What this host, asked right now, would give: found by trying, never by a version number."""

    available: bool
    #: What a port opened here would declare.
    capabilities: Capability = Capability.NONE
    #: Why it is not available: the call, the errno, the setting behind it.  Empty when it is.
    reason: str = ""
    #: What to do about it.  Empty when available.
    fix: str = ""
    #: Facts worth showing, such as ``{"epoll_pwait2": "yes"}``.
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.available and not (self.reason and self.fix):
            raise ValueError("a probe that says 'not available' says why (reason) and what to do (fix)")


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """One way to open a :class:`CompletionPort`."""

    #: Short, lower case, unique on the host: ``epoll``.
    name: str
    #: The version of the contract it keeps: ``1.0``.
    contract: str
    #: What it can declare at best; a probe may declare less.
    capabilities: Capability
    #: Whether this host can open it, and if not why.  Cheap, leaves nothing open, never raises.
    probe: Callable[[], Probe]
    #: Open a port.  Raises :class:`compl_core.BackendUnavailable` where the probe says no.
    open: Callable[[], CompletionPort]
