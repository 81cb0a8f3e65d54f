"""EventArray: room for events, filled again and again."""

from __future__ import annotations

import pytest

from compl_aio import MAX_REQUESTS, EventArray, IocbCmd, IoContext, IoControlBlock, IoEvent


def test_empty_at_first() -> None:
    events = EventArray(3)
    assert (events.capacity, len(events), list(events), events.results()) == (3, 0, [], [])
    with pytest.raises(IndexError, match="event 0 of 0"):
        events[0]


@pytest.mark.parametrize(("capacity", "error"), [(0, ValueError), (-1, ValueError), (MAX_REQUESTS + 1, OverflowError)])
def test_capacities_that_make_no_sense(capacity: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(capacity)):
        EventArray(capacity)


def test_a_capacity_is_an_int() -> None:
    with pytest.raises(TypeError):
        EventArray("3")  # type: ignore[arg-type]


def test_each_wait_fills_it_anew(context: IoContext, pipe: tuple[int, int]) -> None:
    events = EventArray(4)
    blocks = [IoControlBlock(IocbCmd.POLL, pipe[1], 4, aio_data=2**64 - 1 - n) for n in range(3)]
    context.submit(blocks)
    assert context.get_events(3, events) == len(events) == 3
    assert events.results() == [(2**64 - 1 - n, 4) for n in range(3)]
    assert [event.obj for event in events] == [block.address for block in blocks]
    assert events[-1] == events[2] == IoEvent(2**64 - 3, blocks[2].address, 4, 0)
    context.submit(blocks[:1])
    assert context.get_events(1, events) == 1
    assert [event.data for event in events] == [2**64 - 1]
    with pytest.raises(IndexError):
        events[1]
    assert context.get_events(0, events) == 0
    assert list(events) == []
