"""A chat on the best completion port of this host: every line goes to everybody else.

    python chat.py --port 7778 & nc 127.0.0.1 7778

Sends to one client complete in their order; one that does not read, and has too much on its way, is dropped.
"""

from __future__ import annotations

import argparse
import signal
import socket

import compl_core
from compl_core import Completion, CompletionPort, Kind

LONGEST, MOST = 1 << 16, 1000  # bytes of a line; lines on their way to one client


class Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.name = sock, f"client {sock.fileno()}".encode()
        self.buffer, self.line, self.sending = bytearray(4096), b"", 0


def serve(port: CompletionPort, listener: socket.socket) -> None:
    """Until something is posted to the port."""
    clients: set[Client] = set()
    stopping = False
    port.accept(listener)
    while not stopping:
        for done in port.wait():
            stopping |= done.kind is Kind.POSTED
            if isinstance(done.token, Client) and done.token in clients:  # else dropped, and its operations cancelled
                go_on(port, clients, done.token, done)
            elif done.kind is Kind.ACCEPT and done.error is not None:
                port.timeout(0.1)  # no descriptor left, perhaps: again later
            elif done.kind is Kind.ACCEPT or done.kind is Kind.TIMEOUT:
                if done.value is not None:
                    clients.add(client := Client(done.value))
                    port.recv(client.sock, client.buffer, 0, client)
                port.accept(listener)
    for client in clients:
        port.close_file(client.sock)


def go_on(port: CompletionPort, clients: set[Client], client: Client, done: Completion) -> None:
    leaving: set[Client] = set()
    if done.error is not None or done.eof:
        leaving = {client}
    elif done.kind is Kind.SEND:
        client.sending -= 1
    else:
        *lines, client.line = (client.line + client.buffer[: done.result]).split(b"\n")
        for line in lines:
            for other in clients - {client}:
                other.sending += 1
                port.send_all(other.sock, b"%s: %s\n" % (client.name, line), other)
        port.recv(client.sock, client.buffer, 0, client)
        leaving = {one for one in clients if one.sending > MOST or len(one.line) > LONGEST}
    clients -= leaving
    for one in leaving:
        port.close_file(one.sock)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hand every line on to everybody else.")
    parser.add_argument("--port", type=int, default=0, help="TCP port on this host; 0 takes any that is free")
    parser.add_argument("--backend", help="epoll, uring ...; the best one if left out")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", options.port)) as listener, compl_core.open_port(options.backend) as port:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: port.post(0))  # a post is safe in a handler, and ends the wait
        print(f"listening on 127.0.0.1 {listener.getsockname()[1]} ({port.name})", flush=True)
        serve(port, listener)


if __name__ == "__main__":
    main()
