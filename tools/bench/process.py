"""Running one implementation in a fresh process, and reading the values that it prints."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

#: No sample takes longer than this many seconds; one that does is reported as failed.
LIMIT = 120.0
#: The processors that this process may use, as it was started.
CPUS = sorted(os.sched_getaffinity(0)) if sys.platform != "win32" else []


class SampleFailed(RuntimeError):
    """An implementation did not give values: why, in one line."""


def with_parameters(command: Sequence[str], parameters: Mapping[str, object]) -> list[str]:
    """The command line: parameters follow as ``name=value``, for Python and C alike."""
    return [*command, *(f"{name}={value}" for name, value in parameters.items())]


@contextlib.contextmanager
def children_on(cpus: Sequence[int]) -> Iterator[None]:
    """Children started inside inherit these processors."""
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)


def run_anywhere(command: Sequence[str], parameters: Mapping[str, object]) -> Mapping[str, float]:
    """Run the command on all processors and read the JSON object in the last line that it prints."""
    return run(command, parameters, CPUS)


def run_pinned(command: Sequence[str], parameters: Mapping[str, object]) -> Mapping[str, float]:
    """The same on one processor: the last, as the first often serves the interrupts."""
    return run(command, parameters, CPUS[-1:])


def run(command: Sequence[str], parameters: Mapping[str, object], cpus: Sequence[int]) -> Mapping[str, float]:
    try:
        with children_on(cpus):
            process = subprocess.Popen(
                with_parameters(command, parameters), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        with process:
            try:
                output, errors = process.communicate(timeout=LIMIT)
            except BaseException:
                process.kill()
                raise
    except subprocess.TimeoutExpired:
        raise SampleFailed(f"no result after {LIMIT:.0f} s") from None
    if process.returncode != 0:
        raise SampleFailed(last_line(errors) or f"exit status {process.returncode}")
    return values_of(output)


def values_of(output: str) -> dict[str, float]:
    """The values in the last line of what a program printed."""
    try:
        values = json.loads(last_line(output))
        return {str(name): float(value) for name, value in values.items()}
    except (ValueError, AttributeError) as error:
        raise SampleFailed(f"printed no values ({error})") from None


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
