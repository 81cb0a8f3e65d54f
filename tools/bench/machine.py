"""What the numbers were taken on, and how busy others keep it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

#: Cores that others may use before a sample counts as disturbed.
QUIET = 0.2


def describe(modules: Iterable[str]) -> dict[str, object]:
    """CPU, memory, kernel, Python, compiler, and the versions of what was compared."""
    return {
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "versions": {module: found for module in sorted(set(modules)) if (found := version_of(module))},
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def compiler() -> str:
    found = shutil.which("cc")
    if found is None:
        return "none"
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]


def version_of(module: str) -> str | None:
    try:
        return version(module.replace("_", "-"))
    except PackageNotFoundError:
        return None


class Neighbours:
    """How many cores other processes used between :meth:`start` and :meth:`stop`.

    The kernel counts in ticks of 10 ms, so that this means something from some tenths of a second on.
    """

    def start(self) -> None:
        self.at, self.busy, self.own = time.monotonic(), busy_seconds(), own_seconds()

    def stop(self) -> float:
        spent = time.monotonic() - self.at
        others = (busy_seconds() - self.busy) - (own_seconds() - self.own)
        return round(max(0.0, others / spent), 3)


def busy_seconds() -> float:
    """CPU time that anybody on this machine, or its host (steal), has used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def own_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def wait_for_quiet(limit: float) -> None:
    """Return when others leave the machine alone, or after ``limit`` seconds."""
    deadline = time.monotonic() + limit
    neighbours = Neighbours()
    while time.monotonic() < deadline:
        neighbours.start()
        time.sleep(0.2)
        if neighbours.stop() < QUIET:
            return


def supported() -> str:
    """Why the benchmark cannot run here; empty when it can."""
    if sys.platform != "linux":
        return "the rows so far measure Linux: run this on a Linux host"
    return ""
