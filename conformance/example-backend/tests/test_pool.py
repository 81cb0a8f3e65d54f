"""The pool: buffers that come back by themselves, and who is told."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from compl_example.pool import Pool, PoolEmpty


class Bell:
    """Counts how often it is rung, in place of the selector's thread."""

    rung = 0

    def nudge(self) -> None:
        self.rung += 1


def make(count: int, size: int) -> tuple[Pool, Bell]:
    bell: Any = Bell()
    return Pool(bell, count, size), bell


def test_buffers_share_no_byte() -> None:
    pool, _ = make(3, 4)
    views = [pool.take() for _ in range(3)]
    for index, view in enumerate(views):
        assert (view.format, view.shape, view.readonly) == ("B", (4,), False)
        view[:] = bytes([index]) * 4
    assert [bytes(view) for view in views] == [b"\0\0\0\0", b"\1\1\1\1", b"\2\2\2\2"]


def test_released_or_dropped_they_come_back() -> None:
    pool, bell = make(2, 4)
    first, second = pool.take(), pool.take()
    part = first[1:3]
    assert pool.available == 0
    first.release()
    assert pool.available == 0
    del part
    assert pool.available == 1
    circle: list[object] = [second]
    circle.append(circle)
    del second, circle
    gc.collect()
    assert pool.available == 2
    assert bell.rung == 0


def test_only_who_found_nothing_is_told() -> None:
    pool, bell = make(1, 4)
    view = pool.take()
    with pytest.raises(PoolEmpty, match="all 1 buffers are lent"):
        pool.take()
    assert pool.wanted
    view.release()
    assert bell.rung == 1


def test_memory_outlives_the_pool() -> None:
    pool, _ = make(2, 4)
    view = pool.take()
    view[:] = b"kept"
    del pool
    gc.collect()
    assert bytes(view) == b"kept"
