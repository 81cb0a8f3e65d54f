"""Whether this host gives an AIO port, and what it would declare: found by opening one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from compl_aio import _native
from compl_aio.port import CAPABILITIES, AioPort
from compl_core import Backend, BackendUnavailable, Probe

#: What to do about an errno of io_setup(2), io_submit(2) or eventfd(2).
FIXES = {
    errno.EAGAIN: "raise the host's limit of AIO requests (sysctl -w fs.aio-max-nr=1048576), or end other users of it",
    errno.EINVAL: "use Linux 4.18 or newer, which has IOCB_CMD_POLL, or compl-epoll",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or close some",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "free some memory",
    errno.ENOSYS: "allow io_setup and io_submit in the sandbox (seccomp), use a kernel with CONFIG_AIO, or compl-epoll",
    errno.EPERM: "allow io_setup and io_submit in the sandbox (seccomp), or use compl-epoll",
}

#: Where the kernel counts the requests that contexts are set up for, and limits them, for the whole host.
LIMITS = Path("/proc/sys/fs")


def _limit(name: str) -> str:
    try:
        return (LIMITS / name).read_text().strip()
    except OSError:
        return "unknown"


def _explain(error: OSError) -> tuple[str, str]:
    number = error.errno or 0
    name = errno.errorcode.get(number, str(error.errno))
    fix = FIXES.get(number, "see io_setup(2), io_submit(2) and eventfd(2) for this errno")
    reason = f"opening an AIO context failed: {name} ({os.strerror(number)})"
    if number == errno.EAGAIN:
        reason += (
            f": {_native.CONTEXT_EVENTS} requests do not fit, fs.aio-nr is {_limit('aio-nr')} "
            f"of fs.aio-max-nr={_limit('aio-max-nr')}, which containers share with the host"
        )
    return reason, fix


def probe() -> Probe:
    """Open and close a port."""
    try:
        port = AioPort()
    except OSError as error:
        reason, fix = _explain(error)
        return Probe(available=False, reason=reason, fix=fix)
    with port:
        return Probe(
            available=True,
            capabilities=port.capabilities,
            details={
                "completion ring": "read in user space" if port.reads_ring else "unknown layout: io_getevents",
                "fs.aio-max-nr": f"{_limit('aio-max-nr')}, of which a port takes {_native.CONTEXT_EVENTS}",
            },
        )


def open_port() -> AioPort:
    """An :class:`AioPort`; raises :class:`compl_core.BackendUnavailable` with the reason and what to do."""
    try:
        return AioPort()
    except OSError as error:
        reason, fix = _explain(error)
        raise BackendUnavailable("aio", reason, fix, error.errno or errno.ENOSYS) from error


backend = Backend(name="aio", contract="1.0", capabilities=CAPABILITIES, probe=probe, open=open_port)
