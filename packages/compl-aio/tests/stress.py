"""Random use of a port, held against a model: every operation ends once, no byte is lost, none comes twice.

    python tests/stress.py 1000000 --seed 7

A step is one call of the port, or one by the far ends.  The model knows what each stream has been sent and what of it
has arrived, which operations are in flight, and what the pages of a file hold.
"""

from __future__ import annotations

import argparse
import errno
import mmap
import os
import random
import socket
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from compl_aio import AioPort
from compl_core import Completion, Interest, Kind

STREAMS = 8
PAGES = 32
PAGE = mmap.PAGESIZE
MOST = 300


class Pending(NamedTuple):
    """An operation that the model expects to end."""

    kind: Kind
    #: What the port calls it.
    identity: int
    #: Of the stream that it reads; -1 - n is page n of the file.
    number: int
    buffer: bytearray | mmap.mmap | None


class Stream:
    """One direction of a socket or pipe: the far end writes a running pattern, the port reads it."""

    def __init__(self, pipe: bool) -> None:
        self.mine: int | socket.socket
        self.theirs: int | socket.socket
        if pipe:
            self.mine, self.theirs = os.pipe()
            os.set_blocking(self.theirs, False)
        else:
            self.mine, self.theirs = socket.socketpair()
            self.theirs.setblocking(False)
        self.sent = self.arrived = 0
        self.order: deque[int] = deque()

    def feed(self, count: int) -> None:
        data = bytes((self.sent + n) % 251 for n in range(count))
        try:
            self.sent += os.write(self.theirs, data) if isinstance(self.theirs, int) else self.theirs.send(data)
        except BlockingIOError:
            pass

    def take(self, data: bytes) -> None:
        expected = bytes((self.arrived + n) % 251 for n in range(len(data)))
        assert data == expected, f"byte {self.arrived}: {data[:8]!r} instead of {expected[:8]!r}"
        self.arrived += len(data)

    def close(self) -> None:
        for end in (self.mine, self.theirs):
            if isinstance(end, int):
                os.close(end)
            else:
                end.close()


