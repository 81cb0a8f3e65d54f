"""Socket calls that do not block, on a descriptor that belongs to the caller."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from compl_core import CompletionFlags
from compl_example.nature import open_socket
from compl_example.source import Source

#: "Do not block, this once": POSIX.  Windows has no such flag, see borrowed().
NOW = getattr(socket, "MSG_DONTWAIT", 0)
#: "No signal if nobody listens": where there is none, the thread has the signal blocked, see threads.py.
NO_SIGPIPE = getattr(socket, "MSG_NOSIGNAL", 0)


@contextlib.contextmanager
def borrowed(source: Source, *, flagless: bool = False) -> Iterator[socket.socket]:
    """A socket object on the caller's descriptor, for calls that do not block; OSError if that is no socket.

    ``flagless`` is for calls that take no flags (accept, connect): they do not block because the socket is switched to
    non-blocking for their duration.  The mode is the caller's, so it is put back.
    """
    # The constructor switches the mode too, where the program has set a default timeout.
    switch = flagless or not NOW or socket.getdefaulttimeout() is not None
    blocking = switch and _blocking(source)
    sock = open_socket(source.number, source.file)
    try:
        if switch:
            sock.setblocking(False)
        yield sock
    finally:
        if blocking:
            sock.setblocking(True)
        sock.detach()


if sys.platform != "win32":

    def receive(sock: socket.socket, views: list[memoryview], flags: int) -> tuple[int, CompletionFlags, Any]:
        """Bytes received, TRUNCATED or not, the sender's address."""
        count, _, told, sender = sock.recvmsg_into(views, 0, flags | NOW)
        truncated = CompletionFlags.TRUNCATED if told & socket.MSG_TRUNC else CompletionFlags.NONE
        return min(count, sum(view.nbytes for view in views)), truncated, sender

    def send(sock: socket.socket, views: list[memoryview], flags: int = 0) -> int:
        """Bytes sent."""
        return sock.sendmsg(views, [], flags | NOW | NO_SIGPIPE)

    def _blocking(source: Source) -> bool:
        return os.get_blocking(source.number)

else:
    _LONGEST_DATAGRAM = 65535

    def receive(sock: socket.socket, views: list[memoryview], flags: int) -> tuple[int, CompletionFlags, Any]:
        """Bytes received (into the first view only), TRUNCATED or not, the sender's address."""
        if sock.type == socket.SOCK_STREAM:
            return sock.recv_into(views[0], 0, flags), CompletionFlags.NONE, None
        # A datagram that does not fit is an error here, which does not say who sent it: so let it fit.
        data, sender = sock.recvfrom(_LONGEST_DATAGRAM, flags)
        count = min(len(data), views[0].nbytes)
        views[0][:count] = data[:count]
        return count, CompletionFlags.NONE if count == len(data) else CompletionFlags.TRUNCATED, sender

    def send(sock: socket.socket, views: list[memoryview], flags: int = 0) -> int:
        """Bytes sent (of the first view that is not empty only)."""
        return sock.send(next((view for view in views if view.nbytes), b""), flags)

    def _blocking(source: Source) -> bool:
        # Windows does not tell; a socket object knows what it set, a bare handle is taken to be as it was created.
        return not isinstance(source.file, socket.socket) or source.file.gettimeout() is None
