"""Whether AIO opens here: the probe, the backend record, and what is said where it does not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import compl_aio
import compl_core
from compl_aio import AioPort, backend, open_port, probe
from compl_core import CONTRACT, METHODS, BackendUnavailable, Capability, CompletionPort, Kind

Child = Callable[[str], str]
MODULE = sys.modules["compl_aio.probe"]


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_this_host_has_aio() -> None:
    found = probe()
    assert found.available
    assert (found.reason, found.fix) == ("", "")
    assert compl_core.FULL in found.capabilities
    assert found.details["completion ring"]
    assert "512" in found.details["fs.aio-max-nr"]


def test_the_probe_leaves_nothing_open() -> None:
    probe()
    before = descriptors()
    probe()
    assert descriptors() == before


def test_the_probe_says_what_a_port_declares() -> None:
    with open_port() as port:
        assert isinstance(port, AioPort)
        assert port.capabilities == probe().capabilities
        assert port.capabilities & ~backend.capabilities == Capability.NONE


@pytest.mark.parametrize("capability", [*METHODS])
def test_what_is_declared_is_there(capability: Capability) -> None:
    assert capability in backend.capabilities
    for method in METHODS[capability]:
        assert getattr(AioPort, method) is not getattr(CompletionPort, method)


def test_the_backend_record() -> None:
    assert (backend.name, backend.contract) == ("aio", CONTRACT)
    assert backend.name == AioPort.name
    assert backend.probe is probe
    assert backend.open is open_port


def test_found_as_an_installed_backend() -> None:
    assert compl_core.load("compl_aio:backend") is backend
    with compl_core.open_port("compl_aio:backend") as port:
        port.post(1)
        assert [done.kind for done in port.wait(timeout=0)] == [Kind.POSTED]


def test_what_is_exported_exists() -> None:
    assert all(hasattr(compl_aio, name) for name in compl_aio.__all__)
    assert len(set(compl_aio.__all__)) == len(compl_aio.__all__)


def test_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "compl_aio"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *rest = done.stdout.splitlines()
    assert first == "aio: available"
    assert second.startswith("capabilities: READINESS, ")
    assert any(line.startswith("completion ring: ") for line in rest)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENODEV])
def test_what_is_said_where_it_does_not_open(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused() -> AioPort:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(MODULE, "AioPort", refused)
    found = probe()
    assert not found.available
    assert errno.errorcode[number] in found.reason
    assert found.fix
    with pytest.raises(BackendUnavailable) as caught:
        open_port()
    assert (caught.value.name, caught.value.reason, caught.value.fix) == ("aio", found.reason, found.fix)
    assert caught.value.errno == number


def test_a_host_whose_requests_are_used_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The numbers are named, and the setting: containers share it with the host, so it is often somebody else."""

    def refused() -> AioPort:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    (tmp_path / "aio-nr").write_text("65100\n", encoding="ascii")
    (tmp_path / "aio-max-nr").write_text("65536\n", encoding="ascii")
    monkeypatch.setattr(MODULE, "AioPort", refused)
    monkeypatch.setattr(MODULE, "LIMITS", tmp_path)
    found = probe()
    assert "512 requests" in found.reason
    assert "fs.aio-nr is 65100 of fs.aio-max-nr=65536" in found.reason
    assert "sysctl -w fs.aio-max-nr=" in found.fix
    monkeypatch.setattr(MODULE, "LIMITS", tmp_path / "nowhere")
    assert "fs.aio-nr is unknown" in probe().reason


def test_without_descriptors(child: Child) -> None:
    """EMFILE: the reason names it, the fix says what to raise, and nothing is left half open."""
    output = child("""
        import errno, os, resource
        from compl_aio import AioPort, probe
        from compl_aio.__main__ import main

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        for spare in (0, 1):  # for one of two eventfds
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
            found = probe()
            assert not found.available and "EMFILE" in found.reason and "ulimit -n" in found.fix, found
            try:
                AioPort()
            except OSError as error:
                assert error.errno == errno.EMFILE
                print(error)
        assert main() == 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        number = os.dup(0)
        assert number == lowest, (number, lowest)
        os.close(number)
        assert main() == 0
    """)
    assert "aio: not available: " in output
    assert "eventfd for an aio port" in output


def test_a_sandbox_without_aio(child: Child) -> None:
    """A filter of system calls, as container engines have it: io_setup gives EPERM there."""
    output = child("""
        import ctypes, platform, struct, sys
        from compl_aio import probe

        numbers = {"x86_64": 206, "aarch64": 0}
        number = numbers.get(platform.machine())
        if number is None:
            print("unknown machine")
            sys.exit()
        steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
        filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0       # PR_SET_NO_NEW_PRIVS
        assert libc.prctl(22, 2, filter, 0, 0) == 0  # PR_SET_SECCOMP: refuse io_setup with EPERM
        found = probe()
        assert not found.available and "EPERM" in found.reason and "seccomp" in found.fix, found
        print("refused")
    """)
    if output == "unknown machine":
        pytest.skip("the number of io_setup on this machine is not in the test's table")
    assert output == "refused"
