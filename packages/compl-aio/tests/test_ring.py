"""Reading the completion ring in user space: rings made of bytes, and the kernel's own."""

from __future__ import annotations

import pytest

from compl_aio import EventArray, IocbCmd, IoContext, IoControlBlock, IoEvent
from compl_aio._native import take_events
from compl_aio.layouts import LAYOUTS, RING, RING_MAGIC
from compl_core.layout import select

NR = 4
_, EVENT = select(LAYOUTS)


def ring(head: int, tail: int, **changes: int) -> bytearray:
    """A ring of four places, the event in place n with n as its data and -n as its result."""
    fields = {"id": 1, "nr": NR, "head": head, "tail": tail, "magic": RING_MAGIC, "compat_features": 1}
    fields |= {"incompat_features": 0, "header_length": RING.size, **changes}
    events = (EVENT.pack({"data": n, "obj": 100 + n, "res": -n, "res2": 0}) for n in range(NR))
    return bytearray(RING.pack(fields) + b"".join(events))


def head_of(memory: bytearray) -> int:
    head = RING.unpack(memory)["head"]
    assert isinstance(head, int)
    return head


def places(events: list[IoEvent] | None) -> list[int]:
    assert events is not None
    assert all(event == (event.data, 100 + event.data, -event.data, 0) for event in events)
    return [event.data for event in events]


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        (0, 0, []),
        (2, 2, []),
        (0, 3, [0, 1, 2]),
        (3, 1, [3, 0]),
        (2, 1, [2, 3, 0]),
        (1, 0, [1, 2, 3]),
        (NR, 2, [0, 1]),  # the kernel leaves it there until it writes it next
        (NR, NR, []),
        (1, NR, [1, 2, 3]),
    ],
)
def test_what_is_there_is_taken(head: int, tail: int, expected: list[int]) -> None:
    memory = ring(head, tail)
    assert places(take_events(memory, 16)) == expected
    assert head_of(memory) % NR == tail % NR
    assert take_events(memory, 16) == []


def test_no_more_than_there_is_room_for() -> None:
    memory = ring(2, 1)
    assert places(take_events(memory, 1)) == [2]
    assert head_of(memory) == 3
    assert places(take_events(memory, 2)) == [3, 0]
    assert head_of(memory) == 1


def test_without_room_nothing_moves() -> None:
    memory = ring(0, 3)
    before = bytes(memory)
    assert take_events(memory, 0) == []
    assert memory == before


@pytest.mark.parametrize(
    "change",
    [
        {"magic": RING_MAGIC + 1},
        {"magic": 0},
        {"incompat_features": 1},
        {"header_length": 64},
        {"header_length": 0},
        {"nr": 0},
    ],
)
def test_another_layout_is_left_alone(change: dict[str, int]) -> None:
    memory = ring(0, 3, **change)
    before = bytes(memory)
    assert take_events(memory, 16) is None
    assert memory == before


def test_features_that_are_compatible_do_not_matter() -> None:
    assert places(take_events(ring(0, 2, compat_features=0xFFFF), 16)) == [0, 1]


def test_too_little_memory_is_no_ring() -> None:
    assert take_events(ring(0, 3)[:-1], 16) is None
    assert take_events(bytearray(8), 16) is None


def test_the_kernel_s_own_wraps_around(context: IoContext, pipe: tuple[int, int]) -> None:
    """More events than the ring has places, taken in bites that do not divide it."""
    if not context.reads_ring:
        pytest.skip("this kernel's completion ring (struct aio_ring) is laid out in a way that is not known here")
    _, writer = pipe
    blocks = [IoControlBlock(IocbCmd.POLL, writer, 4, aio_data=n) for n in range(100)]  # POLLOUT: done at once
    events = EventArray(7)
    for _ in range(12):
        assert context.submit(blocks) == 100
        seen: list[int] = []
        while len(seen) < 100:
            assert context.get_events(1, events) > 0
            seen += [event.data for event in events]
        assert seen == list(range(100))
    assert context.in_flight == 0
