"""Whether this host gives an io_uring port, and what it would declare: found by opening one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from compl_core import Backend, BackendUnavailable, Probe
from compl_uring.port import CAPABILITIES, UringPort

_SYSCTL = Path("/proc/sys/kernel/io_uring_disabled")
_ELSEWHERE = "or use compl-epoll"

#: What to do about an errno of io_uring_setup(2) or eventfd(2).
FIXES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n), or close some",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: f"raise the limit of locked memory (ulimit -l; kernels before 5.12 count rings there), {_ELSEWHERE}",
    errno.ENOSYS: (
        f"run on Linux 5.6 or later with CONFIG_IO_URING, allow io_uring_setup in the sandbox (seccomp), {_ELSEWHERE}"
    ),
    errno.EPERM: f"allow io_uring_setup in the sandbox (seccomp; containers refuse it by default), {_ELSEWHERE}",
    errno.EACCES: f"allow io_uring in the security policy (SELinux, AppArmor), {_ELSEWHERE}",
}


def disabled() -> int:
    """``kernel.io_uring_disabled``: 0 allows all, 1 the privileged and a group, 2 nobody; 0 where it is unknown."""
    try:
        return int(_SYSCTL.read_text("ascii"))
    except (OSError, ValueError):
        return 0


def explain(error: OSError, *, switched_off: int | None = None) -> tuple[str, str]:
    """The reason of a failed opening, and what to do about it."""
    number = error.errno or 0
    name = errno.errorcode.get(number, str(number))
    call = "io_uring_setup" if "io_uring_setup" in str(error) else "opening an io_uring instance"
    sysctl = disabled() if switched_off is None else switched_off
    if number == errno.EPERM and sysctl:
        fix = f"sysctl -w kernel.io_uring_disabled=0 {_ELSEWHERE}"
        if sysctl == 1:
            fix = f"sysctl -w kernel.io_uring_disabled=0, join the group of kernel.io_uring_group, {_ELSEWHERE}"
        return f"{call}: {name} (kernel.io_uring_disabled={sysctl})", fix
    return f"{call}: {name} ({os.strerror(number)})", FIXES.get(
        number, f"see io_uring_setup(2) for this errno, {_ELSEWHERE}"
    )


def probe() -> Probe:
    """Open and close a port."""
    try:
        port = UringPort()
    except OSError as error:
        reason, fix = explain(error)
        return Probe(available=False, reason=reason, fix=fix)
    with port:
        return Probe(available=True, capabilities=port.capabilities, details=dict(port.abilities()))


def open_port() -> UringPort:
    """A :class:`UringPort`; raises :class:`compl_core.BackendUnavailable` with the reason and what to do."""
    try:
        return UringPort()
    except OSError as error:
        reason, fix = explain(error)
        raise BackendUnavailable("uring", reason, fix, error.errno or errno.ENOSYS) from error


backend = Backend(name="uring", contract="1.0", capabilities=CAPABILITIES, probe=probe, open=open_port)
