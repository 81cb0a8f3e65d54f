"""Each source distribution builds to a wheel with no checkout around it, and the wheels import together.

    python tools/sdists.py FOLDER

Also looked at: the sdist has its licence, readme, tests and change log, the wheel has its types and nothing that was
only needed to build it.  Needs ``build`` and, for the import, what the distributions depend on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
#: Folder, import name, and the ``sys.platform`` that its wheel can be built on, if only one.
_DISTRIBUTIONS = (
    ("packages/compl-core", "compl_core", ""),
    ("packages/compl-aio", "compl_aio", "linux"),
    ("packages/compl-epoll", "compl_epoll", "linux"),
    ("packages/compl-uring", "compl_uring", "linux"),
    ("packages/compl-iocp", "compl_iocp", ""),  # elsewhere without its native part
    ("conformance", "compl_conformance", ""),
)
_IN_SDIST = ("CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "src/", "tests/")
_NOT_IN_WHEEL = frozenset({".c", ".h", ".pxd", ".pxi", ".pyx"})


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    built, site = folder / "dist", folder / "site"
    for old in (built, site):
        shutil.rmtree(old, ignore_errors=True)
    problems: list[str] = []
    importable = []
    for source, name, platform in _DISTRIBUTIONS:
        whole = not platform or sys.platform == platform
        print(f"{name}: the sdist{' and from it the wheel' if whole else f'; its wheel is for {platform}'}", flush=True)
        _build(_ROOT / source, built, whole=whole)
        problems += _check_sdist(next(built.glob(f"{name}-*.tar.gz")))
        if whole:
            problems += _check_wheel(next(built.glob(f"{name}-*.whl")), name)
            importable.append(name)
    if not problems:
        _import(built, site, importable)
    print("\n".join(problems) or f"{len(_DISTRIBUTIONS)} sdists build alone, {len(importable)} wheels import together")
    return 1 if problems else 0


def _build(source: Path, built: Path, *, whole: bool) -> None:
    """The sdist, and unless told otherwise the wheel from that sdist, unpacked in a folder of its own."""
    command = [sys.executable, "-m", "build", "--installer", "uv", "--outdir", str(built), str(source)]
    result = subprocess.run(
        command if whole else [*command, "--sdist"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        sys.exit(f"{result.stdout}\n{source}: exit code {result.returncode} of {' '.join(command)}")


def _check_sdist(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    names = [member.name.partition("/")[2] for member in members]
    lacking = [want for want in _IN_SDIST if not any(name.startswith(want) for name in names)]
    problems = [f"{path.name}: there is no {want} in it" for want in lacking]
    return problems + [f"{path.name}: {member.name} is no file" for member in members if not member.isfile()]


def _check_wheel(path: Path, name: str) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    problems = [f"{path.name}: {one} is source code" for one in names if Path(one).suffix in _NOT_IN_WHEEL]
    if f"{name}/py.typed" not in names:
        problems.append(f"{path.name}: there is no {name}/py.typed in it, so its types are not seen")
    if not any(one.endswith("licenses/LICENSE") for one in names):
        problems.append(f"{path.name}: there is no LICENSE in it")
    return problems


def _import(built: Path, site: Path, names: list[str]) -> None:
    """Install the wheels beside nothing else of this checkout, and import them from there."""
    wheels = [str(wheel) for wheel in built.glob("*.whl")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, *wheels], check=True)
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n" + "".join(
        f"import {name}; assert {name}.__file__.startswith({str(site)!r}), {name}.__file__\n" for name in names
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=built)


if __name__ == "__main__":
    sys.exit(main())
