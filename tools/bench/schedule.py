"""Running rows: in every round each implementation once, in rotated order, each in a fresh process."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec

from bench import baseline, environment
from bench.machine import Neighbours, wait_for_quiet
from bench.process import SampleFailed, with_parameters
from bench.record import RowRecord, Sample
from bench.row import Case, Implementation, Native, Row


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How much to measure."""

    rounds: int
    #: Factor on the measured time of each sample.
    length: float = 1.0
    #: The longest wait for a quiet machine before each sample, in seconds.
    patience: float = 5.0
    #: Parts of the names of the implementations and cases to run; empty for all.
    only: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


def wanted(name: str, parts: Iterable[str]) -> bool:
    parts = tuple(parts)
    return not parts or any(part.lower() in name.lower() for part in parts)


def chosen(row: Row, settings: Settings) -> tuple[list[Implementation], list[Case]]:
    implementations = [each for each in row.implementations if wanted(each.name, settings.only)]
    return implementations, [each for each in row.cases if wanted(each.name, settings.cases)]


def samples_of(row: Row, settings: Settings) -> int:
    """How many samples the row asks for."""
    implementations, cases = chosen(row, settings)
    return settings.rounds * sum(each.takes(case) for each in implementations for case in cases)


def why_absent(implementation: Implementation) -> str:
    """Why it cannot take part; empty when it can."""
    if isinstance(implementation.run, Native):
        try:
            baseline.program(implementation.run.source)
        except baseline.CompileFailed as error:
            return str(error)
    reasons = environment.absent()
    for module in implementation.needs:
        if find_spec(module) is None:
            return f"{module}: {reasons.get(module, 'not installed')}"
    return ""


def command_of(row: Row, implementation: Implementation) -> list[str]:
    """The command that runs it, without the parameters."""
    if isinstance(implementation.run, Native):
        program = str(baseline.program(implementation.run.source))
        return with_parameters([program], implementation.run.parameters)
    return [sys.executable, "-P", "-m", "bench.worker", row.name, implementation.name]


def parameters_of(row: Row, case: Case, settings: Settings) -> dict[str, object]:
    return {**case.parameters, "seconds": row.seconds * settings.length}


def commands(row: Row, settings: Settings) -> Iterator[str]:
    """Every command of the row, for a shell: to be put behind perf, strace and the like."""
    implementations, cases = chosen(row, settings)
    for implementation in implementations:
        if why_absent(implementation):
            continue
        for case in filter(implementation.takes, cases):
            yield shlex.join(with_parameters(command_of(row, implementation), parameters_of(row, case, settings)))


def run_row(row: Row, settings: Settings, progress: Callable[[int, str, str], None]) -> RowRecord:
    """Measure one row.  ``progress`` is told the round, the case and the implementation before each sample."""
    result = RowRecord()
    implementations, cases = chosen(row, settings)
    result.absent = {each.name: reason for each in implementations if (reason := why_absent(each))}
    implementations = [each for each in implementations if each.name not in result.absent]
    for number in range(settings.rounds):
        for case in cases:
            takers = [each for each in implementations if each.takes(case)]
            first = number % len(takers) if takers else 0
            for turn, implementation in enumerate(takers[first:] + takers[:first]):
                progress(number, case.name, implementation.name)
                if case.name in result.failed.get(implementation.name, ()):
                    continue
                try:
                    result.samples.append(sample(row, case, implementation, settings, number, turn))
                except SampleFailed as error:
                    result.failed.setdefault(implementation.name, {})[case.name] = str(error)
    return result


def sample(row: Row, case: Case, implementation: Implementation, settings: Settings, number: int, turn: int) -> Sample:
    wait_for_quiet(settings.patience)
    neighbours = Neighbours()
    neighbours.start()
    values = row.observe(command_of(row, implementation), parameters_of(row, case, settings))
    return Sample(number, turn, case.name, implementation.name, dict(values), neighbours.stop())
