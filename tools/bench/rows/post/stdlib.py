"""Row `post`, standard library: a queue without wake-up descriptor, and an eventfd watched by epoll."""

from __future__ import annotations

import os
import select
from queue import SimpleQueue

from bench.ports import KEY


class Queues:
    """``queue.SimpleQueue``: nothing else can be waited for at the same time."""

    def __init__(self) -> None:
        self.there: SimpleQueue[int] = SimpleQueue()
        self.back: SimpleQueue[int] = SimpleQueue()

    def post(self, count: int) -> None:
        put = self.there.put
        for _ in range(count):
            put(KEY)

    def take(self, count: int) -> None:
        get = self.there.get
        for _ in range(count):
            get()

    def ping(self, count: int) -> None:
        put, get = self.there.put, self.back.get
        for _ in range(count):
            put(KEY)
            get()

    def pong(self, count: int) -> None:
        put, get = self.back.put, self.there.get
        for _ in range(count):
            get()
            put(KEY)


class EventFds:
    """An eventfd in a ``select.epoll``: wakes, and carries a count but no packet."""

    def __init__(self) -> None:
        self.there, self.back = os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, os.EFD_CLOEXEC)
        self.at_there, self.at_back = select.epoll(), select.epoll()
        self.at_there.register(self.there, select.EPOLLIN)
        self.at_back.register(self.back, select.EPOLLIN)

    def post(self, count: int) -> None:
        write, file = os.eventfd_write, self.there
        for _ in range(count):
            write(file, 1)

    def take(self, count: int) -> None:
        poll, read, file = self.at_there.poll, os.eventfd_read, self.there
        taken = 0
        while taken < count:
            for _file, _mask in poll():
                taken += read(file)

    def ping(self, count: int) -> None:
        poll, read, write, there, back = self.at_back.poll, os.eventfd_read, os.eventfd_write, self.there, self.back
        for _ in range(count):
            write(there, 1)
            poll()
            read(back)

    def pong(self, count: int) -> None:
        poll, read, write, there, back = self.at_there.poll, os.eventfd_read, os.eventfd_write, self.there, self.back
        for _ in range(count):
            poll()
            read(there)
            write(back, 1)
