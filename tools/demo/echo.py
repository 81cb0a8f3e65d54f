"""Two echo servers with one task: on a completion port, and on asyncio.  ``python echo.py port|asyncio``.

Prints the TCP port that it listens on, serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable

from compl_core import Completion, CompletionPort, Kind, open_port

_BUFFER = 64 * 1024
_STOP = 1


class _Connection:
    """One client: the token of its operations, which therefore keep it alive."""

    __slots__ = ("sock", "view")

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio does
        self.sock = sock
        self.view = memoryview(bytearray(_BUFFER))


def _answer(port: CompletionPort, listener: socket.socket, done: Completion) -> None:
    """Start what follows from one completion."""
    if done.kind is Kind.ACCEPT:
        connection = _Connection(done.value)
        port.accept(listener)
        port.recv(connection.sock, connection.view, 0, connection)
        return
    if not isinstance(done.token, _Connection):
        return
    connection = done.token
    if done.kind is Kind.RECV and done.result > 0:
        port.send_all(connection.sock, connection.view[: done.result], connection)
    elif done.kind is Kind.SEND and done.ok:
        port.recv(connection.sock, connection.view, 0, connection)
    else:  # the end of the stream, or an error that ends it
        port.close_file(connection.sock)


def _serve_with_port(listener: socket.socket) -> None:
    with open_port() as port:
        _when_told(lambda: port.post(_STOP))
        port.accept(listener)
        while True:
            for done in port.wait():
                if done.kind is Kind.POSTED:
                    return
                _answer(port, listener, done)


class _Echo(asyncio.Protocol):
    """asyncio's own fastest way: a protocol, not streams."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._write(data)


async def _serve_with_asyncio(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    _when_told(lambda: loop.call_soon_threadsafe(told.set))
    await loop.create_server(_Echo, sock=listener)
    await told.wait()


def _when_told(stop: Callable[[], object]) -> None:
    """Call ``stop`` from another thread when standard input ends."""

    def listen() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=listen, daemon=True).start()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        if sys.argv[1:] == ["port"]:
            _serve_with_port(listener)
        elif sys.argv[1:] == ["asyncio"]:
            asyncio.run(_serve_with_asyncio(listener))
        else:
            sys.exit(f"echo.py: which server, port or asyncio? got {sys.argv[1:]}")


if __name__ == "__main__":
    main()
