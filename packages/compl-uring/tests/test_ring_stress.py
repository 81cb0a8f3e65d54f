"""Random operations, cancels and links over small queues, against a model of every buffer and every completion."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections import Counter

import pytest

from compl_uring import CompletionEntry, Ring, SetupFlags, SqeFlags

SIZE = 1 << 16
SEEDS = range(6)
STEPS = 20_000

#: What an operation may end with, beside its success.
ENDS = {-errno.ECANCELED, -errno.EINTR}


class Model:
    """A file's bytes, what each number was asked to do, and what came of it."""

    def __init__(self, ring: Ring, seed: int) -> None:
        self.ring, self.random = ring, random.Random(seed)
        self.content = bytearray(self.random.randbytes(SIZE))
        self.file = os.memfd_create("model")
        os.write(self.file, self.content)
        self.ends = socket.socketpair()
        self.reads: dict[int, tuple[int, bytearray]] = {}
        self.receives: dict[int, bytearray] = {}
        self.others: set[int] = set()
        self.expected: Counter[int] = Counter()
        self.found: Counter[int] = Counter()
        self.number = self.last = 0

    def new(self) -> int:
        self.number += 1
        self.expected[self.number] += 1
        return self.number

    def step(self) -> None:
        choice = self.random.randrange(12)
        flags = SqeFlags.ASYNC if self.random.random() < 0.1 else SqeFlags.NONE
        if choice < 4:
            at, size = self.random.randrange(SIZE - 64), self.random.randrange(1, 64)
            number, buffer = self.new(), bytearray(size)
            self.reads[number] = at, buffer
            if choice:
                self.ring.read(self.file, buffer, at, number, flags)
            else:
                parts = [memoryview(buffer)[: size // 2], memoryview(buffer)[size // 2 :]]
                self.ring.readv(self.file, parts, at, number, flags)
        elif choice < 6:
            number, buffer = self.new(), bytearray(8)
            self.receives[number] = buffer
            self.ring.recv(self.ends[0], buffer, number, flags)
        elif choice == 6 and self.receives:
            self.others.add(number := self.new())
            self.ring.cancel(self.random.choice([*self.receives]), number)
        elif choice == 7:
            self.ends[1].send(b"x")
        elif choice == 8:
            self.others.add(number := self.new())
            self.ring.timeout(self.random.random() / 1000, number)
        elif choice == 9 and self.ring.room >= 2:
            first, second = self.new(), self.new()
            self.others |= {first, second}
            self.ring.nop(first, SqeFlags.IO_LINK)
            self.ring.nop(second)
        elif choice == 10:
            self.take(self.ring.reap(self.random.randrange(5)))
        else:
            self.take(self.ring.submit_and_wait(0, 0.001 * self.random.randrange(2)))

    def take(self, entries: list[CompletionEntry]) -> None:
        for entry in entries:
            number = entry.user_data
            self.found[number] += 1
            assert not entry.more
            if number in self.reads:
                at, buffer = self.reads.pop(number)
                assert entry.res in ({len(buffer)} | ENDS)
                if entry.res > 0:
                    assert buffer == self.content[at : at + len(buffer)]
                buffer.append(0)  # not exported any more
            elif number in self.receives:
                buffer = self.receives.pop(number)
                assert entry.res in ({*range(1, 9)} | ENDS)
                assert buffer == b"x" * max(entry.res, 0) + bytes(8 - max(entry.res, 0))
                buffer.append(0)
            else:
                self.others.remove(number)
                assert entry.res in (0, -errno.ETIME, -errno.ENOENT, -errno.EALREADY) or number == self.last

    def finish(self) -> None:
        self.last = self.new()  # its result is how many there were
        self.others.add(self.last)
        self.ring.cancel_fd(self.ends[0], self.last)
        while self.ring.in_flight:
            self.take(self.ring.submit_and_wait(1, 1))
            self.ends[1].send(b"x")
        assert self.ring.reap() == []
        assert self.found == self.expected

    def close(self) -> None:
        os.close(self.file)
        for end in self.ends:
            end.close()


KINDS = [
    SetupFlags.NONE,
    SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN,
    SetupFlags.COOP_TASKRUN | SetupFlags.SUBMIT_ALL,
]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_operation_ends_once_with_its_own_bytes(seed: int) -> None:
    with Ring(8, cq_entries=16, flags=KINDS[seed % 3]) as ring:
        model = Model(ring, seed)
        for _ in range(STEPS):
            model.step()
        model.finish()
        model.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_closed_anywhere_it_gives_everything_back(seed: int) -> None:
    rng = random.Random(seed)
    for turn in range(20):
        with Ring(8, cq_entries=16, flags=KINDS[turn % 3]) as ring:
            model = Model(ring, rng.randrange(1 << 30))
            for _ in range(rng.randrange(200)):
                model.step()
        for _, buffer in model.reads.values():
            buffer.append(0)
        for buffer in model.receives.values():
            buffer.append(0)
        model.close()
