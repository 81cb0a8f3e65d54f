"""epoll itself: a socket registered with 64 bits of data of one's own, watched for reading, then for writing too.

python epoll_events.py
"""

from __future__ import annotations

import socket

from compl_epoll import Epoll, EpollEvents, Event, EventArray


def main() -> None:
    here, there = socket.socketpair()
    with here, there, Epoll() as epoll:
        events = EventArray(10)  # filled by each wait, reused by the next
        epoll.register(here, Event(EpollEvents.IN, data=0xC0FFEE))
        print("events:", epoll.wait(events, timeout_ms=0))

        there.send(b"hello")
        print("events:", epoll.wait(events, timeout_ms=1000))
        for mask, data in events:
            print(f"{EpollEvents(mask)!r} on {data:#x}")

        epoll.modify(here, Event(EpollEvents.IN | EpollEvents.OUT, data=here.fileno()))
        epoll.wait(events, timeout_ms=1000)
        for mask, data in events:
            print(f"{EpollEvents(mask)!r}", "on its descriptor" if data == here.fileno() else "on something else")

        epoll.unregister(here)
        print("events:", epoll.wait(events, timeout_ms=0))


if __name__ == "__main__":
    main()
