"""BufferRing and ProvidedBuffer: buffers that the kernel takes from by itself."""

from __future__ import annotations

import errno
import gc
import os
import socket
import weakref
from pathlib import Path

import pytest

from compl_core import PortClosedError
from compl_uring import BufferRing, CompletionEntry, Opcode, Ring

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def group(ring: Ring) -> BufferRing:
    if Opcode.SEND_ZC not in ring.probe().opcodes:
        pytest.skip("this kernel has no multishot receive into buffer rings (Linux 6.0)")
    return ring.buffer_ring(3, 4, 8)


def only(ring: Ring) -> CompletionEntry:
    (entry,) = ring.submit_and_wait(1, 30)
    return entry


def test_what_it_is(group: BufferRing) -> None:
    assert (group.group, len(group), group.size, group.available, group.closed) == (3, 4, 8, 4, False)


def test_receive_once(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    right.send(b"once")
    ring.recv_provided(left, 3, 7)
    entry = only(ring)
    assert (entry.user_data, entry.res, entry.more) == (7, 4, False)
    with group.take(entry) as data:
        assert (bytes(data), len(data), data[0], data[1:]) == (b"once", 4, ord("o"), b"nce")
        assert data.buffer_id == entry.buffer_id
        assert memoryview(data).readonly
        assert group.available == 3
    assert group.available == 4
    right.send(b"twice")
    ring.recv_provided(left, 3, 7, length=3)
    assert group.copy(only(ring)) == b"twi"


def test_receive_many_times(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    ring.recv_multishot(left, 3, 7)
    for number in range(20):
        right.send(b"%04d" % number)
        entry = only(ring)
        assert entry.more
        assert group.copy(entry) == b"%04d" % number
    right.close()
    entry = only(ring)
    assert (entry.res, entry.more) == (0, False)
    assert ring.in_flight == 0


def test_an_empty_group_ends_the_receiving(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    ring.recv_multishot(left, 3, 7)
    held = []
    for number in range(4):
        right.send(b"%d" % number)
        held.append(group.take(only(ring)))
    assert group.available == 0
    right.send(b"too much")
    assert only(ring) == CompletionEntry(7, -errno.ENOBUFS)
    assert [bytes(data) for data in held] == [b"0", b"1", b"2", b"3"]
    held.pop().recycle()
    ring.recv_multishot(left, 3, 7)
    assert group.copy(only(ring)) == b"too much"


def test_reading_into_a_group(ring: Ring, group: BufferRing, tmp_path: Path, pipe: tuple[int, int]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb", 0) as file:
        ring.read_provided(file, 3, 2, 1)
        assert group.copy(only(ring)) == b"23456789"
        ring.read_provided(file, 3, 2, 1, length=3)
        assert group.copy(only(ring)) == b"234"
    if Opcode.READ_MULTISHOT not in ring.probe().opcodes:
        pytest.skip("this kernel has no IORING_OP_READ_MULTISHOT (Linux 6.7)")
    ring.read_multishot(pipe[0], 3, -1, 2)
    for text in (b"one", b"two"):
        os.write(pipe[1], text)
        entry = only(ring)
        assert entry.more
        assert group.copy(entry) == text


def test_a_buffer_is_taken_once(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    right.send(b"x")
    ring.recv_provided(left, 3)
    entry = only(ring)
    data = group.take(entry)
    for again in (group.take, group.copy):
        with pytest.raises(ValueError, match=r"was .* taken before"):
            again(entry)
    data.recycle()
    data.recycle()
    assert group.available == 4
    for call in (data.__bytes__, lambda: memoryview(data), lambda: data[0]):
        with pytest.raises(ValueError, match="given back"):
            call()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (CompletionEntry(0, 4), "names no buffer"),
        (CompletionEntry(0, 4, 4 << 16 | 1), "does not fit group 3"),
        (CompletionEntry(0, 9, 1), "does not fit group 3"),
        (CompletionEntry(0, -5, 1), "does not fit group 3"),
    ],
)
def test_entries_of_something_else(group: BufferRing, entry: CompletionEntry, message: str) -> None:
    for call in (group.take, group.copy):
        with pytest.raises(ValueError, match=message):
            call(entry)
    assert group.available == 4


def test_a_view_keeps_the_buffer(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    right.send(b"viewed")
    ring.recv_provided(left, 3)
    data = group.take(only(ring))
    view = memoryview(data)
    with pytest.raises(BufferError, match="exported"):
        data.recycle()
    ring.close()
    assert group.closed
    del data
    gc.collect()
    assert bytes(view) == b"viewed"  # the memory outlives ring and group
    view.release()


def test_collected_buffers_go_back(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    for _ in range(10):
        right.send(b"x")
        ring.recv_provided(left, 3)
        data = group.take(only(ring))
        assert group.available == 3
        del data
        assert group.available == 4


@pytest.mark.parametrize(
    ("count", "size", "error"),
    [(0, 8, ValueError), (3, 8, ValueError), (65536, 8, ValueError), (4, 0, ValueError), (4, 2**31, ValueError),
     (-1, 8, OverflowError), (4, 2**33, OverflowError)],
)  # fmt: skip
def test_refused_groups(ring: Ring, count: int, size: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        ring.buffer_ring(1, count, size)


def test_a_group_has_one_number(ring: Ring, group: BufferRing) -> None:
    with pytest.raises(FileExistsError, match="group 3"):
        ring.buffer_ring(3, 4, 8)
    group.close()
    group.close()
    assert group.closed
    again = ring.buffer_ring(3, 8, 16)
    assert len(again) == 8


def test_a_closed_group_is_not_received_into(ring: Ring, group: BufferRing, pair: Pair) -> None:
    left, right = pair
    right.send(b"x")
    ring.recv_provided(left, 3)
    data = group.take(only(ring))
    group.close()
    assert bytes(data) == b"x"
    data.recycle()
    right.send(b"x")
    ring.recv_provided(left, 3, 5)
    assert only(ring) == CompletionEntry(5, -errno.ENOBUFS)


def test_group_of_a_closed_ring(ring: Ring, group: BufferRing) -> None:
    ring.close()
    assert group.closed
    group.close()
    with pytest.raises(PortClosedError):
        ring.buffer_ring(5, 4, 8)


def test_ring_and_group_are_collected_together() -> None:
    ring = Ring(4)
    group = ring.buffer_ring(1, 4, 64)
    reference = weakref.ref(ring)
    del ring, group
    gc.collect()
    assert reference() is None
