"""Whether epoll opens here: the probe, the backend record, and what is said where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import compl_core
import compl_epoll
from compl_core import CONTRACT, METHODS, Capability, CompletionPort, Kind
from compl_epoll import EpollPort, _native, backend, open_port, probe

Child = Callable[[str], str]


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_this_host_has_epoll() -> None:
    found = probe()
    assert found.available
    assert (found.reason, found.fix) == ("", "")
    assert compl_core.FULL in found.capabilities
    assert found.details["epoll_pwait2"]


def test_the_probe_leaves_nothing_open() -> None:
    probe()
    before = descriptors()
    probe()
    assert descriptors() == before


def test_the_probe_says_what_a_port_declares() -> None:
    with open_port() as port:
        assert isinstance(port, EpollPort)
        assert port.capabilities == probe().capabilities
        assert port.capabilities & ~backend.capabilities == Capability.NONE
        assert (Capability.SUB_MS_TIMEOUT in port.capabilities) == _native.has_pwait2()


@pytest.mark.parametrize("capability", [*METHODS])
def test_what_is_declared_is_there(capability: Capability) -> None:
    assert capability in backend.capabilities
    for method in METHODS[capability]:
        assert getattr(EpollPort, method) is not getattr(CompletionPort, method)


def test_the_backend_record() -> None:
    assert (backend.name, backend.contract) == ("epoll", CONTRACT)
    assert backend.name == EpollPort.name
    assert backend.probe is probe
    assert backend.open is open_port


def test_found_as_an_installed_backend() -> None:
    found = compl_core.load("compl_epoll:backend")
    assert found is backend
    with compl_core.open_port("compl_epoll:backend") as port:
        port.post(1)
        assert [done.kind for done in port.wait(timeout=0)] == [Kind.POSTED]


def test_what_is_exported_exists() -> None:
    assert all(hasattr(compl_epoll, name) for name in compl_epoll.__all__)
    assert sorted(compl_epoll.__all__) == compl_epoll.__all__


def test_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "compl_epoll"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *rest = done.stdout.splitlines()
    assert first == "epoll: available"
    assert second.startswith("capabilities: READINESS, ")
    assert any(line.startswith("epoll_pwait2: ") for line in rest)


def test_without_descriptors(child: Child) -> None:
    """EMFILE: the reason names it, the fix says what to raise, and nothing is left half open."""
    output = child("""
        import errno, os, resource
        import compl_core
        from compl_epoll import Epoll, EpollPort, open_port, probe
        from compl_epoll.__main__ import main

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        for spare in (0, 1):  # for the epoll set; for that, and not for the eventfd
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
            found = probe()
            assert not found.available
            assert "EMFILE" in found.reason and os.strerror(errno.EMFILE) in found.reason, found.reason
            assert "ulimit -n" in found.fix, found.fix
            try:
                open_port()
            except compl_core.BackendUnavailable as error:
                assert (error.name, error.reason, error.fix) == ("epoll", found.reason, found.fix)
                assert error.errno == errno.EMFILE
                assert isinstance(error.__cause__, OSError)
            try:
                EpollPort()
            except OSError as error:
                assert error.errno == errno.EMFILE
                print(error)
            assert os.dup(0) == lowest if spare else True
            if spare:
                os.close(lowest)
        assert main() == 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert probe().available
        assert main() == 0
    """)
    assert "epoll: not available: " in output
    assert "epoll_create1" in output
    assert "eventfd" in output


def test_a_pollable_port_without_descriptors(child: Child) -> None:
    """fileno() needs three more; without them it is refused, leaves none behind, and works once there are some."""
    child("""
        import errno, os, resource, select
        from compl_epoll import EpollPort

        with EpollPort() as port:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest = os.dup(0)
            os.close(lowest)
            for spare in range(3):
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
                try:
                    port.fileno()
                except OSError as error:
                    assert error.errno == errno.EMFILE, error
                    assert "epoll port: fileno()" in str(error), error
                else:
                    raise SystemExit("not refused")
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                number = os.dup(0)
                assert number == lowest, (number, lowest)
                os.close(number)
            port.post(1)
            assert select.select([port], [], [], 0)[0] == [port]
    """)


def test_environment_names_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPL_BACKEND", "compl_epoll:backend")
    with compl_core.open_port() as port:
        assert port.name == "epoll"
        assert os.fstat(port.fileno())
