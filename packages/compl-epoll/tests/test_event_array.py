"""The array that a wait fills: its entries, its iterators, its use by one thread at a time."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from compl_epoll import Epoll, EpollEvents, Event, EventArray

Pipe = tuple[int, int]
OUT = int(EpollEvents.OUT)
#: Beyond the small ints that the interpreter shares.
BIG = 2**64 - 1000


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """The writing ends of pipes: ready for output."""
    ends = [os.pipe() for _ in range(5)]
    yield [writer for _, writer in ends]
    for end in ends:
        for fd in end:
            os.close(fd)


@pytest.fixture
def filled(epoll: Epoll, pipes: list[int]) -> EventArray:
    """Five events, with data BIG, BIG + 1 ..."""
    events = EventArray(8)
    for place, writer in enumerate(pipes):
        epoll.register(writer, Event(EpollEvents.OUT, BIG + place))
    assert epoll.wait(events, 0) == 5
    return events


EXPECTED = [(OUT, BIG + place) for place in range(5)]


def test_entries(filled: EventArray) -> None:
    assert (filled.capacity, len(filled)) == (8, 5)
    assert [filled[place] for place in range(5)] == EXPECTED
    assert [filled[place] for place in range(-5, 0)] == EXPECTED
    for place in (5, 7, 8, -6, 2**31 - 1, -(2**31)):
        with pytest.raises(IndexError, match=f"event {place}|of 5"):
            filled[place]


@pytest.mark.parametrize("capacity", [0, -1, -(2**31)])
def test_room_for_one_at_least(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, not {capacity}"):
        EventArray(capacity)


@pytest.mark.parametrize("capacity", ["3", 1.5, None])
def test_capacity_is_an_int(capacity: Any) -> None:
    with pytest.raises(TypeError):
        EventArray(capacity)
    with pytest.raises(TypeError):
        EventArray()  # type: ignore[call-arg]


def test_a_fresh_array_is_empty() -> None:
    events = EventArray(3)
    assert (events.capacity, len(events), list(events)) == (3, 0, [])
    with pytest.raises(IndexError):
        events[0]


def test_each_wait_fills_it_again(epoll: Epoll, filled: EventArray, pipes: list[int]) -> None:
    for writer in pipes[1:]:
        epoll.unregister(writer)
    assert epoll.wait(filled, 0) == 1
    assert list(filled) == [(OUT, BIG)]
    with pytest.raises(IndexError):
        filled[1]  # of the wait before
    epoll.unregister(pipes[0])
    assert epoll.wait(filled, 0) == 0
    assert list(filled) == []


def test_what_does_not_fit_comes_next_time(epoll: Epoll, filled: EventArray) -> None:
    two = EventArray(2)
    found: set[tuple[int, int]] = set()
    for _ in range(5):
        assert epoll.wait(two, 0) == 2
        found.update(two)
    assert found == set(EXPECTED)


def test_one_array_for_several_sets(epoll: Epoll, filled: EventArray, pipes: list[int]) -> None:
    with Epoll() as other:
        other.register(pipes[0], Event(EpollEvents.OUT, 1))
        assert other.wait(filled, 0) == 1
        assert list(filled) == [(OUT, 1)]
    assert epoll.wait(filled, 0) == 5


def test_an_array_serves_one_wait_at_a_time(
    epoll: Epoll, pipe: Pipe, background: Callable[..., Future[Any]], until: Callable[[Callable[[], Any]], None]
) -> None:
    events = EventArray(4)
    reader, writer = pipe

    def refused() -> bool:
        with Epoll() as other:
            try:
                other.wait(events, 0)
            except ValueError as error:
                return "in use by another thread's wait()" in str(error)
        return False

    epoll.register(reader, Event(EpollEvents.IN, 1))
    waiting = background(epoll.wait, events)
    until(refused)
    assert not waiting.done()
    assert list(events) == []  # nothing to see until it is filled
    os.write(writer, b"x")
    assert waiting.result() == 1
    assert list(events) == [(EpollEvents.IN, 1)]
    assert epoll.wait(events, 0) == 1


def test_a_failed_wait_gives_the_array_back(epoll: Epoll, filled: EventArray) -> None:
    os.close(epoll.fileno())
    with pytest.raises(OSError, match="epoll_wait on epoll set"):
        epoll.wait(filled, 5)
    assert len(filled) == 0
    with pytest.raises(OSError):  # so epoll.close() says, too
        epoll.close()
    with Epoll() as other:
        assert other.wait(filled, 0) == 0


# ---- iterators: one tuple serves all steps, unless somebody could see it change -------------------------------------


def test_pairs_that_are_kept_do_not_change(filled: EventArray) -> None:
    kept = []
    for pair in filled:
        kept.append(pair)
    assert kept == EXPECTED
    assert len({id(pair) for pair in kept}) == 5
    assert list(filled) == list(iter(filled)) == [*filled] == EXPECTED
    assert tuple(filled) == tuple(EXPECTED)
    assert sorted(filled, reverse=True) == EXPECTED[::-1]
    assert max(filled, key=lambda pair: pair[1]) == EXPECTED[-1]


def test_pairs_in_containers(filled: EventArray) -> None:
    assert set(filled) == set(EXPECTED)
    assert {pair: pair[1] for pair in filled} == {pair: pair[1] for pair in EXPECTED}
    assert {data: mask for mask, data in filled} == {data: mask for mask, data in EXPECTED}
    assert dict(enumerate(filled)) == dict(enumerate(EXPECTED))
    assert list(zip(filled, filled, strict=True)) == list(zip(EXPECTED, EXPECTED, strict=True))
    assert list(map(lambda pair: pair, filled)) == EXPECTED  # noqa: C417  map() is what is tested
    assert list(filter(None, filled)) == EXPECTED


def test_a_pair_held_across_steps(filled: EventArray) -> None:
    pairs = iter(filled)
    first = next(pairs)
    second = next(pairs)
    assert [first, second] == EXPECTED[:2]
    held = [next(pairs)]
    fourth = next(pairs)
    assert [*held, fourth] == EXPECTED[2:4]
    del first, second
    assert [*held, fourth, next(pairs)] == EXPECTED[2:]
    with pytest.raises(StopIteration):
        next(pairs)
    with pytest.raises(StopIteration):
        next(pairs)
    assert [*held, fourth] == EXPECTED[2:4]


def test_hashes_follow_the_values(filled: EventArray) -> None:
    hashes = [hash(pair) for pair in filled]
    assert hashes == [hash(pair) for pair in EXPECTED]


def test_iterators_are_independent(filled: EventArray) -> None:
    one, other = iter(filled), iter(filled)
    assert next(one) == EXPECTED[0]
    assert next(one) == EXPECTED[1]
    assert next(other) == EXPECTED[0]
    assert next(one) == EXPECTED[2]
    assert next(other) == EXPECTED[1]
    assert [(a, b) for a in filled for b in filled] == [(a, b) for a in EXPECTED for b in EXPECTED]
    assert iter(one) is one


def test_a_generator_over_the_pairs(filled: EventArray) -> None:
    assert list(pair for pair in filled) == EXPECTED  # noqa: C400  a generator frame holds the pair
    pending = [functools.partial(tuple, pair) for pair in filled]
    assert [late() for late in pending] == EXPECTED


def test_an_iterator_left_in_the_middle(epoll: Epoll, filled: EventArray, pipes: list[int]) -> None:
    """A wait between two steps: what is read is what is there, and nothing beyond."""
    pairs = iter(filled)
    assert next(pairs) == EXPECTED[0]
    for writer in pipes[:3]:
        epoll.unregister(writer)
    assert epoll.wait(filled, 0) == 2
    assert list(pairs) == EXPECTED[4:]
    assert list(filled) == EXPECTED[3:]


def test_an_iterator_keeps_its_array(filled: EventArray) -> None:
    pairs = iter(EventArray(1))
    assert list(pairs) == []
    pairs = iter(filled)
    count = sys.getrefcount(filled)
    del pairs
    assert sys.getrefcount(filled) == count - 1


def test_nothing_leaks(filled: EventArray) -> None:
    """The reused tuple gives back the ints that it held."""
    before = sys.getallocatedblocks()
    for _ in range(1000):
        for mask, data in filled:
            assert mask <= data
        list(filled)
    assert sys.getallocatedblocks() - before < 500


def test_an_iterator_made_by_hand_has_nothing() -> None:
    by_hand = type(iter(EventArray(1)))
    with pytest.raises((TypeError, StopIteration)):
        next(by_hand())
