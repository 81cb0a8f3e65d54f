"""A TCP echo server on one thread: each connection has one buffer and one operation in flight.

python echo_server.py [--host 127.0.0.1] [--port 7007]
"""

from __future__ import annotations

import argparse
import socket

import compl_core
from compl_core import Completion, Kind


class Connection:
    """A socket and its buffer; the token of all its operations."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray(64 * 1024)


class EchoServer:
    """Accept, then recv and send in turn on every connection."""

    def __init__(self, port: compl_core.CompletionPort, listener: socket.socket) -> None:
        self.port = port
        self.port.accept(listener, multishot=True)

    def step(self, done: Completion) -> None:
        """Answer one completion with the next operation of its connection."""
        if done.kind is Kind.ACCEPT:
            done.unwrap()
            connection = Connection(done.value)
            self.port.recv(connection.sock, connection.buffer, token=connection)
            return
        token = done.token
        if not isinstance(token, Connection):
            return  # a connection that has been closed
        if done.kind is Kind.RECV and done.result > 0:
            self.port.send_all(token.sock, memoryview(token.buffer)[: done.result], token)
        elif done.kind is Kind.SEND and done.ok:
            self.port.recv(token.sock, token.buffer, token=token)
        else:  # the end, or an error: either way this connection is over
            self.port.close_file(token.sock)

    def run(self) -> None:
        while True:
            for done in self.port.wait():
                self.step(done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7007, help="0: any free one")
    options = parser.parse_args()
    with compl_core.open_port() as port, socket.create_server((options.host, options.port)) as listener:
        print(f"{port.name} port, serving on {options.host} {listener.getsockname()[1]}", flush=True)
        try:
            EchoServer(port, listener).run()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
