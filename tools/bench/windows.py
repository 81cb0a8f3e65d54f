"""Rows that run on a Windows CPython under Wine: the interpreter, this checkout's compl-iocp for it, and commands.

Wine's server answers each call on a completion port in about seven microseconds, which says nothing about Windows.
So Python's share of a completion is measured with the kernel's part taken out (native/memory_queue.c), and echo, where
that cannot be done, only as a ratio to a peer that has the same server behind it.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import environment
from bench.environment import BUILD, HERE, ROOT, digest
from bench.process import CPUS, SampleFailed, last_line, run

STAGE = BUILD / "windows"
COMPILER = "x86_64-w64-mingw32-gcc"


def run_under_wine(command: Sequence[str], parameters: Mapping[str, object]) -> Mapping[str, float]:
    """The same worker in the Windows Python; raises SampleFailed where there can be none."""
    interpreter = winpython()
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (stage(), ROOT / "packages/compl-core/src", ROOT / "tools")))
    try:
        return run([str(interpreter), *command[1:]], parameters, CPUS)
    finally:
        del os.environ["PYTHONPATH"]


@functools.cache
def winpython() -> Path:
    """The command of tools/windows_python.py."""
    return Path(last_line(tool("windows_python.py")))


@functools.cache
def stage() -> Path:
    """A folder to import compl_iocp from, with memory_queue.dll beside it."""
    source = ROOT / "packages" / "compl-iocp"
    stamp = STAGE / "stamp"
    state = digest([*environment.sources(source), HERE / "native" / "memory_queue.c"])
    if stamp.exists() and stamp.read_text() == state:
        return STAGE
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(
        source / "src" / "compl_iocp",
        STAGE / "compl_iocp",
        ignore=shutil.ignore_patterns("*.p[yx][xi]", "*.h", "*.pyd"),
    )
    builders = ["hatchling>=1.27", "setuptools>=77", "cython>=3.3,<3.4"]
    environment.refresh(environment.load(), "windows-builders", " ".join(builders), builders)
    tool("cross_windows.py", str(source), "--module-only", str(STAGE / "compl_iocp"))
    library = [
        COMPILER,
        "-O2",
        "-shared",
        "-o",
        "memory_queue.dll",
        str(HERE / "native" / "memory_queue.c"),
        "-lws2_32",
    ]
    done = subprocess.run(library, cwd=STAGE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SampleFailed(f"memory_queue.c: {last_line(done.stderr)}")
    stamp.write_text(state)
    return STAGE


def tool(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / name), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SampleFailed(f"{name}: {last_line(done.stderr) or f'exit status {done.returncode}'}")
    return done.stdout