class Stress:
    """The port, its far ends and the model."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.port = AioPort()
        self.streams = [Stream(pipe=number % 4 == 3) for number in range(STREAMS)]
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "file")
        with path.open("wb") as file:
            file.write(bytes(PAGES * PAGE))
            os.fsync(file.fileno())
        try:
            self.file = os.open(path, os.O_RDWR | os.O_DIRECT)
        except OSError:  # no O_DIRECT on this file system
            self.file = os.open(path, os.O_RDWR)
        self.pages = [bytes(PAGE)] * PAGES
        self.writing: Counter[int] = Counter()
        self.pending: dict[int, Pending] = {}
        self.cancelled: set[int] = set()
        self.posts: deque[int] = deque()
        self.counts: Counter[str] = Counter()
        self.tokens = 0

    # ---- steps ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        choice = self.choose.random()
        stream = self.choose.choice(self.streams)
        if choice < 0.30:
            stream.feed(self.choose.randrange(1, 200))
        elif choice < 0.55 and len(self.pending) < MOST:
            self.receive(stream)
        elif choice < 0.62 and len(self.pending) < MOST:
            self.use_file()
        elif choice < 0.66:
            self.tokens += 1
            self.port.post(self.tokens, token=self.tokens)
            self.posts.append(self.tokens)
        elif choice < 0.69:
            self.begin(Kind.TIMEOUT, lambda token: self.port.timeout(self.choose.choice([0, 0.0005]), token))
        elif choice < 0.74 and self.pending:
            self.cancel()
        elif choice < 0.76:
            self.watch(stream)
        else:
            self.wait(self.choose.choice([0, 0, 0.0002]))

    def begin(
        self, kind: Kind, call: Callable[[int], int], number: int = 0, buffer: bytearray | mmap.mmap | None = None
    ) -> int:
        self.tokens += 1
        self.pending[self.tokens] = Pending(kind, call(self.tokens), number, buffer)
        return self.tokens

    def receive(self, stream: Stream, whole: float = 0.3) -> None:
        """``whole`` is how likely it waits until its buffer is full."""
        buffer = bytearray(self.choose.randrange(1, 150))
        number = self.streams.index(stream)
        if isinstance(stream.mine, int):
            token = self.begin(Kind.READ, lambda t: self.port.read(stream.mine, buffer, None, t), number, buffer)
        elif self.choose.random() < whole:
            sock = stream.mine
            token = self.begin(Kind.RECV, lambda t: self.port.recv_exactly(sock, buffer, t), number, buffer)
        else:
            sock = stream.mine
            token = self.begin(Kind.RECV, lambda t: self.port.recv(sock, buffer, 0, t), number, buffer)
        stream.order.append(token)

    def use_file(self) -> None:
        page = self.choose.randrange(PAGES)
        if self.choose.random() < 0.1:
            self.begin(Kind.FSYNC, lambda token: self.port.fsync(self.file, token))
            return
        if self.writing[page]:
            return  # what a page holds while it is written is nobody's promise
        memory = mmap.mmap(-1, PAGE)
        reads = any(each.number == -1 - page for each in self.pending.values())
        if self.choose.random() < 0.4 and not reads:
            memory[:] = bytes([self.choose.randrange(256)]) * PAGE
            self.pages[page] = memory[:]
            self.writing[page] += 1
            self.begin(Kind.WRITE, lambda t: self.port.write(self.file, memory, page * PAGE, t), -1 - page, memory)
        else:
            self.begin(Kind.READ, lambda t: self.port.read(self.file, memory, page * PAGE, t), -1 - page, memory)

    def cancel(self) -> None:
        token = self.choose.choice(list(self.pending)[:50])
        if self.pending[token].kind in (Kind.WRITE, Kind.FSYNC):
            return
        self.port.cancel(self.pending[token].identity)
        self.cancelled.add(token)

    def watch(self, stream: Stream) -> None:
        try:
            self.port.register(stream.mine, 10**9 + self.streams.index(stream), Interest.READABLE, oneshot=True)
        except FileExistsError:
            self.port.unregister(stream.mine)

    # ---- what comes out ---------------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> int:
        batch = self.port.wait(self.choose.choice([1, 7, 64]), timeout=timeout)
        for done in batch:
            self.judge(done)
        return len(batch)

    def judge(self, done: Completion) -> None:
        self.counts[done.kind.name] += 1
        if done.kind is Kind.READY:
            assert done.readiness & Interest.READABLE and done.key >= 10**9, done
            return
        if done.kind is Kind.POSTED:
            assert done.token == done.key == self.posts.popleft(), done
            return
        assert isinstance(done.token, int)
        token = done.token
        pending = self.pending.pop(token)  # KeyError: it ended twice
        assert done.kind is pending.kind, (done, pending)
        cancelled = token in self.cancelled
        self.cancelled.discard(token)
        if done.result < 0:
            assert done.result == -errno.ECANCELED and cancelled, done
        if pending.number < 0:
            self.judge_page(done, pending)
        elif pending.buffer is not None:
            stream = self.streams[pending.number]
            if done.result >= 0:
                assert isinstance(pending.buffer, bytearray)
                assert done.result > 0 or cancelled, done
                while stream.order[0] != token:  # those before it were cancelled, and say so in their own completion
                    assert stream.order[0] not in self.pending, "out of order"
                    stream.order.popleft()
                stream.take(bytes(pending.buffer[: done.result]))

    def judge_page(self, done: Completion, pending: Pending) -> None:
        page = -1 - pending.number
        assert isinstance(pending.buffer, mmap.mmap)
        if done.kind is Kind.WRITE:
            assert done.result == PAGE, done
            self.writing[page] -= 1
        elif done.result >= 0:
            assert done.result == PAGE, done
            assert pending.buffer[:] == self.pages[page], f"page {page}"

    def end(self) -> None:
        """All that is in flight ends, and all that was sent arrives."""
        for token in list(self.pending):
            if self.pending[token].number >= 0 and self.pending[token].kind in (Kind.READ, Kind.RECV):
                self.port.cancel(self.pending[token].identity)
                self.cancelled.add(token)
        while self.pending or self.posts:
            assert self.wait(20), f"{len(self.pending)} operations and {len(self.posts)} posts are lost"
        for stream in self.streams:
            while stream.arrived < stream.sent:
                self.receive(stream, whole=0)
                assert self.wait(20), f"{stream.sent - stream.arrived} bytes are lost"
        assert self.port.in_flight == 0, self.port.in_flight

    def close(self) -> None:
        self.port.close()
        for stream in self.streams:
            stream.close()
        os.close(self.file)
        self.folder.cleanup()


def run(steps: int, seed: int) -> Counter[str]:
    """So many steps; what came out of the port, counted by kind."""
    stress = Stress(seed)
    try:
        for _ in range(steps):
            stress.step()
        stress.end()
    finally:
        stress.close()
    return stress.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = run(options.steps, options.seed)
    print(
        f"{options.steps} steps, nothing lost:", ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
