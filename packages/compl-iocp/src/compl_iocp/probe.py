"""Whether this host gives a completion port, and what it would declare: found by opening one."""

from __future__ import annotations

import errno
import sys

from compl_core import Backend, BackendUnavailable, CompletionPort, Probe
from compl_core.errors import describe
from compl_iocp import elsewhere
from compl_iocp.constants import CAPABILITIES

if sys.platform == "win32":
    from compl_iocp.port import IocpPort
else:
    from compl_iocp.elsewhere import IocpPort

#: What to do about an errno of CreateIoCompletionPort.
FIXES = {
    errno.ENOMEM: "close some ports and files, or raise the quota of the job that this process is in",
    errno.EACCES: "allow completion ports in the sandbox (an AppContainer or a job's UI limits do not forbid them)",
}


def _explain(error: OSError) -> tuple[str, str]:
    fix = FIXES.get(error.errno or 0, "see CreateIoCompletionPort on learn.microsoft.com for this code")
    return f"opening a completion port failed: {describe(error.errno or 0)} ({error})", fix


def probe() -> Probe:
    """Open and close a port."""
    if sys.platform != "win32":
        return Probe(available=False, reason=elsewhere.REASON, fix=elsewhere.FIX)
    try:
        port = IocpPort()
    except OSError as error:
        reason, fix = _explain(error)
        return Probe(available=False, reason=reason, fix=fix)
    with port:
        return Probe(available=True, capabilities=port.capabilities, details=_details())


def open_port() -> CompletionPort:
    """An :class:`IocpPort`; raises :class:`compl_core.BackendUnavailable` with the reason and what to do."""
    if sys.platform != "win32":
        elsewhere.refused()
    try:
        return IocpPort()
    except OSError as error:
        reason, fix = _explain(error)
        raise BackendUnavailable("iocp", reason, fix, error.errno or errno.ENOSYS) from error


def _details() -> dict[str, str]:
    """Which Windows, whether it is Wine, and which extension functions its sockets have."""
    if sys.platform != "win32":
        return {}
    import socket

    from compl_iocp import winsock

    details = {"windows": ".".join(map(str, sys.getwindowsversion()[:3])), "wine": wine_version() or "no"}
    try:
        with socket.socket() as sock:
            found = winsock.available(sock)
    except OSError as error:
        return {**details, "extension functions": f"none: {error}"}
    lacking = [extension.name for extension in winsock.Extension if extension not in found]
    return {**details, "extension functions": f"all but {', '.join(lacking)}" if lacking else "all"}


def wine_version() -> str:
    """``8.0`` under Wine, nothing on Windows and elsewhere."""
    if sys.platform != "win32":
        return ""
    import ctypes

    function = getattr(ctypes.WinDLL("ntdll"), "wine_get_version", None)
    if function is None:
        return ""
    function.restype = ctypes.c_char_p
    version: bytes = function()
    return version.decode()


backend = Backend(
    name="iocp",
    contract="1.0",
    capabilities=CAPABILITIES,
    probe=probe,
    open=open_port,
)
