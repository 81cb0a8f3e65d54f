"""What a row of the benchmark is, as data: cases, implementations, metrics and goals.

An implementation is either a Python function or a C program.  Both are run in a fresh process and given the parameters
of the case by name, and both answer with values: numbers by the name of a metric, each per operation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from bench import process

Values: TypeAlias = "Mapping[str, float]"
#: What runs one implementation once: the command to run, the parameters that it was given.
Observe: TypeAlias = "Callable[[Sequence[str], Mapping[str, object]], Values]"


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One column: a name for people and the parameters that make it."""

    name: str
    parameters: Mapping[str, object]


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One kind of value that every implementation of the row gives."""

    key: str
    title: str
    #: What a value counts: ``ns per event``.
    unit: str
    more_is_better: bool = False
    #: Not changed by what others do on the machine: a size, no time.
    steady: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Native:
    """A C program of ``native/``, by the name of its source."""

    source: str
    #: Parameters of its own, for a program that is more than one baseline.
    parameters: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Implementation:
    """One way to do the row's work."""

    name: str
    #: A function of the case's parameters and ``seconds``, or a C program that takes the same.
    run: Callable[..., Any] | Native
    #: Modules that must be importable.  An implementation whose needs are not met is shown as absent, with the reason.
    needs: tuple[str, ...] = ()
    #: Ours: emphasised in tables and pictures.
    ours: bool = False
    #: The cases it takes part in, by name; None for all.
    cases: frozenset[str] | None = None

    def takes(self, case: Case) -> bool:
        return self.cases is None or case.name in self.cases


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """What we aim for: a ratio to a named peer, paired within rounds.  Reported, never asserted."""

    ours: str
    peer: str
    metric: str
    cases: tuple[str, ...]
    #: The bound on ours / peer: an upper one, or a lower one where more is better.
    ratio: float
    #: The case that the peer's value is of, if it is another one: what must not grow is compared with itself.
    peer_case: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One workload."""

    name: str
    title: str
    #: What one operation is and what is counted in, in a sentence or two.
    description: str
    cases: tuple[Case, ...]
    metrics: tuple[Metric, ...]
    #: The first is the baseline that the tables' ratios refer to.
    implementations: tuple[Implementation, ...]
    goals: tuple[Goal, ...] = ()
    observe: Observe = process.run_anywhere
    #: Measured time of one sample, in seconds; a row whose work is fixed ignores it.
    seconds: float = 0.5

    def implementation(self, name: str) -> Implementation:
        return next(each for each in self.implementations if each.name == name)

    def metric(self, key: str) -> Metric:
        return next(each for each in self.metrics if each.key == key)
