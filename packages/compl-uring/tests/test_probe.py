"""Whether io_uring opens here: the probe, the backend record, and what is said where it does not."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import compl_core
import compl_uring
from compl_core import CONTRACT, METHODS, BackendUnavailable, Capability, CompletionPort, Kind
from compl_uring import UringPort, backend

Child = Callable[[str], str]
MODULE = sys.modules["compl_uring.probe"]
SWITCH = "kernel.io_uring_disabled"


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


# ---- where it opens -------------------------------------------------------------------------------------------------


def test_this_host_has_io_uring() -> None:
    found = backend.probe()
    assert found.available
    assert (found.reason, found.fix) == ("", "")
    assert compl_core.FULL in found.capabilities
    assert {"files", "sockets", "connections", "multishot accept"} <= set(found.details)


def test_the_probe_leaves_nothing_open() -> None:
    backend.probe()
    before = descriptors()
    backend.probe()
    assert descriptors() == before


def test_the_probe_says_what_a_port_declares() -> None:
    with backend.open() as port:
        assert isinstance(port, UringPort)
        assert port.capabilities == backend.probe().capabilities
        assert port.capabilities & ~backend.capabilities == Capability.NONE
        assert port.abilities() == backend.probe().details


@pytest.mark.parametrize("capability", [*METHODS])
def test_what_is_declared_is_there(capability: Capability) -> None:
    assert capability in backend.capabilities
    for method in METHODS[capability]:
        assert getattr(UringPort, method) is not getattr(CompletionPort, method)


def test_the_backend_record() -> None:
    assert (backend.name, backend.contract) == ("uring", CONTRACT)
    assert backend.name == UringPort.name


def test_found_as_an_installed_backend() -> None:
    assert compl_core.load("compl_uring:backend") is backend
    assert compl_uring.backend is backend
    with compl_core.open_port("compl_uring:backend") as port:
        port.post(1)
        assert [done.kind for done in port.wait(timeout=0)] == [Kind.POSTED]


def test_environment_names_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPL_BACKEND", "compl_uring:backend")
    with compl_core.open_port() as port:
        assert port.name == "uring"
        assert os.fstat(port.fileno())


# ---- where it does not ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switched_off", [0, 1, 2])
@pytest.mark.parametrize(
    "number",
    [
        errno.EPERM, errno.ENOSYS, errno.EACCES, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINVAL, errno.EFAULT,
        errno.EAGAIN, 0, 9999,
    ],
)  # fmt: skip
def test_explained(number: int, switched_off: int) -> None:
    """The reason names the call, the errno and the setting that is to blame; the fix says what to do, or what else."""
    reason, fix = MODULE.explain(OSError(number, "said: io_uring_setup"), switched_off=switched_off)
    assert reason.startswith("io_uring_setup: ")
    assert errno.errorcode.get(number, str(number)) in reason
    assert fix
    if number == errno.EPERM and switched_off:
        assert f"{SWITCH}={switched_off}" in reason
        assert f"sysctl -w {SWITCH}=0" in fix
        assert ("kernel.io_uring_group" in fix) == (switched_off == 1)
        assert "compl-epoll" in fix
    else:
        assert SWITCH not in reason + fix


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, ["seccomp", "compl-epoll"]),
        (errno.ENOSYS, ["Linux 5.6", "CONFIG_IO_URING", "seccomp", "compl-epoll"]),
        (errno.EACCES, ["SELinux", "AppArmor"]),
        (errno.ENOMEM, ["ulimit -l", "5.12"]),
        (errno.EMFILE, ["ulimit -n"]),
        (errno.ENFILE, ["fs.file-max"]),
    ],
)
def test_what_to_do(number: int, words: list[str]) -> None:
    _, fix = MODULE.explain(OSError(number, "io_uring_setup"), switched_off=0)
    assert all(word in fix for word in words), fix


def test_another_call_is_not_blamed_on_the_setup() -> None:
    reason, _ = MODULE.explain(OSError(errno.EMFILE, "Too many open files: eventfd for a uring port"), switched_off=0)
    assert "io_uring_setup" not in reason


@pytest.mark.parametrize(
    ("contents", "value"), [("0\n", 0), ("1\n", 1), ("2\n", 2), ("", 0), ("nonsense", 0), (None, 0), ("2", 2)]
)
def test_the_switch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contents: str | None, value: int) -> None:
    """Kernels before 6.6 have none."""
    path = tmp_path / "io_uring_disabled"
    if contents is not None:
        path.write_text(contents, encoding="ascii")
    monkeypatch.setattr(MODULE, "_SYSCTL", path)
    assert MODULE.disabled() == value
    reason, _ = MODULE.explain(PermissionError(errno.EPERM, "io_uring_setup"))
    assert (f"={value}" in reason) == (value > 0)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.ENOMEM, errno.EMFILE])
def test_refused(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The probe, opening and the exception say the same."""

    def refused() -> UringPort:
        raise OSError(number, f"{os.strerror(number)}: io_uring_setup")

    monkeypatch.setattr(MODULE, "UringPort", refused)
    found = backend.probe()
    assert not found.available
    assert errno.errorcode[number] in found.reason
    with pytest.raises(BackendUnavailable) as caught:
        backend.open()
    assert (caught.value.name, caught.value.reason, caught.value.fix) == ("uring", found.reason, found.fix)
    assert caught.value.errno == number
    assert isinstance(caught.value.__cause__, OSError)


