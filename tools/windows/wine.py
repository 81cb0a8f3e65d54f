"""What Wine must be there for, and a prefix of one's own: Windows 10, without menus, windows and crash dialogues."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from prerequisites import Missing

from windows.winpython import environment

#: Registry values of a prefix.
_REGISTRY = (
    (r"HKCU\Software\Wine", "Version", "win10"),
    (r"HKCU\Software\Wine\Drivers", "Graphics", "null"),
    # A program that crashes ends with its status, without a debugger's report.
    (r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug", "Debugger", ""),
)


def missing() -> list[Missing]:
    """What a Windows Python needs to run here, and is not there."""
    lacking = [name for name in ("wine", "wineserver") if not shutil.which(name)]
    if not lacking:
        return []
    why = f"{' and '.join(lacking)}, to run a Windows Python"
    return [Missing("Wine", why, ("wine", "wine64"), ("wine-core",))]


def version() -> str:
    """Such as ``wine-8.0 (Debian 8.0~repack-4)``."""
    return subprocess.run(["wine", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def major() -> int:
    """8 of ``wine-8.0 (Debian 8.0~repack-4)``."""
    found = re.search(r"wine-(\d+)", version())
    if not found:
        raise ValueError(f"wine --version says {version()!r}, which names no version")
    return int(found[1])


def make_prefix(folder: Path) -> None:
    """``folder/prefix``, afresh."""
    variables = environment(folder)
    prefix = folder / "prefix"
    if prefix.exists():
        subprocess.run(["wineserver", "-k"], env=variables, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(prefix)
    prefix.mkdir(parents=True)
    commands = [["wineserver", "-p60"], ["wine", "wineboot", "--init"]]
    commands += [["wine", "reg", "add", key, "/v", name, "/d", value, "/f"] for key, name, value in _REGISTRY]
    for command in commands:
        # Nothing is captured: what the server starts would keep the pipe open.
        subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
