"""Row `copy`: the file, and timing copies of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.environment import BUILD
from bench.process import run_anywhere
from bench.row import Values

SIZE = 1 << 30
PATH = BUILD / "gigabyte.bin"
#: Copies in a sample, of which the fastest counts.  On a virtual machine, one that touches memory which the host took
#: back waits for the host, up to five times as long as all else takes; which one does so is chance.
COPIES = 3


def run_with_file(command: Sequence[str], parameters: Mapping[str, object]) -> Values:
    """Make the file if it is not there."""
    if not PATH.exists() or PATH.stat().st_size != SIZE:
        with PATH.open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    target = PATH.with_suffix(".copy")
    try:
        return run_anywhere(command, {**parameters, "source": PATH, "target": target, "copies": COPIES})
    finally:
        target.unlink(missing_ok=True)


def measured(copy: Callable[[int, int, int], None], source: str, target: str, copies: int, cold: int) -> Values:
    """Time ``copy(source, target, size)``, given descriptors; opening and closing counts as well."""

    def open_and_copy() -> None:
        reading = os.open(source, os.O_RDONLY)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        copy(reading, writing, os.fstat(reading).st_size)
        os.close(reading)
        os.close(writing)

    return measured_call(open_and_copy, source, target, copies, cold)


def measured_call(copy: Callable[[], object], source: str, target: str, copies: int, cold: int) -> Values:
    fastest, values = float("inf"), {}
    for _ in range(copies):
        Path(target).unlink(missing_ok=True)
        cached(source, cold)
        cpu, wall = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID), time.perf_counter_ns()
        copy()
        wall, cpu = time.perf_counter_ns() - wall, time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID) - cpu
        if wall < fastest:
            fastest, size = wall, Path(source).stat().st_size
            values = {"rate": size / wall * 1e3, "cpu": cpu / size * 2**20 / 1e3}
    compare(source, target)
    return values


def cached(path: str, cold: int) -> None:
    """Take the file out of the page cache, or bring it in."""
    with Path(path).open("rb", buffering=0) as file:
        if cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def compare(source: str, target: str) -> None:
    with Path(source).open("rb") as left, Path(target).open("rb") as right:
        while piece := left.read(1 << 20):
            if right.read(1 << 20) != piece:
                raise RuntimeError(f"the copy differs before byte {left.tell()}")
        if right.read(1):
            raise RuntimeError("the copy is longer")
