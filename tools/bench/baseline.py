"""The C programs of ``native/``, compiled on first use and whenever their source changes."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from bench.environment import BUILD, HERE, digest

SOURCES = HERE / "native"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-pthread")


class CompileFailed(RuntimeError):
    """No compiler, or it refused: the reason in one line."""


@functools.cache
def program(name: str) -> Path:
    """The executable of ``native/<name>.c``.  Raises CompileFailed."""
    source = SOURCES / f"{name}.c"
    target = BUILD / f"{name}-{digest([source, *SOURCES.glob('*.h')])}"
    if target.exists():
        return target
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompileFailed("no C compiler: install gcc (Debian: apt-get install gcc libc6-dev)")
    done = subprocess.run([compiler, *FLAGS, "-o", target, source], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()[-1:]
        raise CompileFailed(f"{source.name}: {errors[0] if errors else 'cc failed'}")
    return target
