"""Prepare the release of one distribution, or check that one is prepared.

    python tools/release.py compl-epoll 0.2.0     set the version, turn the fragments in changes/ into the change log
    python tools/release.py --check compl-epoll-v0.2.0     what release.yml asks of a tag

It commits and tags nothing: it ends by naming the two commands that do.  Needs ``towncrier``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


class NotReady(Exception):
    """What stands in the way of a release."""


class Distribution:
    """One of those in this repository, found by its name."""

    def __init__(self, name: str) -> None:
        folders = {}
        for file in [*_ROOT.glob("packages/*/pyproject.toml"), _ROOT / "conformance" / "pyproject.toml"]:
            project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
            folders[project["name"]] = (file.parent, project["version"])
        if name not in folders:
            raise NotReady(f"no distribution is called {name!r}; there are {', '.join(sorted(folders))}")
        self.name = name
        self.folder, self.version = folders[name]
        self.module = self.folder / "src" / name.replace("-", "_") / "__init__.py"

    def check(self, version: str) -> None:
        """The version is the same in all three places that state it, and no fragment is left over."""
        stated = {
            "pyproject.toml": self.version,
            "__init__.py": _stated(self.module, r'^__version__ = "(.+)"$'),
            "CHANGELOG.md": _stated(self.folder / "CHANGELOG.md", r"^## (\S+)"),
        }
        wrong = [f"{file} says {found or 'nothing'}" for file, found in stated.items() if found != version]
        if wrong:
            raise NotReady(f"{self.name} {version}: {'; '.join(wrong)}; run tools/release.py {self.name} {version}")
        if self.fragments():
            raise NotReady(f"{self.name} {version}: changes/ still has {', '.join(self.fragments())}")

    def fragments(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "changes").glob("*.md") if path.name != "README.md")

    def prepare(self, version: str) -> None:
        """Write the version where it is stated, and the change log."""
        if not self.fragments():
            raise NotReady(f"{self.folder.relative_to(_ROOT)}/changes has no fragments: there is nothing to release")
        _restate(self.folder / "pyproject.toml", r'^version = ".+"$', f'version = "{version}"')
        _restate(self.module, r'^__version__ = ".+"$', f'__version__ = "{version}"')
        command = [sys.executable, "-m", "towncrier", "build", "--yes", "--config", str(_ROOT / "pyproject.toml")]
        subprocess.run([*command, "--dir", str(self.folder), "--name", self.name, "--version", version], check=True)


def _stated(file: Path, pattern: str) -> str:
    """The first thing in the file that matches, or nothing."""
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def _restate(file: Path, pattern: str, line: str) -> None:
    text, count = re.subn(pattern, line, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count != 1:
        raise NotReady(f"{file.relative_to(_ROOT)}: {count} lines match {pattern}, and one should")
    file.write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="TAG", help="only check what the tag names; prints its folder")
    parser.add_argument("name", nargs="?", help="compl-epoll")
    parser.add_argument("version", nargs="?", help="0.2.0")
    options = parser.parse_args()
    tagged = options.check is not None
    name, _, version = options.check.rpartition("-v") if tagged else (options.name, "", options.version)
    if not name or not version:
        parser.error("give a name and a version, or --check and a tag: compl-epoll-v0.2.0")
    try:
        if not _VERSION.fullmatch(version):
            raise NotReady(f"{version!r} is not a version: 0.2.0, 0.2.0rc1")
        distribution = Distribution(name)
        if not tagged:
            distribution.prepare(version)
            distribution = Distribution(name)
        distribution.check(version)
    except NotReady as error:
        sys.exit(f"release: {error}")
    if tagged:
        print(distribution.folder.relative_to(_ROOT).as_posix())
    else:
        print(f"Now: git commit -am '{name} {version}' && git tag -s {name}-v{version} && git push --follow-tags")
    return 0


if __name__ == "__main__":
    sys.exit(main())
