"""A chat on a completion port over io_uring: what one says goes to everybody else, sent from where it was received.

    python port_chat.py --port 7778 & nc 127.0.0.1 7778

One pool of buffers for all clients.  A buffer goes back when the last send of it has completed.  A client that does not
read, and has too much on its way, is dropped.
"""

from __future__ import annotations

import argparse
import signal
import socket

from compl_core import BufferPool, CompletionPort, Kind
from compl_uring import UringPort

MOST = 1000  # pieces on their way to one client


class Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.sending = sock, 0


def serve(port: CompletionPort, pool: BufferPool, listener: socket.socket) -> None:
    """Until something is posted to the port."""
    clients: set[Client] = set()
    stopping = False
    port.accept(listener)
    while not stopping:
        for done in port.wait():
            stopping |= done.kind is Kind.POSTED
            leaving: set[Client] = set()
            if done.kind is Kind.ACCEPT and done.error is not None:
                port.timeout(0.1)  # no descriptor is left, perhaps: again in a while
            elif done.kind is Kind.ACCEPT or done.kind is Kind.TIMEOUT:
                if done.value is not None:
                    clients.add(newcomer := Client(done.value))
                    port.recv(newcomer.sock, token=newcomer, pool=pool)
                port.accept(listener)
            elif isinstance(client := done.token, Client) and client in clients:
                if done.kind is Kind.SEND and done.error is None:
                    client.sending -= 1
                elif done.kind is Kind.RECV and done.more:
                    for other in clients - {client}:
                        other.sending += 1
                        # A copy for those that lag behind, so that they do not empty the pool.
                        port.send_all(other.sock, done.value if other.sending < 10 else bytes(done.value), other)
                    leaving = {one for one in clients if one.sending > MOST}
                else:
                    leaving = {client}
            clients -= leaving
            for one in leaving:
                port.close_file(one.sock)
    for one in clients:
        port.close_file(one.sock)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hand on whatever one says to everybody else.")
    parser.add_argument("--port", type=int, default=0, help="TCP port on this host; 0 takes any that is free")
    with socket.create_server(("127.0.0.1", parser.parse_args().port)) as listener, UringPort() as port:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: port.post(0))  # safe in a handler
        print(f"listening on 127.0.0.1 {listener.getsockname()[1]} ({port.name})", flush=True)
        serve(port, port.buffer_pool(1024, 1 << 12), listener)


if __name__ == "__main__":
    main()