def test_without_descriptors(child: Child) -> None:
    """EMFILE: the reason names it, the fix says what to raise, and nothing is left half open."""
    output = child("""
        import errno, os, resource
        import compl_core
        from compl_uring import UringPort, backend

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        for spare in (0, 1):  # for the ring; for that, and not for the eventfd
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
            found = backend.probe()
            assert not found.available
            assert "EMFILE" in found.reason and os.strerror(errno.EMFILE) in found.reason, found.reason
            assert "ulimit -n" in found.fix, found.fix
            try:
                UringPort()
            except OSError as error:
                assert error.errno == errno.EMFILE
                print(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        number = os.dup(0)
        assert number == lowest, (number, lowest)
        os.close(number)
        assert backend.probe().available
    """)
    assert "io_uring_setup" in output
    assert "eventfd" in output


def test_a_pollable_port_without_descriptors(child: Child) -> None:
    """fileno() needs more; without them it is refused, leaves none behind, and works once there are some."""
    child("""
        import errno, os, resource, select
        from compl_uring import UringPort

        with UringPort() as port:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest = os.dup(0)
            os.close(lowest)
            for spare in range(8):
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
                try:
                    port.fileno()
                except OSError as error:
                    assert error.errno == errno.EMFILE, error
                    assert "uring port: fileno()" in str(error), error
                else:
                    break
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                number = os.dup(0)
                assert number == lowest, (number, lowest)
                os.close(number)
            assert 0 < spare < 8
            port.post(1)
            assert select.select([port], [], [], 0)[0] == [port]
    """)


# ---- a sandbox ------------------------------------------------------------------------------------------------------

#: What a container engine does: io_uring_setup(2), number 425 on all machines that Python runs on, gives an errno.
SANDBOX = """
import ctypes, struct
def refuse(number):
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050000 | number), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0       # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, filter, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
"""


@pytest.fixture
def sandboxed(child: Child, tmp_path: Path) -> Callable[[int, str], str]:
    """Run a program where io_uring_setup(2) gives that errno, and where uring and a second backend are installed."""
    info = tmp_path / "standby-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: standby\nVersion: 1.0\n", encoding="ascii")
    (info / "entry_points.txt").write_text(
        "[compl.backends]\nuring = compl_uring:backend\nreference = compl_conformance.reference:backend\n",
        encoding="ascii",
    )

    def run(number: int, source: str) -> str:
        head = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n{SANDBOX}\nrefuse({number})\n"
        return child(head + source)

    return run


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_open_port_falls_through(sandboxed: Callable[[int, str], str], number: int) -> None:
    name: Any = errno.errorcode[number]
    output = sandboxed(
        number,
        """
import compl_core
found = {candidate.name: candidate.probe for candidate in compl_core.candidates()}
assert not found["uring"].available and found["reference"].available, found
print(found["uring"].reason)
print(found["uring"].fix)
with compl_core.open_port() as port:
    assert port.name != "uring", port
    port.post(1)
    assert [done.key for done in port.wait(timeout=0)] == [1]
try:
    compl_core.open_port("uring")
except compl_core.BackendUnavailable as error:
    print(error)
""",
    )
    reason, fix, said = output.splitlines()
    assert name in reason and "io_uring_setup" in reason
    assert "seccomp" in fix and "compl-epoll" in fix
    assert reason in said and fix in said


def test_refused_by_everything(sandboxed: Callable[[int, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where io_uring is asked for by the environment, there is no falling through, and the reason is in the error."""
    monkeypatch.setenv("COMPL_BACKEND", "uring")
    output = sandboxed(
        errno.EPERM,
        """
import compl_core
try:
    compl_core.open_port()
except compl_core.BackendUnavailable as error:
    print(error, *error.__notes__)
""",
    )
    assert "io_uring_setup: EPERM" in output
    assert "COMPL_BACKEND" in output
