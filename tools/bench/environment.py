"""The benchmark's own environment: a venv per Python with the peers from PyPI and this checkout's packages built in.

Made on first use under ``.build/`` and kept; a package is installed again when its sources change.  What cannot be
installed is recorded with its reason.  Only the standard library here: nothing else is there yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = HERE / ".build" / (sys.implementation.cache_tag or "python")
VENV = BUILD / "venv"
PYTHON = VENV / "bin" / "python"
#: What was installed and from which state of its source, or why not: ``{name: {"stamp": ..., "reason": ...}}``.
RECORD = BUILD / "installed.json"


def enter(arguments: list[str]) -> None:
    """Return if this is the environment's Python; else complete the environment and run the same command in it."""
    if Path(sys.prefix) == VENV:
        return
    prepare()
    os.execv(PYTHON, [str(PYTHON), "-P", "-m", "bench", *arguments])


def prepare() -> None:
    """Make or refresh the environment; a peer or package that fails to install does not stop it."""
    if not PYTHON.exists():
        say(f"making {VENV.relative_to(ROOT)}")
        BUILD.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", str(VENV)], BUILD / "venv.log", fatal=True)
        site = next((VENV / "lib").glob("python*/site-packages"))
        (site / "bench.pth").write_text(f"{HERE.parent}\n")  # `python -m bench.worker` works from anywhere
    record = load()
    requirements = HERE / "requirements.txt"
    refresh(record, "requirements.txt", digest([requirements]), ["-r", str(requirements)], fatal=True)
    for line in (HERE / "peers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            refresh(record, line.partition("==")[0], line, [line])
    # compl-core first: the others depend on it, and none of them is looked for on PyPI.
    for package in sorted((ROOT / "packages").glob("compl-*"), key=lambda path: path.name != "compl-core"):
        stamp = digest(sources(package))
        refresh(record, package.name.replace("-", "_"), stamp, ["--no-deps", "--force-reinstall", str(package)])


def absent() -> dict[str, str]:
    """Why a peer or package is not there, by module name."""
    return {name: entry["reason"] for name, entry in load().items() if entry["reason"]}


def load() -> dict[str, dict[str, str]]:
    record: dict[str, dict[str, str]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return record


def refresh(
    record: dict[str, dict[str, str]], name: str, stamp: str, arguments: list[str], *, fatal: bool = False
) -> None:
    """Install unless this very state is installed already; a failure is tried again next time."""
    entry = record.get(name)
    if entry is not None and entry["stamp"] == stamp and not entry["reason"]:
        return
    say(f"installing {name}")
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-q", *arguments]
    reason = run(command, BUILD / f"{name}.log", fatal=fatal)
    if reason:
        say(f"  absent: {reason}")
    record[name] = {"stamp": stamp, "reason": reason}
    RECORD.write_text(json.dumps(record, indent=2))


def sources(package: Path) -> Iterable[Path]:
    """The files that a package is built from: its own and the native code that the packages share."""
    for folder in (package / "src", ROOT / "tools" / "native"):
        yield from (path for path in folder.rglob("*") if path.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h", ".c"})
    yield package / "pyproject.toml"


def digest(files: Iterable[Path]) -> str:
    """One hash over names and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def run(command: list[str], log: Path, *, fatal: bool = False) -> str:
    """Run a command; its failure in one line, empty when it succeeded.  ``log`` keeps all that it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    log.write_text(done.stdout)
    if done.returncode == 0:
        return ""
    if fatal:
        sys.exit(f"{done.stdout}\n{' '.join(command)}: failed, and the benchmark cannot go on without it: see above")
    lines = [line.strip() for line in done.stdout.splitlines()]
    # What a build backend raised says more than pip's summary of it.
    named = [line for line in lines if re.match(r"\w+Error: ", line)] or [line for line in lines if "ERROR:" in line]
    return f"{named[-1] if named else 'pip failed'} ({log.relative_to(ROOT)})"


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
