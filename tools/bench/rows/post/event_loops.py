"""Row `post`, event loops: ``call_soon_threadsafe`` of asyncio, uvloop and rloop."""

from __future__ import annotations

import importlib
from asyncio import AbstractEventLoop


class EventLoops:
    """Two loops of one make, each run by the thread that waits; a packet is a callback."""

    def __init__(self, module: str) -> None:
        make = importlib.import_module(module).new_event_loop
        self.there: AbstractEventLoop = make()
        self.back: AbstractEventLoop = make()
        self.left = 0
        self.right = 0

    def post(self, count: int) -> None:
        call, callback = self.there.call_soon_threadsafe, self.on_taken
        for _ in range(count):
            call(callback)

    def take(self, count: int) -> None:
        self.left = count
        self.there.run_forever()

    def on_taken(self) -> None:
        self.left -= 1
        if not self.left:
            self.there.stop()

    def ping(self, count: int) -> None:
        self.left = count
        self.there.call_soon_threadsafe(self.on_ping)
        self.back.run_forever()

    def pong(self, count: int) -> None:
        self.right = count
        self.there.run_forever()

    def on_ping(self) -> None:
        self.right -= 1
        self.back.call_soon_threadsafe(self.on_pong)
        if not self.right:
            self.there.stop()

    def on_pong(self) -> None:
        self.left -= 1
        if self.left:
            self.there.call_soon_threadsafe(self.on_ping)
        else:
            self.back.stop()
