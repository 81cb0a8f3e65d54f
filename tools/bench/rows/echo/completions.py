"""Row `echo`, completions: recv and send as operations of a port."""

from __future__ import annotations

import socket
from typing import Any

from bench.ports import open_port

#: The most completions that one wait takes.
BATCH = 256
#: Fields of a completion: by position they cost a third of what names cost on Python 3.11.
RESULT, TOKEN, KIND, VALUE = 1, 2, 3, 5


class Connection:
    """A socket and its buffers, the token of all its operations."""

    __slots__ = ("buffer", "piece", "sock", "spare", "spare_view", "view")

    def __init__(self, sock: socket.socket, size: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)
        self.piece = self.view[:0]
        self.spare = bytearray(size)
        self.spare_view = memoryview(self.spare)

    def swap(self) -> None:
        self.buffer, self.view, self.spare, self.spare_view = self.spare, self.spare_view, self.buffer, self.view


def alternate(backend: str, listener: socket.socket, buffer: int, **_load: object) -> None:
    """One operation in flight on each connection: recv, send what came, recv again."""
    from compl_core import Kind

    port = open_port(backend)
    port.accept(listener, multishot=True)
    wait, recv, send = port.wait, port.recv, port.send_all
    received, sent, accepted, closed = Kind.RECV, Kind.SEND, Kind.ACCEPT, Kind.CLOSE
    done: Any
    while True:
        for done in wait(BATCH):
            kind = done[KIND]
            connection = done[TOKEN]
            if kind is sent:  # one that failed fails the recv as well
                recv(connection.sock, connection.buffer, 0, connection)
            elif kind is received and (size := done[RESULT]) > 0:
                piece = connection.piece
                if len(piece) != size:  # a slice costs as much as a send's call: one of the same length serves again
                    connection.piece = piece = connection.view[:size]
                send(connection.sock, piece, connection)
            elif kind is accepted:
                connection = Connection(done[VALUE], buffer)
                recv(connection.sock, connection.buffer, 0, connection)
            elif kind is not closed:
                port.close_file(connection.sock)


def overlap(backend: str, listener: socket.socket, buffer: int, **_load: object) -> None:
    """The next recv goes out with the send, into the other buffer.

    Right for clients that wait for each answer, as this row's do: a send is over before its buffer is used again.
    """
    from compl_core import Kind

    port = open_port(backend)
    port.accept(listener, multishot=True)
    wait, recv, send = port.wait, port.recv, port.send_all
    received, sent, accepted, closed = Kind.RECV, Kind.SEND, Kind.ACCEPT, Kind.CLOSE
    done: Any
    while True:
        for done in wait(BATCH):
            kind = done[KIND]
            connection = done[TOKEN]
            if kind is received and done[RESULT] > 0:
                send(connection.sock, connection.view[: done[RESULT]], connection)
                connection.swap()
                recv(connection.sock, connection.buffer, 0, connection)
            elif kind is sent and done[RESULT] >= 0:
                pass
            elif kind is accepted:
                connection = Connection(done[VALUE], buffer)
                recv(connection.sock, connection.buffer, 0, connection)
            elif kind is not closed:
                port.close_file(connection.sock)


def pooled(backend: str, listener: socket.socket, buffers: int, buffer: int, **_load: object) -> None:
    """Receives that go on by themselves, into buffers that all connections share.

    What came is sent from where it is.  The send holds it; when it is over the buffer goes back to the pool.
    """
    from compl_core import Kind

    port = open_port(backend)
    pool = port.buffer_pool(buffers, buffer)
    port.accept(listener, multishot=True)
    wait, send = port.wait, port.send_all
    received, sent, accepted, closed = Kind.RECV, Kind.SEND, Kind.ACCEPT, Kind.CLOSE
    done: Any
    while True:
        for done in wait(BATCH):
            kind = done[KIND]
            if kind is sent:  # one that failed fails the recv as well
                pass
            elif kind is received and (filled := done[VALUE]) is not None:
                send(done[TOKEN], filled)
            elif kind is accepted:
                sock = done[VALUE]
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                port.recv(sock, token=sock, pool=pool)
            elif kind is not closed:
                port.close_file(done[TOKEN])
