"""``python -m compl_core``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import compl_core
from compl_core import Backend, Capability
from compl_core.__main__ import main

Install = Callable[[str, object], str]
Make = Callable[..., Backend]


@pytest.fixture
def three(install: Install, make_backend: Make) -> None:
    """One that is refused, one that opens, one that cannot be loaded."""
    install("uring", make_backend("uring", refused="io_uring_setup: EPERM (kernel.io_uring_disabled=2)"))
    install("epoll", make_backend("epoll"))
    install("broken", "no_such_module_here:backend")


@pytest.mark.usefixtures("three")
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"compl-core {compl_core.__version__}, contract {compl_core.CONTRACT}, ")
    words = [line.split(maxsplit=3) for line in lines]
    rows = {row[0]: row[1:3] for row in words if len(row) == 4 and row[1] in ("available", "yes", "no")}
    assert rows == {
        "backend": ["available", "contract"],
        "uring": ["no", "1.0"],
        "epoll": ["yes", "1.0"],
        "broken": ["no", "-"],
    }
    text = "\n".join(lines)
    assert "    reason        io_uring_setup: EPERM (kernel.io_uring_disabled=2)\n" in text
    assert "    fix           mend uring\n" in text
    assert "    capabilities  CANCEL\n" in text
    assert "    not here      TIMEOUT\n" in text
    assert "    details       kernel: 6.18\n" in text
    assert "ModuleNotFoundError: No module named 'no_such_module_here'" in " ".join(text.split())
    assert lines[-1].startswith("open_port() opens epoll: the first that this host can open of uring, aio, epoll, iocp")


@pytest.mark.usefixtures("three")
def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["compl_core"], document["contract"]) == (compl_core.__version__, compl_core.CONTRACT)
    assert (document["opens"], document["COMPL_BACKEND"]) == ("epoll", None)
    uring, epoll, broken = document["backends"]
    assert (uring["name"], uring["available"], uring["fix"]) == ("uring", False, "mend uring")
    del epoll["from"]
    assert epoll == {
        "name": "epoll",
        "contract": "1.0",
        "available": True,
        "capabilities": ["CANCEL"],
        "reason": "",
        "fix": "",
        "details": {"kernel": "6.18"},
    }
    assert (broken["name"], broken["contract"], broken["available"]) == ("broken", None, False)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("epoll", "opens epoll: asked for by COMPL_BACKEND in the environment"),
        ("uring", "raises BackendUnavailable: uring was asked for by COMPL_BACKEND in the environment, and is refused"),
        (
            "broken",
            "raises BackendUnavailable: broken was asked for by COMPL_BACKEND in the environment, and is refused",
        ),
    ],
)
def test_the_environment_chooses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, last: str
) -> None:
    monkeypatch.setenv("COMPL_BACKEND", name)
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"open_port() {last}"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("arguments", [[], ["--json"]])
@pytest.mark.parametrize("name", ["aio", "eploll", "no_such_module_here:backend", "a:b:c"])
def test_an_unknown_name_in_the_environment_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("COMPL_BACKEND", name)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"python -m compl_core: COMPL_BACKEND={name}: ")


def test_a_path_in_the_environment_joins_the_table(
    install: Install, make_backend: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = install("mine", make_backend("mine", capabilities=Capability.CANCEL))
    monkeypatch.setenv("COMPL_BACKEND", path)
    assert main(["--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["opens"] == path
    assert [backend["name"] for backend in document["backends"]] == ["mine", path]


def test_nothing_installed_says_what_to_do(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "open_port() raises BackendUnavailable: no backend is installed; " in capsys.readouterr().out


def test_none_that_opens_is_said(install: Install, make_backend: Make, capsys: pytest.CaptureFixture[str]) -> None:
    install("uring", make_backend("uring", refused="why"))
    assert main([]) == 0
    assert capsys.readouterr().out.endswith("BackendUnavailable: none of these opens on this host\n")


def test_a_mistake_on_the_command_line_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--xml"])
    assert caught.value.code == 2
    assert "usage: python -m compl_core" in capsys.readouterr().err


def test_a_really_installed_distribution_is_found(tmp_path: Path) -> None:
    """Metadata on disk, another process, nothing replaced."""
    (tmp_path / "zz_fake.py").write_text(
        "from compl_core import Backend, Capability, Probe\n"
        "backend = Backend('zz-fake', '1.0', Capability.NONE, lambda: Probe(True), lambda: None)\n"
    )
    information = tmp_path / "zz_fake-3.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: zz-fake\nVersion: 3.1\n")
    (information / "entry_points.txt").write_text("[compl.backends]\nzz-fake = zz_fake:backend\n")
    source = str(Path(compl_core.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, str(tmp_path)]), "COMPL_BACKEND": "zz-fake"}
    command = [sys.executable, "-m", "compl_core", "--json"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    document = json.loads(run.stdout)
    assert document["opens"] == "zz-fake"
    assert [one["from"] for one in document["backends"] if one["name"] == "zz-fake"] == ["zz-fake 3.1"]
