"""Whether this host gives a completion port, the backend record, and what is said where it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import compl_core
import compl_iocp
from compl_core import CONTRACT, BackendUnavailable, Capability, Kind
from compl_iocp import Iocp, IocpPort, backend, open_port, probe

WINDOWS = sys.platform == "win32"


def test_available_on_windows_alone() -> None:
    found = probe()
    assert found.available is WINDOWS
    if WINDOWS:
        assert (found.reason, found.fix) == ("", "")
        assert compl_core.FULL in found.capabilities
        assert set(found.details) == {"windows", "wine", "extension functions"}
    else:
        assert sys.platform in found.reason
        assert "open_port()" in found.fix


def test_opening_says_the_same() -> None:
    if WINDOWS:
        with open_port() as port:
            assert isinstance(port, IocpPort)
            assert port.capabilities == probe().capabilities
            assert port.capabilities & ~backend.capabilities == Capability.NONE
        return
    for opening in (open_port, Iocp, IocpPort, backend.open):
        with pytest.raises(BackendUnavailable) as caught:
            opening()
        assert (caught.value.name, caught.value.reason, caught.value.fix) == ("iocp", probe().reason, probe().fix)


def test_the_backend_record() -> None:
    assert (backend.name, backend.contract) == ("iocp", CONTRACT)
    assert backend.probe is probe
    assert backend.open is open_port
    assert compl_core.FULL in backend.capabilities


def test_found_by_its_path() -> None:
    assert compl_core.load("compl_iocp:backend") is backend
    if WINDOWS:
        with compl_core.open_port("compl_iocp:backend") as port:
            port.post(1)
            assert [done.kind for done in port.wait(timeout=0)] == [Kind.POSTED]
    else:
        with pytest.raises(BackendUnavailable, match="part of Windows"):
            compl_core.open_port("compl_iocp:backend")


def test_what_is_exported_exists() -> None:
    assert all(hasattr(compl_iocp, name) for name in compl_iocp.__all__)
    assert sorted(compl_iocp.__all__) == compl_iocp.__all__


def test_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "compl_iocp"], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    if WINDOWS:
        assert (done.returncode, first) == (0, "iocp: available")
        assert rest[0].startswith("capabilities: READINESS, ")
        assert any(line.startswith("extension functions: ") for line in rest)
    else:
        assert (done.returncode, rest) == (1, [])
        assert first.startswith("iocp: not available: I/O completion ports are a part of Windows")
