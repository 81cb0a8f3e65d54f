"""A Windows Python under Wine: the images that are written, and what is said where Wine or a compiler is missing."""

from __future__ import annotations

import shutil
import struct
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import cross_windows
import pytest
import windows_python
import windows_tests
from windows import distribution, images, wine
from windows.winpython import environment, windows_path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Wine nor a compiler for Windows is on the PATH."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


# ---- images ---------------------------------------------------------------------------------------------------------


def test_a_forwarder_exports_what_it_was_given() -> None:
    names = [b"PyMem_Free", b"Py_Main", b"_Py_NoneStruct"]
    image = images.forwarder("python3.dll", "python312", names)
    assert images.exports(image) == names
    for name in names:
        assert b"python312." + name + b"\0" in image


@pytest.mark.parametrize(("console", "system"), [(True, 3), (False, 2)])
def test_a_launcher_is_a_program(console: bool, system: int) -> None:
    image = images.launcher("python312.dll", console=console)
    (header,) = struct.unpack_from("<I", image, 0x3C)
    assert image[header : header + 4] == b"PE\0\0"
    machine, sections = struct.unpack_from("<HH", image, header + 4)
    assert (machine, sections) == (0x8664, 3)
    assert struct.unpack_from("<H", image, header + 24 + 68) == (system,)
    assert b"python312.dll\0" in image
    assert b"{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}" in image  # Windows 10


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(100)])
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a Windows image"):
        images.exports(data)


# ---- what is missing ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bare")
def test_the_packages_are_named() -> None:
    assert "apt-get install wine wine64" in windows_python.refusal()
    assert "apt-get install gcc-mingw-w64-x86-64" in cross_windows.refusal()


def test_an_unknown_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "VERSION", "3.99")
    assert "3.99" in windows_python.refusal()


@pytest.mark.usefixtures("bare")
def test_without_wine_a_skip_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("sys.argv", ["windows_tests.py", "--reports", str(tmp_path / "reports" / "wine")])
    assert windows_tests.main() == 0
    assert "apt-get install" in capsys.readouterr().err
    (skipped,) = ElementTree.parse(tmp_path / "reports" / "wine.xml").iter("skipped")
    assert "apt-get install" in (skipped.get("message") or "")


@pytest.mark.usefixtures("bare")
def test_without_wine_ci_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr("sys.argv", ["windows_tests.py", "--reports", str(tmp_path / "wine")])
    assert windows_tests.main() == 2
    assert not (tmp_path / "wine.xml").exists()


def test_only_a_distribution_for_windows_is_built(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(ValueError, match="nothing native to build"):
        cross_windows.build_module(tmp_path, tmp_path, tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.hatch.build.hooks.custom]\nmodule = "x._native"\nsources = []\nplatforms = ["linux"]\n'
    )
    with pytest.raises(ValueError, match="builds on linux only"):
        cross_windows.build_module(tmp_path, tmp_path, tmp_path)


# ---- running it -----------------------------------------------------------------------------------------------------


def test_paths_as_wine_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert windows_path("/tmp/a b") == r"Z:\tmp\a b"
    assert windows_path("relative") == "relative"
    monkeypatch.setenv("PYTHONPATH", "/one:/two")
    monkeypatch.setenv("DISPLAY", ":0")
    found = environment(tmp_path)
    assert found["PYTHONPATH"] == r"Z:\one;Z:\two"
    assert found["WINEPREFIX"] == str(tmp_path / "prefix")
    assert "DISPLAY" not in found


@pytest.mark.parametrize(
    ("said", "major"), [("wine-8.0 (Debian 8.0~repack-4)", 8), ("wine-10.0", 10), ("wine-9.0-rc2", 9)]
)
def test_the_version_of_wine(said: str, major: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wine, "version", lambda: said)
    assert wine.major() == major


def test_deviations_of_this_wine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for major in (8, 10):
        monkeypatch.setattr(wine, "version", lambda major=major: f"wine-{major}.0")
        document = tomllib.loads(windows_tests.deviations())
        found[major] = document["tool"]["compl-conformance"]["deviations"]
    assert found[10].keys() < found[8].keys()
    assert "datagram/11" in found[10]
    for entry in found[8].values():
        assert entry.keys() == {"reason", "backend"}
        assert entry["backend"] == "iocp"
        assert "Wine" in entry["reason"]
