"""What this machine must bring before anything can be built, and the packages that bring it."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is not there, why it is needed, and the Debian and Fedora packages that have it."""

    what: str
    why: str
    debian: tuple[str, ...]
    fedora: tuple[str, ...]


def missing(*, native: bool) -> list[Missing]:
    """What is not there; with ``native``, also what an extension module needs."""
    found = []
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        found.append(Missing("venv and ensurepip", "to make an environment", (f"{_python()}-venv",), ("python3",)))
    if not native:
        return found
    if sys.platform == "win32":
        if not shutil.which("gcc"):
            why = "mingw-w64's, to build the native backends: winget install BrechtSanders.WinLibs.POSIX.UCRT"
            found.append(Missing("gcc on the PATH", why, (), ()))
        return found
    command = compiler()
    if not shutil.which(command[0]):
        why = f"{command[0]}, to build the native backends"
        found.append(Missing("a C compiler", why, ("gcc", "libc6-dev"), ("gcc", "glibc-devel")))
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        found.append(Missing("Python.h", f"of {sys.executable}", (f"{_python()}-dev",), ("python3-devel",)))
    if not found:
        complaint = _try_compile(command)
        if complaint:
            why = f"`{shlex.join(command)}` says: {complaint}"
            found.append(Missing("a C library with headers", why, ("libc6-dev",), ("glibc-devel",)))
    return found


def compiler() -> list[str]:
    """The command that builds extension modules here: $CC, or what this interpreter was built with."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def report(found: list[Missing]) -> str:
    """Which they are, and the two commands, one of which brings them all."""
    lines = ["This machine lacks what compl is built with:"]
    lines += [f"  {one.what} ({one.why})" for one in found]
    debian = dict.fromkeys(package for one in found for package in one.debian)
    fedora = dict.fromkeys(package for one in found for package in one.fedora)
    if debian:
        lines += [f"Debian, Ubuntu:  sudo apt-get install {' '.join(debian)}"]
    if fedora:
        lines += [f"Fedora:          sudo dnf install {' '.join(fedora)}"]
    return "\n".join(lines)


def _python() -> str:
    """Debian's name for this interpreter: a system Python is python3, another one python3.N."""
    system = Path(sys.executable).resolve() == Path("/usr/bin/python3").resolve()
    return "python3" if system else f"python3.{sys.version_info[1]}"


def _try_compile(compiler: list[str]) -> str:
    """Compile four lines against Python and the kernel; what the compiler complains of first, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\n#include <sys/epoll.h>\n#include <linux/fs.h>\nint x = EPOLLIN;\n")
        command = [
            *compiler,
            f"-I{sysconfig.get_path('include')}",
            "-c",
            str(source),
            "-o",
            str(source.with_suffix(".o")),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in result.stderr.splitlines() if "error" in line] or [f"exit code {result.returncode}"]
    return complaints[0] if result.returncode else ""
