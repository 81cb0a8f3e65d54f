#!/usr/bin/env python3
"""Build compl-iocp for Windows here, and check, test and judge it on a genuine Windows CPython, under Wine.

    python3.12 tools/windows_tests.py                     its layouts, stubs and tests, the whole conformance suite
    python3.12 tools/windows_tests.py --judge cancel/3 --repeat 10
    python3.12 tools/windows_tests.py --test -k afd

All distributions are built as wheels and installed to a folder of this run's own, never used from the source tree; the
Python itself (tools/windows_python.py) is kept.  Rules that fail because Wine is not Windows are declared in
tools/windows/wine.toml.

Where Wine or mingw-w64 is missing nothing is run: that is said, with the packages to install, and is one skip in the
report.  With CI in the environment it is a failure.
Exit codes: 0 all well or nothing to run it with, 1 something failed, 2 something is missing that CI requires.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cross_windows
import windows_python
from environment import DEV, ROOT, requirements
from windows import wine
from windows.distribution import VERSION, pip, platform_options
from windows.winpython import windows_path

_PURE = ("packages/compl-core", "conformance")
_NATIVE = "packages/compl-iocp"
#: pip evaluates the markers of dependencies for the system that it runs on, which needs no colorama.
_FOR_WINDOWS = ("colorama",)
_NOT_FOR_WINDOWS = ("pytest-xdist",)
#: What holds the stub of the native module against the module, which only Windows can import.
_STUBTEST = ("mypy", "typing-extensions")
#: Wine 8 lacks a DLL that mypy's own parser wants.
_MYPY = "[mypy]\nstrict = True\nnative_parser = False\n"
#: Seconds for a rule: on a busy machine, Wine takes several to start a process, and some rules start a few.
_PATIENCE = "60"
DEVIATIONS = ROOT / "tools" / "windows" / "wine.toml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.allow_abbrev = False
    parser.add_argument("--site", type=Path, default=DEV / "windows" / VERSION / "site", help="where the wheels go")
    parser.add_argument("--reports", type=Path, help="write JUnit files whose names begin so")
    parser.add_argument("--test", action="store_true", help="only the tests; further arguments go to pytest")
    parser.add_argument("--judge", action="store_true", help="only the suite; further arguments are for it")
    options, rest = parser.parse_known_args()
    if rest and options.test == options.judge:
        parser.error(f"{' '.join(rest)}: say with --test or --judge whom this is for")
    lacking = cross_windows.refusal()
    if lacking:
        return _not_run(lacking, options.reports)
    wanted = [name for name in requirements("test") if not name.startswith(_NOT_FOR_WINDOWS)]
    wanted += [name for name in requirements("typing") if name.startswith(_STUBTEST)]
    python = windows_python.make([*wanted, *_FOR_WINDOWS])
    _install(options.site)
    failed = 0
    if not rest:
        failed |= _check(python, options.site)
    if not options.judge:
        command = ["-m", "pytest", "-p", "no:cacheprovider", f"{_NATIVE}/tests", *_report(options.reports, "")]
        failed |= _run(python, options.site, [*command, *rest])
    if not options.test:
        declared = options.site / "deviations.toml"
        declared.write_text(deviations(), encoding="utf-8")
        command = ["-m", "compl_conformance", "--require", "iocp", "--timeout", _PATIENCE]
        command += ["--deviations", windows_path(str(declared.absolute()))]
        failed |= _run(python, options.site, [*command, *_report(options.reports, "-judged"), *(rest or ["iocp"])])
    return 1 if failed else 0


def _check(python: Path, site: Path) -> int:
    """Layouts against mingw-w64's headers, and the stub against the module."""
    command = [sys.executable, str(ROOT / "tools" / "layouts.py"), "compl_iocp", "--require", "win32,win64"]
    environment = {**os.environ, "PYTHONPATH": str(site.absolute())}
    failed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    configuration = site / "mypy.ini"
    configuration.write_text(_MYPY, encoding="utf-8")
    options = ["--concise", "--mypy-config-file", windows_path(str(configuration.absolute()))]
    return failed | _run(python, site, ["-m", "mypy.stubtest", *options, "compl_iocp._native"])


def _not_run(lacking: str, reports: Path | None) -> int:
    required = bool(os.environ.get("CI"))
    lines = [line.strip() for line in lacking.splitlines()]
    print(lacking, file=sys.stderr)
    print("compl-iocp was not tested:" + (" CI requires it" if required else " no Wine here"), file=sys.stderr)
    if reports is not None and not required:
        reports.parent.mkdir(parents=True, exist_ok=True)
        reason = quoteattr("; ".join(lines))
        case = f'<testcase classname="wine" name="compl-iocp"><skipped message={reason}/></testcase>'
        report = f'<testsuites><testsuite name="wine" tests="1" skipped="1">{case}</testsuite></testsuites>'
        reports.with_name(f"{reports.name}.xml").write_text(report, encoding="utf-8")
    return 2 if required else 0


def _install(site: Path) -> None:
    """The wheels of this checkout, and nothing else, in ``site``."""
    shutil.rmtree(site, ignore_errors=True)
    wheels = site / "wheels"
    wheels.mkdir(parents=True)
    for folder, target in [*((folder, "wheel") for folder in _PURE), (_NATIVE, "sdist")]:
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(wheels)]
        subprocess.run(command, cwd=ROOT / folder, check=True, stdout=subprocess.DEVNULL)
    (sdist,) = wheels.glob("*.tar.gz")  # the native one goes the whole way
    command = [sys.executable, str(ROOT / "tools" / "cross_windows.py"), str(sdist), "--out", str(wheels)]
    subprocess.run(command, check=True)
    found = [str(wheel) for wheel in wheels.glob("*.whl")]
    pip("install", "--no-index", "--no-deps", "--target", str(site), *platform_options(), *found)


def deviations() -> str:
    """Those of this Wine, as compl-conformance takes them."""
    with DEVIATIONS.open("rb") as file:
        declared = tomllib.load(file)["tool"]["compl-conformance"]["deviations"]
    lines = ["[tool.compl-conformance.deviations]"]
    for rule, entry in declared.items():
        if wine.major() < entry.get("fixed", math.inf):
            lines.append(f"{json.dumps(rule)} = {{ reason = {json.dumps(entry['reason'])}, backend = 'iocp' }}")
    return "\n".join([*lines, ""])


def _report(reports: Path | None, suffix: str) -> list[str]:
    if reports is None:
        return []
    return ["--junit" if suffix else "--junit-xml", windows_path(f"{reports.absolute()}{suffix}.xml")]


def _run(python: Path, site: Path, arguments: list[str]) -> int:
    environment = {**os.environ, "PYTHONPATH": str(site.absolute()), "PYTHONDONTWRITEBYTECODE": "1"}
    print(f"$ winpython {' '.join(arguments)}", flush=True)
    return subprocess.run([python, *arguments], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
