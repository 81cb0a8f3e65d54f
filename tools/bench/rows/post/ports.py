"""Row `post`, completion ports: ``post`` and ``wait``."""

from __future__ import annotations

from bench.ports import KEY, open_port

#: The most packets that one wait takes.
BATCH = 256


class Ports:
    """Two ports, one for each direction."""

    def __init__(self, backend: str) -> None:
        self.there, self.back = open_port(backend), open_port(backend)

    def post(self, count: int) -> None:
        post = self.there.post
        for _ in range(count):
            post(KEY)

    def take(self, count: int) -> None:
        wait = self.there.wait
        taken = 0
        while taken < count:
            batch = wait(BATCH)
            taken += len(batch)
            for done in batch:
                if done[0] != KEY:  # by position: what a packet costs, not what a name costs on Python 3.11
                    raise ValueError(f"key {KEY:#x} was posted, {done} came")

    def ping(self, count: int) -> None:
        post, wait = self.there.post, self.back.wait
        for _ in range(count):
            post(KEY)
            wait(1)

    def pong(self, count: int) -> None:
        post, wait = self.back.post, self.there.wait
        for _ in range(count):
            wait(1)
            post(KEY)
