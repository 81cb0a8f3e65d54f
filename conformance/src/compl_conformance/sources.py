"""Files and sockets to judge with: made on demand, loopback only, all closed at the end of the rule."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

LOOPBACK = "127.0.0.1"


class _Closable(Protocol):
    def close(self) -> object: ...


_C = TypeVar("_C", bound=_Closable)


class HostLacks(Exception):
    """The verdict *host*: this machine cannot do what the rule needs, whatever the backend."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason + (f"; {fix}" if fix else ""))
        self.reason = reason
        self.fix = fix


def host_lacks(reason: str, *, fix: str = "") -> NoReturn:
    """End with the verdict *host*: for what the operating system cannot, never for what the backend cannot."""
    raise HostLacks(reason, fix)


class Sources:
    """Makes files and sockets and closes them, last made first, in :meth:`close`."""

    def __init__(self) -> None:
        self._closers: list[Callable[[], object]] = []
        self._directory: Path | None = None
        self._files = 0

    # ---- sockets ----------------------------------------------------------------------------------------------------

    def tcp(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a TCP connection over loopback, Nagle's delay off."""
        listener = self.listener()
        client = self.client(listener)
        listener.settimeout(5)
        server, _ = listener.accept()
        listener.close()
        server.settimeout(client.gettimeout())
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, self.keep(server)

    def stream(self) -> tuple[socket.socket, socket.socket]:
        """``socket.socketpair()``."""
        one, other = socket.socketpair()
        return self.keep(one), self.keep(other)

    def udp(self) -> tuple[socket.socket, socket.socket]:
        """Two UDP sockets connected to each other."""
        one, other = self.udp_bound(), self.udp_bound()
        one.connect(other.getsockname())
        other.connect(one.getsockname())
        return one, other

    def udp_bound(self) -> socket.socket:
        """A UDP socket with an address of its own, connected to nobody."""
        sock = self.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind((LOOPBACK, 0))
        return sock

    def listener(self, backlog: int = 128) -> socket.socket:
        """A listening TCP socket on a free port."""
        sock = self.keep(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.bind((LOOPBACK, 0))
        sock.listen(backlog)
        return sock

    def client(self, listener: socket.socket) -> socket.socket:
        """A TCP socket connected to ``listener``, which has not accepted it yet."""
        sock = self.keep(socket.socket(listener.family, socket.SOCK_STREAM))
        sock.connect(listener.getsockname())
        return sock

    def reset(self, sock: socket.socket) -> None:
        """Close ``sock`` so that its peer sees a reset (SO_LINGER of 0), not an end of stream."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        sock.close()

    # ---- files ------------------------------------------------------------------------------------------------------

    def pipe(self) -> tuple[int, int]:
        """The reading and the writing end of a pipe, as bare numbers (Windows: overlapped HANDLEs)."""
        if sys.platform == "win32":
            from asyncio.windows_utils import pipe

            ends = pipe(overlapped=(True, True))
        else:
            ends = os.pipe()
        for number in ends:
            self._closers.append(_number_closer(number))
        return ends

    def file(self, data: bytes = b"") -> io.FileIO:
        """A regular file that holds ``data``, open for reading and writing, unbuffered, at position 0."""
        return self.keep(self.path(data).open("r+b", buffering=0))

    def path(self, data: bytes = b"") -> Path:
        """The path of a regular file that holds ``data``."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="compl-conformance-"))
        self._files += 1
        path = self._directory / f"file-{self._files}"
        path.write_bytes(data)
        return path

    def closed_number(self) -> int:
        """A number in the legal range that names no open file, nor the next one to be opened."""
        number = _unused_number()
        if number is None:
            host_lacks("every descriptor below RLIMIT_NOFILE is open", fix="raise it with ulimit -n")
        return number

    # ---- the end ----------------------------------------------------------------------------------------------------

    def keep(self, made: _C) -> _C:
        """Close ``made`` at the end as well, and return it: for accepted sockets and the like."""
        self._closers.append(made.close)
        return made

    def close(self) -> None:
        """Close everything; what the scenario or the port has closed already is left alone."""
        while self._closers:
            closer = self._closers.pop()
            with contextlib.suppress(OSError):
                closer()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


if sys.platform == "win32":
    import _winapi

    def _number_closer(number: int) -> Callable[[], None]:
        return lambda: _winapi.CloseHandle(number)

    def _unused_number() -> int | None:
        return 0x00FF_FFF0  # a multiple of four as all HANDLEs are, far above those in use

else:
    import resource

    def _number_closer(number: int) -> Callable[[], None]:
        """Close ``number`` only while it still names the file that it names now."""
        identity = _identity(number)

        def close() -> None:
            if _identity(number) == identity:
                os.close(number)

        return close

    def _unused_number() -> int | None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        ceiling = 1 << 20 if soft == resource.RLIM_INFINITY else soft
        return next((number for number in range(ceiling - 1, 2, -1) if not _is_open(number)), None)


def _identity(number: int) -> tuple[int, int]:
    found = os.fstat(number)
    return found.st_dev, found.st_ino


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError as error:
        if error.errno == errno.EBADF:
            return False
        raise
    return True
