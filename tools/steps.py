"""Commands run one after the other, each shown as it runs with the time that it took, their output kept in a log."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One command, and what to do when it has succeeded."""

    title: str
    command: Sequence[str | Path]
    then: Callable[[], object] | None = None


class StepFailed(Exception):
    """A step ended with an error; the message has the end of its output, and where all of it is."""


def run_steps(steps: Sequence[Step], *, log: Path, folder: Path) -> None:
    """Run all of them in ``folder``; raises StepFailed at the first that fails."""
    log.parent.mkdir(exist_ok=True)
    with log.open("w", encoding="utf-8", errors="replace") as output:
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.title}"
            command = [str(word) for word in step.command]
            output.write(f"\n$ {' '.join(command)}\n")
            output.flush()
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            code = _watch(process, label)
            if code:
                end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
                raise StepFailed(f"{label}: exit code {code}\n{end}\nAll of it: {log}")
            if step.then is not None:
                step.then()


def _watch(process: subprocess.Popen[bytes], label: str) -> int:
    """Wait for the process; on a terminal the line counts the seconds meanwhile."""
    live = sys.stdout.isatty()
    start = time.monotonic()
    code = None
    try:
        while code is None:
            try:
                code = process.wait(1.0)
            except subprocess.TimeoutExpired:
                if live:
                    print(f"\r{label} ... {time.monotonic() - start:.0f} s", end="", flush=True)
    except BaseException:
        process.kill()
        process.wait()
        raise
    back = "\r" if live else ""
    print(f"{back}{label} ... {'failed' if code else 'done'}, {time.monotonic() - start:.1f} s", flush=True)
    return code
