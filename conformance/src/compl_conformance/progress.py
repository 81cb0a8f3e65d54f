"""Shows a run while it goes on: a bar for each backend with the rule that is running."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from compl_conformance.child import Watcher
from compl_conformance.report import STYLES, verdict_line
from compl_conformance.targets import Candidate
from compl_conformance.verdict import Judgement


class LiveProgress(Watcher):
    """A bar for each backend on a terminal, a line for each elsewhere; with ``verbose`` a line for each rule too."""

    def __init__(self, console: Console, candidates: list[Candidate], rules: int, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[failed]}", style="red"),
            TextColumn("{task.fields[rule]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks = {
            candidate.spec: self._progress.add_task(candidate.name, total=rules, start=False, rule="", failed="")
            for candidate in candidates
        }
        self._task = TaskID(0)
        self._judged: set[str] = set()
        self._failed: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def turn(self, candidate: Candidate) -> Iterator[None]:
        """The turn of one backend."""
        self._task = self._tasks[candidate.spec]
        self._judged.clear()
        self._failed.clear()
        self._progress.start_task(self._task)
        since = time.monotonic()
        yield
        self._progress.stop_task(self._task)
        if not self._console.is_terminal:
            seconds = time.monotonic() - since
            failed = f", {len(self._failed)} failed" if self._failed else ""
            self._console.print(f"{candidate.name}: {len(self._judged)} rules in {seconds:.1f} s{failed}")

    def started(self, backend: str, rule: str) -> None:
        self._progress.update(self._task, description=backend, rule=rule)

    def judged(self, backend: str, judgement: Judgement) -> None:
        self._judged.add(judgement.rule)
        if judgement.verdict.failed:
            self._failed.add(judgement.rule)
        failed = f"{len(self._failed)} failed" if self._failed else ""
        self._progress.update(self._task, completed=len(self._judged), rule="", failed=failed)
        if self._verbose:
            self._console.print(verdict_line(judgement).append(f"  [{backend}]", STYLES[judgement.verdict]))
