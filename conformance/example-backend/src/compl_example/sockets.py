"""Socket operations: each attempt is one or a few system calls that do not block.

The attempts run in the selector's thread, never in the main one, so that no signal handler's exception can come between
a system call that moved bytes and the note of how many.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any

from compl_core import CompletionFlags, Kind
from compl_example.buffers import Exports
from compl_example.calls import NO_SIGPIPE, NOW, borrowed, receive, send
from compl_example.operation import OnFile, Outcome, Transfer
from compl_example.pool import Pool
from compl_example.source import Lane, Source

#: The client was gone before it was accepted: not the listener's fault, the next one may do better.
_CLIENT_GONE = (errno.ECONNABORTED, errno.ENOTCONN, getattr(errno, "EPROTO", errno.ECONNABORTED))
#: What a connect says that goes on in the background.
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK if sys.platform == "win32" else errno.EINPROGRESS, errno.EINTR)
#: Sockets where an empty message is the end; a datagram may well be empty.
_STREAMS = (socket.SOCK_STREAM, getattr(socket, "SOCK_SEQPACKET", socket.SOCK_STREAM))


class Recv(Transfer):
    """One receive: at least a byte, or the end."""

    kind = Kind.RECV
    __slots__ = ("flags",)

    def __init__(self, source: Source, exports: Exports, flags: int) -> None:
        super().__init__(source, Lane.INWARD, exports)
        self.flags = flags

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            count, flags, _ = receive(sock, self.exports.views, self.flags)
            if not count and self.exports.length and sock.type in _STREAMS:
                flags |= CompletionFlags.EOF
        return Outcome(count, flags)


class PooledRecv(OnFile):
    """One receive after the other, each into a buffer of the pool, until the end."""

    kind = Kind.RECV
    multishot = True
    __slots__ = ("flags", "pool")

    def __init__(self, source: Source, pool: Pool, flags: int) -> None:
        super().__init__(source, Lane.INWARD)
        self.pool = pool
        self.flags = flags

    def attempt(self) -> Outcome | None:
        view = self.pool.take()
        try:
            with borrowed(self.source) as sock:
                count, flags, _ = receive(sock, [view], self.flags)
                if not count and sock.type in _STREAMS:
                    view.release()
                    return Outcome(0, CompletionFlags.EOF)
        except BaseException:
            view.release()
            raise
        return Outcome(count, flags, view[:count])


class RecvFrom(Recv):
    """One datagram and its sender."""

    kind = Kind.RECV_FROM
    __slots__ = ()

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            return Outcome(*receive(sock, self.exports.views, self.flags))


class ReadSocket(Recv):
    """``read`` on a socket."""

    kind = Kind.READ
    __slots__ = ()


class RecvExactly(Transfer):
    """Receive until the buffer is full or the stream ends."""

    kind = Kind.RECV
    __slots__ = ("moved",)

    def __init__(self, source: Source, exports: Exports) -> None:
        super().__init__(source, Lane.INWARD, exports)
        self.moved = 0

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            count, _, _ = receive(sock, [self.exports.rest(self.moved)], 0)
        self.moved += count
        if not count:
            return Outcome(self.moved, CompletionFlags.NONE if self.moved else CompletionFlags.EOF)
        return Outcome(self.moved) if self.moved == self.exports.length else None

    def failed(self, error_number: int) -> Outcome:
        return super().failed(error_number)._replace(value=self.moved or None)

    def cancelled(self) -> Outcome:
        return Outcome(self.moved) if self.moved else super().cancelled()


class Send(Transfer):
    """One send; may be short."""

    kind = Kind.SEND
    __slots__ = ("flags",)

    def __init__(self, source: Source, exports: Exports, flags: int) -> None:
        super().__init__(source, Lane.OUTWARD, exports)
        self.flags = flags

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            return Outcome(send(sock, self.exports.views, self.flags))


class WriteSocket(Send):
    """``write`` on a socket."""

    kind = Kind.WRITE
    __slots__ = ()


class SendAll(Transfer):
    """Send until the buffer is empty."""

    kind = Kind.SEND
    __slots__ = ("moved",)

    def __init__(self, source: Source, exports: Exports) -> None:
        super().__init__(source, Lane.OUTWARD, exports)
        self.moved = 0

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            self.moved += send(sock, [self.exports.rest(self.moved)])
        return Outcome(self.moved) if self.moved == self.exports.length else None

    def failed(self, error_number: int) -> Outcome:
        return super().failed(error_number)._replace(value=self.moved or None)

    def cancelled(self) -> Outcome:
        return Outcome(self.moved) if self.moved else super().cancelled()


class SendTo(Send):
    """One datagram to an address."""

    kind = Kind.SEND_TO
    __slots__ = ("address",)

    def __init__(self, source: Source, exports: Exports, address: Any, flags: int) -> None:
        super().__init__(source, exports, flags)
        self.address = address

    def attempt(self) -> Outcome | None:
        with borrowed(self.source) as sock:
            return Outcome(sock.sendto(self.exports.rest(0), self.flags | NOW | NO_SIGPIPE, self.address))


class Accept(OnFile):
    """One connection, or with multishot one after the other."""

    kind = Kind.ACCEPT
    __slots__ = ("multishot",)

    def __init__(self, source: Source, multishot: bool) -> None:
        super().__init__(source, Lane.INWARD)
        self.multishot = multishot

    def attempt(self) -> Outcome | None:
        with borrowed(self.source, flagless=True) as listener:
            try:
                client, _ = listener.accept()
            except OSError as error:
                if error.errno in _CLIENT_GONE:
                    return None
                raise
        if socket.getdefaulttimeout() is None:
            client.setblocking(True)  # BSD and Windows hand the listener's mode down
        return Outcome(0, value=client)


class Connect(OnFile):
    """A connection: begun at once, over when the socket is writable."""

    kind = Kind.CONNECT
    __slots__ = ("address", "begun")

    def __init__(self, source: Source, address: Any) -> None:
        super().__init__(source, Lane.OUTWARD)
        self.address = address
        self.begun = False

    def attempt(self) -> Outcome | None:
        with borrowed(self.source, flagless=True) as sock:
            if self.begun:
                error_number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            else:
                error_number = sock.connect_ex(self.address)
        if error_number in _UNDER_WAY:
            self.begun = True
            return None
        if error_number == errno.EAGAIN:  # a Unix listener with a full backlog: there is nothing to wait for
            raise BlockingIOError(error_number, os.strerror(error_number))
        return self.failed(error_number) if error_number else Outcome(0)


def family(source: Source) -> int:
    """The address family."""
    if isinstance(source.file, socket.socket):
        return source.file.family
    with borrowed(source) as sock:
        return sock.family


def is_stream(source: Source) -> bool:
    """Whether an empty message is none."""
    if isinstance(source.file, socket.socket):
        return source.file.type in _STREAMS
    with borrowed(source) as sock:
        return sock.type in _STREAMS
