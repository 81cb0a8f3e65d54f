#!/usr/bin/env python3
"""One command for each thing to do in a checkout; each makes the environment that it needs below .dev/.

    python3 tools/dev.py demo          build all, judge every backend of this host, run real work on the best of them
    python3 tools/dev.py test          everything tox.ini says, on every Python found
    python3 tools/dev.py test --py 3.12 -k cancel
    python3 tools/dev.py lint          style, sizes, arrows, types
    python3 tools/dev.py bench ...     tools/bench, see its README

Exit codes: 0 all well, 1 something failed, 2 this machine lacks something, which is then named.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything is imported that an older one cannot parse
    print(
        f"compl needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}; use a newer one\n"
        "Debian, Ubuntu:  sudo apt-get install python3.11 python3.11-venv python3.11-dev\n"
        "Fedora:          sudo dnf install python3.11 python3.11-devel",
        file=sys.stderr,
    )
    sys.exit(2)

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import prerequisites
import summary
from environment import DEV, ROOT, Environment, requirements
from steps import StepFailed, run_steps

#: The distributions that every system can build, and the backends of one system.
_EVERYWHERE = ("packages/compl-core", "conformance")
_NATIVE = {"linux": ("aio", "epoll", "uring"), "win32": ("iocp",)}
#: Those that no sandbox and no sysctl switches off.
_CERTAIN = ("epoll", "iocp")
#: As many environments at once as there are processors: most of their time is waiting, or one compiler's.
_AT_ONCE = ("run-parallel", "--parallel", "auto", "--parallel-no-spinner")
#: What tox.ini has an environment for, on every Python.
_SUBJECTS = ("core", "aio", "epoll", "uring", "iocp", "conformance", *(("windows",) if sys.platform == "win32" else ()))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="judge every backend of this host, then serve, load and copy with the best")
    test = commands.add_parser("test", allow_abbrev=False, help="tox on every Python found; more arguments go to tox")
    test.add_argument("--py", metavar="3.12", help="on this Python only")
    test.add_argument("-k", metavar="EXPRESSION", help="only these tests, as pytest takes it")
    commands.add_parser("lint", allow_abbrev=False, help="style, sizes, arrows, types; more arguments go to tox")
    commands.add_parser("bench", add_help=False, allow_abbrev=False, help="measure; all arguments go to tools/bench")
    own = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    options, rest = parser.parse_known_args(own)
    rest += sys.argv[1 + len(own) :]
    try:
        if options.command == "demo":
            if rest:
                parser.error(f"demo takes no arguments: {' '.join(rest)}")
            return _demo()
        if options.command == "test":
            return _test(rest, options.py, options.k)
        if options.command == "lint":
            return _tox(["-e", "lint,mypy", *rest])
        return _bench(rest)
    except StepFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _demo() -> int:
    native = _NATIVE.get(sys.platform, ())
    _require(native=bool(native))
    environment = Environment("demo")
    steps = environment.preparation(requirements("build", "test"))
    steps += [environment.local(folder) for folder in _EVERYWHERE]
    steps += [environment.local(f"packages/compl-{name}") for name in native]
    run_steps(steps, log=DEV / "setup.log", folder=ROOT)
    print(flush=True)
    python = environment.python
    required = ["--require", ",".join(name for name in native if name in _CERTAIN)] if native else []
    judged = subprocess.run([python, "-m", "compl_conformance", *required], cwd=ROOT, check=False).returncode
    worked = subprocess.run([python, ROOT / "tools" / "demo"], cwd=ROOT, check=False).returncode
    if judged:
        print("\nA backend of this host breaks the contract: the first part above names the rules.", file=sys.stderr)
    return 1 if judged or worked else 0


def _bench(arguments: list[str]) -> int:
    """The benchmark makes its own environment: it has the peers in it, and their dependencies."""
    _require(native=sys.platform in _NATIVE)
    return subprocess.run([sys.executable, ROOT / "tools" / "bench", *arguments], cwd=ROOT, check=False).returncode


def _test(arguments: list[str], version: str | None, expression: str | None) -> int:
    if version:
        python = f"py{version.replace('.', '')}"
        arguments = ["-e", ",".join(f"{python}-{subject}" for subject in _SUBJECTS), *arguments]
    if expression:
        separator = [] if "--" in arguments else ["--"]
        arguments = [*arguments, *separator, "-k", expression]
    return _tox(arguments)


def _tox(arguments: list[str]) -> int:
    """Run tox and end with what it came to."""
    _require(native=sys.platform in _NATIVE)
    environment = Environment("tox")
    run_steps(environment.preparation(["tox>=4.30", "tox-uv>=1.28"]), log=DEV / "setup.log", folder=ROOT)
    results, reports = DEV / "tox.json", ROOT / ".tox" / "reports"
    results.unlink(missing_ok=True)
    shutil.rmtree(reports, ignore_errors=True)
    command = [str(environment.python), "-m", "tox", *_AT_ONCE, "--result-json", str(results), *arguments]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": _every_python()}, check=False).returncode
    text, well = summary.summarize(results, reports)
    print(text, flush=True)
    return 0 if well and code == 0 else 1


def _require(*, native: bool) -> None:
    found = prerequisites.missing(native=native)
    if found:
        print(prerequisites.report(found), file=sys.stderr)
        sys.exit(2)


def _every_python() -> str:
    """PATH with the Pythons in front that pyenv has and its shims hide, the newest of each minor version."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    newest: dict[tuple[int, int], tuple[int, Path]] = {}
    for folder in home.glob("versions/3.*.*/bin"):
        numbers = folder.parent.name.split(".")
        if all(number.isdigit() for number in numbers):
            major, minor, micro = map(int, numbers)
            if (major, minor) >= (3, 11):
                newest[major, minor] = max(newest.get((major, minor), (0, folder)), (micro, folder))
    return os.pathsep.join([*(str(folder) for _, folder in newest.values()), os.environ.get("PATH", os.defpath)])


if __name__ == "__main__":
    sys.exit(main())
