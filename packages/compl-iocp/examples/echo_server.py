"""An echo server on a completion port: AcceptEx, WSARecv and WSASend, one operation in flight for each connection.

    python echo_server.py --port 7777

The token of an operation is its connection.  Written against compl_core alone: with --backend epoll it runs on Linux.
"""

from __future__ import annotations

import argparse
import socket

import compl_core
from compl_core import Completion, CompletionPort, Kind


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray(1 << 16)


def serve(port: CompletionPort, listener: socket.socket, limit: int | None) -> int:
    """Until so many connections have come and gone, or Ctrl-C; the bytes that were sent back."""
    echoed = ended = 0
    port.accept(listener, multishot=True)
    while limit is None or ended < limit:
        for done in port.wait():
            if done.kind is Kind.ACCEPT:
                accepted(port, done)
            elif done.kind is Kind.CLOSE:
                ended += 1
            else:
                echoed += answer(port, done, done.token)
    return echoed


def accepted(port: CompletionPort, done: Completion) -> None:
    if done.error is not None:
        print(f"no connection: {done.error}", flush=True)  # that one is gone, the next may come
    else:
        connection = Connection(done.value)
        port.recv(connection.sock, connection.buffer, 0, connection)


def answer(port: CompletionPort, done: Completion, connection: object) -> int:
    """Receive, send back, receive again; the bytes that this completion sent."""
    assert isinstance(connection, Connection)
    if done.error is not None or done.eof:
        port.close_file(connection.sock)
        return 0
    if done.kind is Kind.RECV:
        port.send_all(connection.sock, memoryview(connection.buffer)[: done.result], connection)
        return 0
    port.recv(connection.sock, connection.buffer, 0, connection)
    return done.result


def main() -> None:
    parser = argparse.ArgumentParser(description="Send back whatever comes.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes any that is free")
    parser.add_argument("--backend", default="compl_iocp:backend", help="which completion port (default: %(default)s)")
    parser.add_argument("--connections", type=int, help="end after so many; otherwise at Ctrl-C")
    options = parser.parse_args()
    with socket.create_server((options.host, options.port)) as listener, compl_core.open_port(options.backend) as port:
        print(f"listening on {options.host} {listener.getsockname()[1]} ({port.name})", flush=True)
        try:
            print(f"sent back {serve(port, listener, options.connections)} bytes")
        except KeyboardInterrupt:
            print("interrupted")


if __name__ == "__main__":
    main()
