"""The completion ports of this project that take part.  A backend more is one line in :data:`PORTS`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.row import Implementation

if TYPE_CHECKING:
    from compl_core import CompletionPort

#: A key that Python has no cached object for, as real keys are.
KEY = 2**32


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """What the rows know it by, its module and class, and what the class is given."""

    backend: str
    module: str
    kind: str
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        return ", ".join((f"compl {self.kind}", *self.options))


PORTS = (
    Port("aio", "compl_aio", "AioPort"),
    Port("epoll", "compl_epoll", "EpollPort"),
    Port("uring", "compl_uring", "UringPort"),
)
#: Of one thread, which no other may touch: for rows that have but one.
BOUND = (Port("uring, bound", "compl_uring", "UringPort", {"single_thread": True}),)


def open_port(backend: str) -> CompletionPort:
    """Open the port that the rows know by this name."""
    port = next(each for each in (*PORTS, *BOUND) if each.backend == backend)
    opened: CompletionPort = getattr(importlib.import_module(port.module), port.kind)(**port.options)
    return opened


def on_ports(
    run: Callable[..., Any], how: str = "", *, cases: frozenset[str] | None = None, ports: tuple[Port, ...] = PORTS
) -> tuple[Implementation, ...]:
    """One implementation for each port: ``run(backend, **parameters)``, and ``how`` it does it in its name."""
    return tuple(
        Implementation(
            f"{port.title}{how and ', ' + how}",
            functools.partial(run, port.backend),
            needs=("compl_core", port.module),
            ours=True,
            cases=cases,
        )
        for port in ports
    )
