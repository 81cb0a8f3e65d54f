"""epoll as it is: watch sockets, wait for events, change what is watched, stop watching.

    python epoll_events.py hello

Two ends of a TCP connection.  The data of an event is whatever number the program gave with the registration: here the
descriptor for one end, and a number that is none for the other.
"""

from __future__ import annotations

import argparse
import socket

from compl_epoll import Epoll, EpollEvents, Event, EventArray

CLIENT = 2**64 - 1


def show(epoll: Epoll, events: EventArray, timeout_ms: float) -> None:
    """Wait, and print what happened."""
    if epoll.wait(events, timeout_ms) == 0:
        print("no events within", timeout_ms, "ms")
    for mask, data in events:
        print("client" if data == CLIENT else "server", EpollEvents(mask).name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Show the events of a TCP connection.")
    parser.add_argument("message", nargs="?", default="hello")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    events = EventArray(10)  # filled by every wait, made once
    with client, server, Epoll() as epoll:
        print("-- registered for input")
        epoll.register(server, Event(EpollEvents.IN, data=server.fileno()))
        show(epoll, events, 0.5)
        client.sendall(options.message.encode())
        show(epoll, events, 1000)

        print("-- the message is read:", server.recv(1 << 16).decode())
        show(epoll, events, 0)

        print("-- modified: output as well")
        epoll.modify(server, Event(EpollEvents.IN | EpollEvents.OUT, data=server.fileno()))
        show(epoll, events, 1000)

        print("-- unregistered; the client's end, edge-triggered")
        epoll.unregister(server)
        epoll.register(client, Event(EpollEvents.IN | EpollEvents.RDHUP | EpollEvents.ET, data=CLIENT))
        server.shutdown(socket.SHUT_WR)
        show(epoll, events, 1000)
        show(epoll, events, 0)  # once


if __name__ == "__main__":
    main()
