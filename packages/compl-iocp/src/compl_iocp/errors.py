"""Failures of Windows calls as OSError: errno by compl_core's one table, Windows' own code, and which call on what.

    OSError: [WinError 87] CreateIoCompletionPort of handle 0x74: Invalid argument; it belongs to a completion port ...

``winerror`` (or ``ntstatus``) keeps the code.  No Windows is needed, so every message is tested everywhere.
"""

from __future__ import annotations

from compl_core.error_table import Domain, translate
from compl_core.errors import describe
from compl_iocp.constants import Status, WinError

#: What to make of a code, by call; what a caller can do about it.
HINTS = {
    ("CreateIoCompletionPort", 5): "the handle was opened without the right to wait for it",
    ("CreateIoCompletionPort", 1450): "the system is short of memory that is never paged out; close some ports",
    ("CreateIoCompletionPort", 1816): "this process or job may not have more; raise its quota, or close some ports",
    ("PostQueuedCompletionStatus", 6): "the port's handle was closed behind its back",
    ("PostQueuedCompletionStatus", 1450): "packets that nobody takes fill the memory; wait for completions",
    ("GetQueuedCompletionStatusEx", 6): "the port's handle was closed behind its back",
    ("GetQueuedCompletionStatusEx", 735): "the port's handle was closed behind its back",
    ("WSAIoctl", WinError.WSAENOTSOCK): "it is not a socket",
    ("WSAIoctl", WinError.WSAEOPNOTSUPP): "the provider of this socket does not have it",
}

#: Why a handle that is open cannot be associated, as :func:`associate_error` is told.
NOT_OPEN = "it is not open in this process"
WRONG_KIND = "it is open, but no file, socket, pipe or device: only these have operations that complete"
NOT_OVERLAPPED = "it was opened without FILE_FLAG_OVERLAPPED, so its operations never are in flight"
TAKEN = "it is associated with a completion port already, this one or another, and stays so until it is closed"


def call_error(call: str, code: int, what: str = "", hint: str = "") -> OSError:
    """The failure ``code`` (GetLastError) of ``call`` on ``what``.

    Raises ValueError for a code that is no failure: nothing may be raised for 0.
    """
    return _error(Domain.WIN32, call, code, what, hint or HINTS.get((call, code), ""))


def status_error(call: str, status: int, what: str = "", hint: str = "") -> OSError:
    """The failure ``status`` (an NTSTATUS, signed or not) of ``call`` on ``what``."""
    return _error(Domain.NTSTATUS, call, status & 0xFFFF_FFFF, what, hint)


def associate_error(code: int, handle: int, *, is_open: bool, is_file: bool, overlapped: bool) -> OSError:
    """Why CreateIoCompletionPort refused a handle: Windows says 6 or 87 to each of four mistakes."""
    hint = ""
    if code in (WinError.INVALID_HANDLE, WinError.INVALID_PARAMETER):
        if not is_open:
            hint = NOT_OPEN
        elif not is_file:
            hint = WRONG_KIND
        else:
            hint = TAKEN if overlapped else NOT_OVERLAPPED
    return call_error("CreateIoCompletionPort", code, f"handle {handle:#x}", hint)


def _error(domain: Domain, call: str, code: int, what: str, hint: str) -> OSError:
    number = translate(domain, code).errno
    if number == 0:
        raise ValueError(f"{call}: {domain} {code:#x} is no failure, so there is nothing to raise")
    shown = str(code) if domain == Domain.WIN32 else _status_name(code)
    name = "winerror" if domain == Domain.WIN32 else "ntstatus"
    message = f"{call}{f' of {what}' if what else ''}: {describe(number)} ({name} {shown}){f'; {hint}' if hint else ''}"
    # Not OSError's form with four arguments: on Windows it computes errno, and with it the class, from winerror.
    error = OSError(number, message)
    setattr(error, name, code)  # a member of OSError on Windows, a plain attribute elsewhere
    return error


def _status_name(code: int) -> str:
    try:
        return f"{code:#010x} {Status(code).name}"
    except ValueError:
        return f"{code:#010x}"
