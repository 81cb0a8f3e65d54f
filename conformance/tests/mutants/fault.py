"""What a mutant is: a port with one fault, and the rules that must notice it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from compl_core import CONTRACT, Backend, Probe
from compl_example import ExamplePort
from compl_example.capabilities import CAPABILITIES

_Port = TypeVar("_Port", bound=type[ExamplePort])


@dataclasses.dataclass(frozen=True, slots=True)
class Mutant:
    """One fault, as a backend."""

    name: str
    #: What its author did wrong, in one sentence.
    fault: str
    #: The rules that must fail on it.
    kills: tuple[str, ...]
    #: Those of them that only their time limit ends.
    hangs: frozenset[str]
    #: Shows only where a processor is free.
    alone: bool
    port: type[ExamplePort]
    backend: Backend

    @property
    def spec(self) -> str:
        """What ``compl_core.registry.load`` takes."""
        return f"mutants:{self.name}"

    @property
    def control(self) -> str:
        """The same port without the fault."""
        hooked = any(base.__name__ == "Port" for base in self.port.__mro__)
        return "mutants:unmutated" if hooked else "compl_example:backend"


#: All mutants imported so far, by name.
MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(*kills: str, hangs: Iterable[str] = (), alone: bool = False, **record: Any) -> Callable[[_Port], _Port]:
    """Make a port a mutant that these rules must fail on; its docstring tells the fault, its class the name.

    ``hangs`` are further rules that end only by their time limit; ``alone``: judged while nothing else is; ``record``
    replaces fields of the Backend.
    """

    def define(port: _Port) -> _Port:
        name = re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=[0-9])", "_", port.__name__).lower()
        declared = getattr(port, "declared", CAPABILITIES)
        backend = Backend(port.name, CONTRACT, declared, lambda: Probe(True, declared), port)
        fault = " ".join((inspect.getdoc(port) or "").split())
        assert fault and port.__doc__, f"{port.__name__} has no docstring that tells the fault"
        assert name not in MUTANTS, f"there are two mutants {name}"
        record_of_it = dataclasses.replace(backend, **record)
        made = Mutant(name, fault, (*kills, *hangs), frozenset(hangs), alone, port, record_of_it)
        MUTANTS[name] = made
        return port

    return define
