"""What a stress run expects: the bytes of each stream in both directions, the pages of each file, what is in flight."""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from compl_core import Kind

if sys.platform == "win32":
    raise ImportError("compl_conformance.stress needs a POSIX system: it forks, and sends itself signals")

PAGES = 32
PAGE = mmap.PAGESIZE
#: The running pattern of a stream; a prime length, so that no buffer size hides a shift.
PATTERN = bytes(n % 251 for n in range(251 * 300))
LONGEST = len(PATTERN) - 251


def pattern(start: int, count: int) -> bytes:
    return PATTERN[start % 251 :][:count]


class Pending(NamedTuple):
    """An operation that is expected to end."""

    kind: Kind
    #: What the port calls it.
    identity: int
    #: Whose it is: a Stream, a PagedFile, a socket that connects, or None.
    of: Any
    #: What it reads into or writes from.
    buffer: Any
    #: Of a PagedFile.
    page: int = 0


class Stream:
    """A connection or a pair of pipes: the near ends are the port's, the far ends write and read by themselves."""

    def __init__(self, form: str) -> None:
        self.form = form
        if form == "pipe":
            self.source, self._feeder = os.pipe()
            self._listener, self.sink = os.pipe()
            os.set_blocking(self._feeder, False)
            os.set_blocking(self._listener, False)
        else:
            near, far = socket.socketpair() if form == "unix" else _tcp()
            far.setblocking(False)
            self.source = self.sink = near.detach()
            self._feeder = self._listener = far.detach()
        #: Bytes that the far end has sent, and of them those that completions have shown.
        self.sent = self.arrived = 0
        #: Tokens of the receives, in the order of submission.
        self.order: deque[int] = deque()
        #: The same of what the port sends; what it said of each in order, and what the far end has heard.
        self.spoken = 0
        self.said, self.heard = bytearray(), bytearray()
        self.saying: deque[int] = deque()
        self.closing = 0

    def feed(self, count: int) -> None:
        with self._unless_closing():
            self.sent += os.write(self._feeder, pattern(self.sent, count))

    def listen(self) -> None:
        with self._unless_closing():
            self.heard += os.read(self._listener, 1 << 16)
        common = min(len(self.said), len(self.heard))
        assert self.said[:common] == self.heard[:common], f"{self.form}: what was sent is not what was heard"
        del self.said[:common], self.heard[:common]

    @contextlib.contextmanager
    def _unless_closing(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            pass
        except ConnectionError:
            assert self.closing, f"{self.form}: closed by nobody"

    def take(self, data: bytes | bytearray | memoryview) -> None:
        """What a completion shows is what was sent next."""
        expected = pattern(self.arrived, len(data))
        assert data == expected, f"{self.form}, byte {self.arrived}: {bytes(data[:8])!r} instead of {expected[:8]!r}"
        self.arrived += len(data)
        assert self.arrived <= self.sent, f"{self.form}: {self.arrived} bytes arrived, {self.sent} were sent"

    def open_ends(self) -> set[int]:
        """The descriptors that the port may be asked to close."""
        return {self.source, self.sink}

    def close(self, near: bool = True) -> None:
        for number in {self._feeder, self._listener} | (self.open_ends() if near else set()):
            os.close(number)


def _tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT: there are thousands
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


class PagedFile:
    """A file whose pages are read and written as wholes; past the page cache where the file system can."""

    def __init__(self, path: Path, direct: bool) -> None:
        path.write_bytes(bytes(PAGES * PAGE))
        try:
            self.number = os.open(path, os.O_RDWR | (getattr(os, "O_DIRECT", 0) if direct else 0))
        except OSError:  # no O_DIRECT on this file system
            self.number = os.open(path, os.O_RDWR)
        self.pages = [bytes(PAGE)] * PAGES
        #: What a page holds while it is written is nobody's promise: it is either written by one, or read by some.
        self.writing: Counter[int] = Counter()
        self.reading: Counter[int] = Counter()

    def close(self) -> None:
        os.close(self.number)
