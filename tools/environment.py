"""A virtual environment under .dev/, made once and brought up to date on every run."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from steps import Step

ROOT = Path(__file__).resolve().parents[1]
#: All that these tools make, and nothing else does.
DEV = ROOT / ".dev"

_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input")
#: For a distribution of this checkout: its dependencies are there already, and only the checkout has it.
_LOCAL = ("--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall")


class Environment:
    """The virtual environment ``.dev/NAME``, of the interpreter that runs this."""

    def __init__(self, name: str) -> None:
        self._folder = DEV / name
        self._stamp = self._folder / "requirements.sha256"
        self.scripts = self._folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / ("python.exe" if os.name == "nt" else "python")

    def preparation(self, requirements: Sequence[str]) -> list[Step]:
        """The steps that make it, with ``requirements`` in it; none when it is as it should be."""
        wanted = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()
        if self._works() and self._stamp.is_file() and self._stamp.read_text() == wanted:
            return []
        if self._folder.exists():
            shutil.rmtree(self._folder)
        names = ", ".join(requirement.partition(">")[0] for requirement in requirements)
        return [
            Step(f"make {self._folder.relative_to(ROOT)}", [sys.executable, "-m", "venv", self._folder]),
            Step(
                f"install {names}",
                [self.python, *_PIP, *requirements],
                then=lambda: self._stamp.write_text(wanted),
            ),
        ]

    def local(self, folder: str) -> Step:
        """Build the distribution in ``folder`` of this checkout and install it."""
        return Step(f"build and install {folder}", [self.python, *_PIP, *_LOCAL, ROOT / folder])

    def _works(self) -> bool:
        """Whether its interpreter still runs: a system upgrade takes it away under the environment."""
        try:
            return subprocess.run([self.python, "-c", ""], check=False, capture_output=True).returncode == 0
        except OSError:
            return False


def requirements(*groups: str) -> list[str]:
    """The PEP 735 dependency groups of the root pyproject.toml, as pip takes them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, list[str]] = tomllib.load(file)["dependency-groups"]
    return list(dict.fromkeys(requirement for group in groups for requirement in table[group]))
