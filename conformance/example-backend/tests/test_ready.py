"""The queue of what finished: nothing is lost to an exception, and a waiter is woken when there is enough for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from compl_core import Completion, CompletionFlags, Kind
from compl_example.doorbell import Doorbell
from compl_example.ready import Entry, ReadyQueue


def entry(key: int) -> Entry[None]:
    return Entry(Completion(key, 0, None, Kind.POSTED, CompletionFlags.NONE, None), key, None)


@pytest.fixture
def queue() -> ReadyQueue[None]:
    lock = threading.RLock()
    lock.acquire()  # as every caller does
    return ReadyQueue(lock)


def keys(entries: list[Entry[None]]) -> list[int]:
    return [one.completion.key for one in entries]


def take_all(queue: ReadyQueue[None]) -> list[int]:
    batch: list[Entry[None]] = []
    assert queue.take(batch, 100, 1, 0.0)
    return keys(batch)


def test_in_order_and_no_more_than_asked_for(queue: ReadyQueue[None]) -> None:
    for key in range(5):
        queue.append(entry(key))
    batch: list[Entry[None]] = []
    assert queue.take(batch, 3, 1, None)
    assert keys(batch) == [0, 1, 2]
    assert take_all(queue) == [3, 4]


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_give_back_after_any_step(queue: ReadyQueue[None], taken: int) -> None:
    entries = [entry(key) for key in range(4)]
    for one in entries:
        queue.append(one)
    for one in entries[:taken]:  # as take() does: all are in the batch before the first leaves the queue
        queue.remove(one)
    queue.give_back(entries[:3])
    assert take_all(queue) == [0, 1, 2, 3]


def test_a_waiter_is_woken_when_there_is_enough_for_it() -> None:
    lock = threading.RLock()
    queue: ReadyQueue[None] = ReadyQueue(lock)

    def take(least: int) -> list[int]:
        batch: list[Entry[None]] = []
        with lock:
            assert queue.take(batch, least, least, None)
        return keys(batch)

    def until_waiting(count: int) -> None:
        while True:
            with lock:
                if len(queue._waiters) == count:
                    return

    with ThreadPoolExecutor(2) as threads:
        wants_two = threads.submit(take, 2)
        until_waiting(1)
        wants_one = threads.submit(take, 1)
        until_waiting(2)
        with lock:
            queue.append(entry(1))
        assert wants_one.result(10) == [1]  # not the first in line, but the first for whom there is enough
        with lock:
            queue.append(entry(2))
            queue.append(entry(3))
        assert wants_two.result(10) == [2, 3]


def test_shut_wakes_everybody() -> None:
    lock = threading.RLock()
    queue: ReadyQueue[None] = ReadyQueue(lock)

    def take() -> bool:
        with lock:
            return queue.take([], 1, 1, None)

    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(take) for _ in range(3)]
        with lock:
            queue.shut()
        assert [one.result(10) for one in waiting] == [False, False, False]


def test_sign_is_up_while_there_is_something(queue: ReadyQueue[None], watch: Callable[[int], bool]) -> None:
    queue.sign = Doorbell()
    assert not watch(queue.sign.fileno())
    queue.append(entry(1))
    assert watch(queue.sign.fileno())
    assert take_all(queue) == [1]
    assert not watch(queue.sign.fileno())
    queue.clear()
