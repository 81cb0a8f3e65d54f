"""Hold each backend's struct layouts against C compilers: the host's, and every cross compiler that is installed.

    python tools/layouts.py compl_epoll [--require aarch64,s390x]

A backend's ``layouts`` module exports ``LAYOUTS`` (by architecture), ``HEADERS`` to include and, for types that no
header has, ``DECLARATIONS`` in C.  Nothing is run: what a compiler found stands in the object file, so any target will
do.  An architecture without a compiler here is named with the package that brings one; with ``--require`` it is a
failure.
Exit codes: 0 no difference, 1 a difference, 3 a required architecture or all of them unchecked.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import prerequisites

from compl_core.architecture import architecture
from compl_core.layout import Layout, check_all
from compl_core.layout_probe import probe_source, read_probe

#: Compilers by architecture: Debian's names, of which the package is gcc- and the triplet.
_CROSS = {
    "aarch64": "aarch64-linux-gnu-gcc",
    "arm": "arm-linux-gnueabihf-gcc",
    "i386": "i686-linux-gnu-gcc",
    "loongarch64": "loongarch64-linux-gnu-gcc",
    "ppc64": "powerpc64-linux-gnu-gcc",
    "ppc64le": "powerpc64le-linux-gnu-gcc",
    "riscv64": "riscv64-linux-gnu-gcc",
    "s390x": "s390x-linux-gnu-gcc",
    "win32": "i686-w64-mingw32-gcc",
    "win64": "x86_64-w64-mingw32-gcc",
    "x86_64": "x86_64-linux-gnu-gcc",
    "x32": "x86_64-linux-gnux32-gcc",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="import name of a backend: compl_epoll")
    parser.add_argument("--require", default="", metavar="A,B", help="architectures that must be checked")
    options = parser.parse_args()
    required = {name for name in options.require.split(",") if name}
    differences = checked = 0
    unchecked: set[str] = set()
    for package in options.packages:
        layouts = importlib.import_module(f"{package}.layouts")
        for name, wanted in layouts.LAYOUTS.items():
            compiler = _compiler(name)
            if compiler is None:
                unchecked.add(name)
                print(f"{package}  {name:<12} not checked: {_how_to_get(name)}")
                continue
            found = _differences(compiler, wanted, layouts.HEADERS, getattr(layouts, "DECLARATIONS", ""))
            checked += 1
            differences += len(found)
            verdict = f"{len(wanted)} layouts as declared" if not found else "DIFFERENT"
            print(f"{package}  {name:<12} {verdict} ({shlex.join(compiler)})", *found, sep="\n    ")
    absent = required & unchecked
    if absent:
        print(f"required, but not checked: {', '.join(sorted(absent))}", file=sys.stderr)
    if not checked:
        print("nothing was checked: no compiler for any of these architectures", file=sys.stderr)
    return 1 if differences else 3 if absent or not checked else 0


def _compiler(name: str) -> list[str] | None:
    """The command that compiles for an architecture, if this host has one."""
    if name == architecture().name and sys.platform != "win32":
        words = prerequisites.compiler()
        return words if shutil.which(words[0]) else None
    if name == "win32" and not shutil.which(_CROSS[name]) and shutil.which(_CROSS["win64"]):
        return [_CROSS["win64"], "-m32"]  # mingw-w64 has one set of headers for both
    return [_CROSS[name]] if name in _CROSS and shutil.which(_CROSS[name]) else None


def _how_to_get(name: str) -> str:
    if name not in _CROSS:
        return f"no compiler for {name} is known to tools/layouts.py; add one to its table"
    package = f"gcc-{_CROSS[name].removesuffix('-gcc')}".replace("_", "-")
    if "mingw" in package:
        package = "gcc-mingw-w64"
    return f"there is no {_CROSS[name]} (Debian: apt-get install {package})"


def _differences(compiler: list[str], wanted: Sequence[Layout], headers: Sequence[str], declarations: str) -> list[str]:
    """What the compiler says otherwise, one line each; that it refuses the probe is one as well."""
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder, "probe.c"), Path(folder, "probe.o")
        source.write_text(probe_source(wanted, headers, declarations))
        command = [*compiler, "-c", str(source), "-o", str(built)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            return [f"the probe does not compile: {(errors or ['no message'])[0]}"]
        return check_all(wanted, read_probe(built.read_bytes()))


if __name__ == "__main__":
    sys.exit(main())
