#!/usr/bin/env python3
"""Build a native distribution's wheel for 64-bit Windows here, with mingw-w64; prints the path of what it built.

    python3.12 tools/cross_windows.py packages/compl-iocp --out dist                  dist/compl_iocp-...-win_amd64.whl
    python3.12 tools/cross_windows.py dist/compl_iocp-0.1.0.tar.gz --out dist         the same, of the sdist alone
    python3.12 tools/cross_windows.py packages/compl-iocp --module-only packages/compl-iocp/src/compl_iocp

For the minor version of the interpreter that runs this, which needs cython and hatchling.  Headers are this
interpreter's, with a pyconfig.h for Windows; the import library is made of the exports of the Windows Python's own DLL
(tools/windows_python.py makes one if there is none).  The module then goes through the build hook as one that was
compiled elsewhere (COMPL_PREBUILT).

Exit codes: 0 built, 1 a step failed, 2 this machine lacks something, which is then named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from pathlib import Path
from runpy import run_path
from typing import Any

import prerequisites
import windows_python
from prerequisites import Missing
from windows import images
from windows.distribution import DIGITS

_HERE = Path(__file__).resolve().parent
_COMPILER = "x86_64-w64-mingw32-gcc"
_DLLTOOL = "x86_64-w64-mingw32-dlltool"
SUFFIX = f".cp{DIGITS}-win_amd64.pyd"
_TAG = f"cp{DIGITS}-cp{DIGITS}-win_amd64"
_WARNINGS = ("-Wall", "-Wno-unused-function")  # Cython leaves some


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of the distribution, or its sdist")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="where the wheel goes (default: %(default)s)")
    parser.add_argument("--module-only", type=Path, metavar="FOLDER", help="only the .pyd, to this folder")
    parser.add_argument("--cache", type=Path, default=windows_python.CACHE, help="of tools/windows_python.py")
    parser.add_argument("--debug", action="store_true", help="with symbols and without optimisation")
    options = parser.parse_args()
    lacking = refusal()
    if lacking:
        print(lacking, file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = _unpacked(options.source, Path(folder, "sdist"))
            module = build_module(source, Path(folder), options.cache, debug=options.debug)
            if options.module_only is not None:
                options.module_only.mkdir(parents=True, exist_ok=True)
                print(shutil.copy2(module, options.module_only))
            else:
                print(build_wheel(source, module, options.out))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"cross_windows: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def missing() -> list[Missing]:
    """What a build for Windows needs, and is not there."""
    lacking = [name for name in (_COMPILER, _DLLTOOL) if not shutil.which(name)]
    if not lacking:
        return []
    why = f"{' and '.join(lacking)}, to build for Windows"
    return [Missing("mingw-w64", why, ("gcc-mingw-w64-x86-64",), ("mingw64-gcc",))]


def refusal() -> str:
    """Why nothing can be built here and what to do, or nothing."""
    found = missing()
    return prerequisites.report(found) if found else windows_python.refusal()


def build_module(source: Path, folder: Path, cache: Path, *, debug: bool = False) -> Path:
    """Cython, then mingw, of the distribution in ``source``; the .pyd, in ``folder``."""
    options = _options(source)
    native = source / "native" if (source / "native").is_dir() else _HERE / "native"
    directives = run_path(str(native / "build_hook.py"))["DIRECTIVES"]
    searched = [native, *dict.fromkeys((source / name).parent for name in options["sources"])]
    name = options["module"].rpartition(".")[2]
    generated = []
    for number, unit in enumerate(options["sources"]):
        if not unit.endswith(".pyx"):
            generated.append(source / unit)
            continue
        generated.append(folder / f"{name}{number}.c")
        words = ["-3", "--module-name", options["module"], "-o", str(generated[-1])]
        words += [word for include in searched for word in ("-I", str(include))]
        words += [word for item in directives.items() for word in ("-X", "=".join(map(str, item)))]
        _call(sys.executable, "-m", "cython", *words, str(source / unit), folder=source)
    built = folder / f"{name}{SUFFIX}"
    _call(
        _COMPILER,
        *(("-O0", "-g") if debug else ("-O2", "-g0")),
        *_WARNINGS,
        "-shared",
        "-static",  # libgcc and winpthreads: a Windows has neither
        f"-I{_headers(folder)}",
        *(f"-I{include}" for include in searched),
        "-D_WIN32_WINNT=0x0A00",
        *os.environ.get("CFLAGS", "").split(),
        *map(str, generated),
        "-o",
        str(built),
        _import_library(folder, cache),
        *(f"-l{library}" for library in options.get("libraries", ())),
        folder=source,
    )
    return built


def build_wheel(source: Path, module: Path, out: Path) -> Path:
    """The distribution's wheel with that module in it."""
    out.mkdir(parents=True, exist_ok=True)
    name = source_name(source)
    for old in out.glob(f"{name}-*-{_TAG}.whl"):
        old.unlink()
    _call(
        sys.executable,
        *("-m", "hatchling", "build", "-t", "wheel", "-d", str(out.absolute())),
        folder=source,
        variables={"COMPL_PREBUILT": f"{_TAG}={module}"},
    )
    (wheel,) = out.glob(f"{name}-*-{_TAG}.whl")
    return wheel


def source_name(source: Path) -> str:
    """How the files of a distribution begin: ``compl_iocp``."""
    return str(_project(source)["project"]["name"]).replace("-", "_")


def _unpacked(source: Path, folder: Path) -> Path:
    if source.is_dir():
        return source.resolve()
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (only,) = folder.iterdir()
    return only


def _project(source: Path) -> dict[str, Any]:
    with (source / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def _options(source: Path) -> dict[str, Any]:
    try:
        options: dict[str, Any] = _project(source)["tool"]["hatch"]["build"]["hooks"]["custom"]
    except KeyError:
        raise ValueError(f"{source}: no [tool.hatch.build.hooks.custom], so there is nothing native to build") from None
    if "win32" not in options["platforms"]:
        raise ValueError(f"{source}: builds on {', '.join(options['platforms'])} only, and this is for win32")
    return options


def _headers(folder: Path) -> Path:
    """This interpreter's, without what its configure script found out about this system."""
    copied = folder / "include"
    paths = [Path(sysconfig.get_path("include")), Path(sysconfig.get_path("platinclude"))]
    for path in dict.fromkeys(paths):
        shutil.copytree(path, copied, dirs_exist_ok=True)
    shutil.copy2(_HERE / "windows" / "pyconfig.h", copied / "pyconfig.h")
    return copied


def _import_library(folder: Path, cache: Path) -> str:
    python = windows_python.make(cache=cache).parent / "python"
    dll = python / f"python{DIGITS}.dll"
    definition, library = folder / "python.def", folder / f"libpython{DIGITS}.a"
    names = "\n".join(name.decode() for name in images.exports(dll.read_bytes()))
    definition.write_text(f"LIBRARY {dll.name}\nEXPORTS\n{names}\n")
    _call(_DLLTOOL, "--input-def", str(definition), "--output-lib", str(library), folder=folder)
    return str(library)


def _call(*command: str, folder: Path, variables: dict[str, str] | None = None) -> None:
    environment = {**os.environ, **(variables or {})}
    result = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        raise OSError(f"{command[0]} ended with {result.returncode}:\n{result.stdout}\n$ {' '.join(command)}")
    if command[0] == _COMPILER:
        print(result.stdout, end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
