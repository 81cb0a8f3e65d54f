"""One run of the suite: every chosen backend before every chosen rule, one backend after the other."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

from rich.console import Console

from compl_conformance.child import Settings, SuiteBroke, Trial
from compl_conformance.deviations import Deviations
from compl_conformance.progress import LiveProgress
from compl_conformance.results import Report
from compl_conformance.rule import SCENARIOS
from compl_conformance.selection import Selection


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, checked."""

    selection: Selection
    #: The package of the scenarios, imported already.
    scenarios: str
    seed: int
    strict: bool
    contract: str | None
    timeout: float | None
    repeat: int
    deviations_file: Path | None
    deviations: Deviations


def execute(request: Request, console: Console, *, verbose: bool) -> Report:
    """Judge; never raises for what a backend does."""
    chosen = request.selection
    report = Report(chosen.rules, [], request.seed, request.strict, _spoken(request))
    settings = Settings(_directory(request.scenarios), tuple(_options(request)), request.deviations)
    with LiveProgress(console, chosen.candidates, len(chosen.rules), verbose=verbose) as progress:
        for candidate in chosen.candidates:
            trial = Trial(candidate, chosen.rules, settings, progress)
            report.backends.append(trial.result)
            trial.result.required = candidate.spec in chosen.required
            try:
                with progress.turn(candidate):
                    trial.run()
            except SuiteBroke as error:
                report.suite_broke = str(error)
                break
            if sum(other.name == trial.result.name for other in report.backends) > 1:
                trial.result.name = candidate.spec  # the same name from two places
    return report


def _options(request: Request) -> list[str]:
    options = [f"--compl-seed={request.seed}", f"--compl-repeat={request.repeat}"]
    options += ["--compl-strict"] if request.strict else []
    options += [f"--compl-contract={request.contract}"] if request.contract else []
    options += [f"--compl-timeout={request.timeout}"] if request.timeout else []
    options += [f"--compl-deviations={request.deviations_file}"] if request.deviations_file else []
    return options


def _spoken(request: Request) -> tuple[str, ...]:
    """The options of the request as the command takes them, for whoever runs it again."""
    given = {
        "--scenarios": request.scenarios if request.scenarios != SCENARIOS else None,
        "--contract": request.contract,
        "--timeout": request.timeout,
        "--deviations": request.deviations_file,
    }
    spoken = [f"{option}={value}" for option, value in given.items() if value is not None]
    return (*(["--strict"] if request.strict else []), *spoken)


def _directory(package: str) -> Path:
    module = importlib.import_module(package)
    return Path(module.__path__[0] if hasattr(module, "__path__") else str(module.__file__)).resolve()
