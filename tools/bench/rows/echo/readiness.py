"""Row `echo`, readiness: wait until a socket is readable, then recv and send by hand."""

from __future__ import annotations

import select
import socket

from bench.ports import open_port

#: The most events that one wait takes.
BATCH = 256
#: Shared by all connections: nothing stays in it between events.
SIZE = 65536


def accepted(listener: socket.socket) -> socket.socket:
    client, _address = listener.accept()
    client.setblocking(False)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def answer(client: socket.socket, buffer: bytearray, view: memoryview) -> bool:
    """Echo what is there; false when the connection has ended.

    What the client has on its way fits into every socket buffer, so that a short or blocking send means a bug.
    """
    count = client.recv_into(buffer)
    if count == 0:
        return False
    sent = client.send(view[:count])
    if sent != count:
        raise RuntimeError(f"sent {sent} of {count} bytes")
    return True


def select_epoll(listener: socket.socket, **_load: object) -> None:
    """The hand-written loop over ``select.epoll``."""
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    own = listener.fileno()
    clients: dict[int, socket.socket] = {}
    buffer = bytearray(SIZE)
    view = memoryview(buffer)
    while True:
        for file, _mask in epoll.poll(-1, BATCH):
            if file == own:
                client = accepted(listener)
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
            elif not answer(clients[file], buffer, view):
                clients.pop(file).close()


def port(backend: str, listener: socket.socket, **_load: object) -> None:
    """The same loop over a port's READY completions; keys tell the connections apart."""
    from compl_core import Interest

    queue = open_port(backend)
    clients: list[socket.socket] = [listener]
    queue.register(listener, 0, Interest.READABLE)
    buffer = bytearray(SIZE)
    view = memoryview(buffer)
    while True:
        for done in queue.wait(BATCH):
            key = done.key
            if key == 0:
                client = accepted(listener)
                queue.register(client, len(clients), Interest.READABLE)
                clients.append(client)
            elif not answer(clients[key], buffer, view):
                queue.close_file(clients[key])
