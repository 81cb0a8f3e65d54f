"""What stands in for the native part on systems without completion ports: it says so, and what to use."""

from __future__ import annotations

import errno
import sys
from typing import Any, Never

from compl_core import BackendUnavailable

REASON = f"I/O completion ports are a part of Windows, and this is {sys.platform}"
FIX = "compl_core.open_port() takes the best backend that is installed" + (
    ": compl-uring, compl-aio or compl-epoll" if sys.platform == "linux" else ""
)


def refused(*_: object, **__: object) -> Never:
    """Raise :class:`compl_core.BackendUnavailable`."""
    raise BackendUnavailable("iocp", REASON, FIX, errno.ENOSYS)


class Iocp:
    """Cannot be made here."""

    def __new__(cls, *_: Any, **__: Any) -> Never:
        refused()


class IocpPort:
    """Cannot be made here."""

    def __new__(cls, *_: Any, **__: Any) -> Never:
        refused()


class AfdHandle:
    """Cannot be made here."""

    def __new__(cls, *_: Any, **__: Any) -> Never:
        refused()


def ioctl(sock: object, code: int, data: bytes = b"", room: int = 0) -> bytes:
    """Cannot be called here."""
    refused(sock, code, data, room)
