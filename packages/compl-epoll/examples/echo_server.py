"""An echo server on the best completion port of this host.

    python echo_server.py --port 7777 & nc 127.0.0.1 7777

Each connection has one operation in flight, a receive or the sending back of what came, and is that operation's token.
"""

from __future__ import annotations

import argparse
import signal
import socket

import compl_core
from compl_core import CompletionPort, Kind

#: Seconds until the next accept when one failed: with no descriptor left, it would fail at once again.
PAUSE = 0.1


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray(1 << 16)


def serve(port: CompletionPort, listener: socket.socket) -> None:
    """Until something is posted to the port."""
    connections: set[Connection] = set()
    stopping = False
    port.accept(listener)
    while not stopping:
        for done in port.wait():
            stopping |= done.kind is Kind.POSTED
            if done.kind is Kind.ACCEPT and done.error is not None:
                print(f"no connection: {done.error}", flush=True)
                port.timeout(PAUSE)
            elif done.kind is Kind.ACCEPT or done.kind is Kind.TIMEOUT:
                if done.value is not None:
                    connection = Connection(done.value)
                    connections.add(connection)
                    port.recv(connection.sock, connection.buffer, 0, connection)
                port.accept(listener)
            elif isinstance(done.token, Connection):
                connection = done.token
                if done.error is not None or done.eof:
                    connections.remove(connection)
                    port.close_file(connection.sock)
                elif done.kind is Kind.RECV:
                    port.send_all(connection.sock, memoryview(connection.buffer)[: done.result], connection)
                else:
                    port.recv(connection.sock, connection.buffer, 0, connection)
    for connection in connections:
        port.close_file(connection.sock)


def main() -> None:
    parser = argparse.ArgumentParser(description="Send back whatever comes.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes any that is free")
    parser.add_argument("--backend", help="epoll, uring ...; the best one if left out")
    options = parser.parse_args()
    with socket.create_server((options.host, options.port)) as listener, compl_core.open_port(options.backend) as port:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: port.post(0))  # a post is safe in a handler, and ends the wait
        print(f"listening on {options.host} {listener.getsockname()[1]} ({port.name})", flush=True)
        serve(port, listener)


if __name__ == "__main__":
    main()
