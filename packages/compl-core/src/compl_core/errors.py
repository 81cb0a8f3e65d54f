"""The contract's own exceptions, each a subclass of the builtin that a caller would expect, and their messages.

Message pattern: who (which port, which descriptor), both sides, what to do.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compl_core.capability import Capability


class PortClosedError(ValueError):
    """The port is closed, or was closed while this call waited."""


class ForkedPortError(RuntimeError):
    """The port was opened by another process; a forked child opens its own."""


class WrongThreadError(RuntimeError):
    """The port was opened for one thread alone; other threads open their own, or one that is not bound."""


class AlreadyRegistered(FileExistsError):
    """The file is registered with this port; the first registration stays."""


class NotRegistered(FileNotFoundError):
    """The file is not registered with this port."""


class OperationCancelled(OSError):
    """The operation was cancelled (errno ECANCELED): by ``cancel``, ``cancel_all`` or ``close_file``."""


class NotSupported(OSError):
    """The port does not declare the capability (errno ENOTSUP)."""

    def __init__(self, capability: Capability, port: str, method: str) -> None:
        super().__init__(
            errno.ENOTSUP,
            f"{port} port: {method}() needs {capability}, which this port does not declare; "
            "look at port.capabilities, or choose another backend",
        )
        self.capability = capability
        self.port = port
        self.method = method

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.capability, self.port, self.method)


class BackendUnavailable(OSError):
    """A backend cannot be opened on this host: ``reason`` says why, ``fix`` what to do."""

    def __init__(self, name: str, reason: str, fix: str = "", error_number: int = errno.ENOSYS) -> None:
        super().__init__(error_number, f"{name}: {reason}" + (f"; {fix}" if fix else ""))
        self.name = name
        self.reason = reason
        self.fix = fix

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.reason, self.fix, self.errno)


def describe(error_number: int) -> str:
    """The system's words for an errno, or its symbol: Windows has no words for its socket numbers (10054)."""
    words = os.strerror(error_number)
    if words.startswith("Unknown error"):
        words = errno.errorcode.get(error_number, words).removeprefix("WSA")
    return words


def operation_error(error_number: int, operation: str, key: int) -> OSError:
    """The failure of an operation: ``[Errno 104] Connection reset by peer: recv on key 0x11``.

    OSError picks the builtin subclass from the number; ECANCELED, which has none, is :class:`OperationCancelled`.
    """
    message = f"{describe(error_number)}: {operation}" + (f" on key {key:#x}" if key else "")
    if error_number == errno.ECANCELED:
        return OperationCancelled(error_number, message)
    return OSError(error_number, message)


def already_registered(port: str, file: int, key: int) -> AlreadyRegistered:
    return AlreadyRegistered(
        errno.EEXIST,
        f"{os.strerror(errno.EEXIST)}: {port} port: fd {file} is already registered with key {key:#x}; "
        "use modify() or unregister() first",
    )


def not_registered(port: str, file: int, method: str) -> NotRegistered:
    return NotRegistered(
        errno.ENOENT,
        f"{os.strerror(errno.ENOENT)}: {port} port: {method}(): fd {file} is not registered with this port; "
        "register() it first",
    )


def bad_descriptor(port: str, file: int, method: str) -> OSError:
    return OSError(
        errno.EBADF,
        f"{os.strerror(errno.EBADF)}: {port} port: {method}(): fd {file} is not open; pass an open file or socket",
    )


def always_ready(port: str, file: int, method: str) -> PermissionError:
    return PermissionError(
        errno.EPERM,
        f"{os.strerror(errno.EPERM)}: {port} port: {method}(): fd {file} is always ready (a regular file, a directory "
        "or the like), so there is nothing to watch; use Interest.NONE and read() or write()",
    )


def foreign_pool(port: str, method: str) -> ValueError:
    return ValueError(
        f"{port} port: {method}(): the pool belongs to another port; take one of this port's own buffer_pool()"
    )


def closed_port(port: str, method: str) -> PortClosedError:
    return PortClosedError(f"{port} port: {method}(): the port is closed; open a new one")


def bound_port(port: str, method: str, owner: int) -> WrongThreadError:
    this = threading.get_ident()
    here = f"thread {this}" if this != owner else "another one, which got its number when it had ended"
    return WrongThreadError(
        f"{port} port: {method}(): the port is bound to thread {owner}, which opened it with single_thread=True; "
        f"this is {here}: open a port without it, or one of its own"
    )


def forked_port(port: str, method: str, owner: int) -> ForkedPortError:
    return ForkedPortError(
        f"{port} port: {method}(): the port belongs to process {owner}, this is its forked child {os.getpid()}; "
        "open a port of its own"
    )
