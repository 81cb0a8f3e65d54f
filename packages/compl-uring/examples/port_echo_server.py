"""An echo server on a completion port over io_uring: one multishot accept, one pooled receive for each connection.

    python port_echo_server.py --port 7777 & nc 127.0.0.1 7777

Buffers are taken from one pool only when there are bytes to put into them, and go back when those are sent.
"""

from __future__ import annotations

import argparse
import signal
import socket

from compl_core import BufferPool, CompletionPort, Kind
from compl_uring import UringPort


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.sending, self.leaving = sock, 0, False


def serve(port: CompletionPort, pool: BufferPool, listener: socket.socket) -> None:
    """Until something is posted to the port."""
    connections: set[Connection] = set()
    stopping = False
    port.accept(listener, multishot=True)
    while not stopping:
        for done in port.wait():
            stopping |= done.kind is Kind.POSTED
            if done.kind is Kind.ACCEPT and done.error is None:
                connections.add(newcomer := Connection(done.value))
                port.recv(newcomer.sock, token=newcomer, pool=pool)
            elif isinstance(connection := done.token, Connection) and connection in connections:
                if done.kind is Kind.SEND:
                    connection.sending -= 1
                    connection.leaving |= done.error is not None
                elif done.more:  # bytes came; the send holds the view, and with it the buffer
                    connection.sending += 1
                    port.send_all(connection.sock, done.value, connection)
                else:
                    connection.leaving = True
                if connection.leaving and (done.error is not None or not connection.sending):
                    connections.remove(connection)
                    port.close_file(connection.sock)
            if done.kind in (Kind.ACCEPT, Kind.TIMEOUT) and not done.more and not stopping:
                if done.error is None:
                    port.accept(listener, multishot=True)
                else:
                    port.timeout(0.1)  # no descriptor is left, perhaps: again in a while
    for connection in connections:
        port.close_file(connection.sock)


def main() -> None:
    parser = argparse.ArgumentParser(description="Send back whatever comes.")
    parser.add_argument("--port", type=int, default=0, help="TCP port on this host; 0 takes any that is free")
    with socket.create_server(("127.0.0.1", parser.parse_args().port)) as listener, UringPort() as port:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: port.post(0))  # safe in a handler
        print(f"listening on 127.0.0.1 {listener.getsockname()[1]} ({port.name})", flush=True)
        serve(port, port.buffer_pool(256, 1 << 14), listener)


if __name__ == "__main__":
    main()
