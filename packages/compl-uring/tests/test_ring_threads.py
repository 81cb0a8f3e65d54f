"""One ring and several threads."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from compl_core import WrongThreadError
from compl_uring import CompletionEntry, Ring, SetupFlags

THREADS = 4
EACH = 500


def test_one_waits_while_another_submits(ring: Ring, background: Callable[..., Future[Any]]) -> None:
    waiting = background(ring.submit_and_wait, 5, 30)
    for number in range(5):
        ring.nop(number)
        ring.submit()
    assert sorted(entry.user_data for entry in waiting.result(30)) == list(range(5))


def test_each_completion_goes_to_one_of_those_who_wait(background: Callable[..., Future[Any]]) -> None:
    with Ring(32) as ring:
        total = THREADS * EACH
        taken: list[list[int]] = [[] for _ in range(THREADS)]
        enough = threading.Event()

        def take(mine: list[int]) -> None:
            while not enough.is_set():
                for entry in ring.submit_and_wait(1, 0.05):
                    mine.append(entry.user_data)
                if sum(map(len, taken)) == total:
                    enough.set()

        def fill(base: int) -> None:
            for number in range(EACH):
                ring.nop(base + number)
                if number % 7 == 0:
                    ring.submit()
            ring.submit()

        work = [background(take, mine) for mine in taken] + [background(fill, base * EACH) for base in range(THREADS)]
        for future in work:
            future.result(60)
        assert Counter(number for mine in taken for number in mine) == Counter(range(total))
        assert ring.in_flight == 0


def test_reads_filled_by_many_threads_find_their_buffers(background: Callable[..., Future[Any]]) -> None:
    data = os.memfd_create("data")
    os.write(data, bytes(range(256)) * 16)
    with Ring(32) as ring:
        buffers = [bytearray(16) for _ in range(THREADS * EACH)]
        offsets = [random.Random(number).randrange(4000) for number in range(len(buffers))]

        def fill(base: int) -> None:
            for number in range(base, base + EACH):
                ring.read(data, buffers[number], offsets[number], number)

        done: list[CompletionEntry] = []
        work = [background(fill, base * EACH) for base in range(THREADS)]
        while len(done) < len(buffers):
            done += ring.submit_and_wait(1, 0.05)
        for future in work:
            future.result(60)
    assert {entry.res for entry in done} == {16}
    expected = bytes(range(256)) * 17
    assert all(bytes(buffer) == expected[at : at + 16] for buffer, at in zip(buffers, offsets, strict=True))
    os.close(data)


def test_waiting_lets_other_threads_run(ring: Ring, background: Callable[..., Future[Any]]) -> None:
    """As the operation itself is what another thread has to finish."""
    reader, writer = os.pipe()
    ring.read(reader, bytearray(4), -1, 1)
    sending = background(os.write, writer, b"ping")
    assert ring.submit_and_wait(1, 30) == [CompletionEntry(1, 4)]
    assert sending.result(30) == 4
    os.close(reader)
    os.close(writer)


def test_a_ring_for_one_thread_refuses_others(background: Callable[..., Future[Any]]) -> None:
    with Ring(8, flags=SetupFlags.SINGLE_ISSUER) as ring:
        ring.nop(1)

        def use() -> None:
            calls: list[Callable[[], object]] = [
                ring.nop, ring.submit, ring.submit_and_wait, ring.reap, ring.close, lambda: ring.submit_raw(bytes(64)),
                lambda: ring.register_files([0]), lambda: ring.buffer_ring(1, 4, 4),
            ]  # fmt: skip
            for call in calls:
                with pytest.raises(WrongThreadError, match="made with SINGLE_ISSUER by thread"):
                    call()

        background(use).result(30)
        assert (ring.unsubmitted, ring.in_flight) == (1, 1)
        assert ring.submit_and_wait() == [CompletionEntry(1)]


def test_a_disabled_ring_belongs_to_who_enables_it(background: Callable[..., Future[Any]]) -> None:
    ring = Ring(8, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.R_DISABLED)

    def use() -> list[CompletionEntry]:
        ring.enable()
        ring.nop(1)
        try:
            return ring.submit_and_wait(1, 30)
        finally:
            ring.close()

    assert background(use).result(30) == [CompletionEntry(1)]
    assert ring.closed


def test_opened_and_closed_in_many_threads(background: Callable[..., Future[Any]]) -> None:
    def use() -> int:
        for _ in range(30):
            with Ring(4, flags=random.choice([0, SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN])) as ring:
                ring.nop(3)
                ring.timeout(600, 4)
                if ring.submit_and_wait(1, 30) != [CompletionEntry(3)]:
                    return 1
        return 0

    assert [future.result(60) for future in [background(use) for _ in range(THREADS)]] == [0] * THREADS
