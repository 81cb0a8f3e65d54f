"""The completion ports of this project that take part.  A backend more is one line in :data:`PORTS`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from bench.row import Implementation

if TYPE_CHECKING:
    from compl_core import Backend, CompletionPort

#: A key that Python has no cached object for, as real keys are.
KEY = 2**32


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """A backend's name in ``compl.backends``, its module, and what it is called here."""

    backend: str
    module: str
    title: str


PORTS = (Port("epoll", "compl_epoll", "EpollPort"),)


def open_port(backend: str) -> CompletionPort:
    """Open a port of the backend with this name."""
    (entry,) = entry_points(group="compl.backends", name=backend)
    found: Backend = entry.load()
    return found.open()


def on_ports(
    run: Callable[..., Any], how: str = "", *, cases: frozenset[str] | None = None
) -> tuple[Implementation, ...]:
    """One implementation for each port: ``run(backend, **parameters)``, and ``how`` it does it in its name."""
    return tuple(
        Implementation(
            f"compl {port.title}{how and ', ' + how}",
            functools.partial(run, port.backend),
            needs=("compl_core", port.module),
            ours=True,
            cases=cases,
        )
        for port in PORTS
    )
