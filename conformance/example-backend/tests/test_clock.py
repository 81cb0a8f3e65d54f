"""The clock calls in the order of deadlines, and those that are equal in the order of asking."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from compl_example.clock import Clock


@pytest.fixture
def lock() -> threading.RLock:
    return threading.RLock()


@pytest.fixture
def clock(lock: threading.RLock) -> Iterator[Clock]:
    clock = Clock(lock)
    yield clock
    with lock:
        clock.stop()
    assert clock.join(time.monotonic() + 10)


def test_order(lock: threading.RLock, clock: Clock) -> None:
    rung: list[str] = []
    over = threading.Event()
    with lock:  # the clock cannot ring before all are set
        clock.after(0.02, lambda: rung.append("later"))
        clock.after(0.0, lambda: rung.append("first"))
        clock.after(0.0, lambda: rung.append("second"))
        clock.after(0.03, over.set)
    assert over.wait(10)
    assert rung == ["first", "second", "later"]


def test_forgotten(lock: threading.RLock, clock: Clock) -> None:
    rung: list[str] = []
    over = threading.Event()
    with lock:
        alarm = clock.after(0.0, lambda: rung.append("forgotten"))
        clock.after(0.01, over.set)
        clock.forget(alarm)
        clock.forget(alarm)
    assert over.wait(10)
    assert rung == []
