"""Whether this host gives an epoll port, and what it would declare: found by opening one."""

from __future__ import annotations

import errno
import os

from compl_core import Backend, BackendUnavailable, Capability, Probe
from compl_epoll import _native
from compl_epoll.port import CAPABILITIES, EpollPort

#: What to do about an errno of epoll_create1(2) or eventfd(2).
FIXES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n), or close some",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "free some memory",
    errno.ENOSYS: "allow epoll_create1 and eventfd2 in the sandbox (seccomp)",
    errno.EPERM: "allow epoll_create1 and eventfd2 in the sandbox (seccomp)",
}


def _explain(error: OSError) -> tuple[str, str]:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    fix = FIXES.get(error.errno or 0, "see epoll_create1(2) and eventfd(2) for this errno")
    return f"opening an epoll set failed: {name} ({os.strerror(error.errno or 0)})", fix


def probe() -> Probe:
    """Open and close a port."""
    try:
        port = EpollPort()
    except OSError as error:
        reason, fix = _explain(error)
        return Probe(available=False, reason=reason, fix=fix)
    with port:
        return Probe(
            available=True,
            capabilities=port.capabilities,
            details={"epoll_pwait2": "yes" if _native.has_pwait2() else "no: timeouts are rounded up to milliseconds"},
        )


def open_port() -> EpollPort:
    """An :class:`EpollPort`; raises :class:`compl_core.BackendUnavailable` with the reason and what to do."""
    try:
        return EpollPort()
    except OSError as error:
        reason, fix = _explain(error)
        raise BackendUnavailable("epoll", reason, fix, error.errno or errno.ENOSYS) from error


backend = Backend(
    name="epoll",
    contract="1.0",
    capabilities=CAPABILITIES | Capability.SUB_MS_TIMEOUT,
    probe=probe,
    open=open_port,
)
