"""The port's descriptor inside another selector: readable when a wait would return something, silent when not."""

from __future__ import annotations

import os
import select
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import Completion, Interest
from compl_epoll import Epoll, EpollEvents, EpollPort, Event, EventArray

Pair = tuple[socket.socket, socket.socket]
Background = Callable[..., "Future[Any]"]


def readable(port: EpollPort, seconds: float = 0) -> bool:
    return bool(select.select([port], [], [], seconds)[0])


def settle(port: EpollPort) -> None:
    """Nothing to return: looked at once, the descriptor is silent."""
    assert port.wait(timeout=0) == []
    assert not readable(port)


def test_silent_at_first(port: EpollPort) -> None:
    assert not readable(port)
    assert port.fileno() == port.fileno()
    assert not os.get_inheritable(port.fileno())


def test_posts(port: EpollPort, background: Background) -> None:
    settle(port)
    port.post(1)
    port.post(2)
    assert readable(port)
    assert len(port.wait(1)) == 1
    assert readable(port)
    assert len(port.wait()) == 1
    settle(port)
    background(port.post, 3)
    assert readable(port, 30)
    assert [done.key for done in port.wait(timeout=0)] == [3]
    settle(port)


def test_what_was_there_before(pair: Pair) -> None:
    with EpollPort() as port:
        port.post(1)
        assert readable(port)
        port.wait()
        port.timeout(0)
        assert readable(port, 30)
        port.wait()
        settle(port)
        port.recv(pair[0], bytearray(1))
        pair[1].send(b"x")
        assert readable(port, 30)


def test_timers(port: EpollPort) -> None:
    settle(port)
    port.timeout(0.05, "late")
    assert not readable(port)
    start = time.monotonic()
    assert readable(port, 30)
    assert time.monotonic() - start > 0.01
    assert [done.token for done in port.wait(timeout=0)] == ["late"]
    settle(port)


def test_a_sooner_timer_and_a_cancelled_one(port: EpollPort) -> None:
    settle(port)
    late = port.timeout(3600, "late")
    assert not readable(port)
    port.timeout(0.01, "soon")
    assert readable(port, 30)
    assert [done.token for done in port.wait(timeout=0)] == ["soon"]
    settle(port)
    assert port.cancel(late)
    assert readable(port)
    assert [done.token for done in port.wait(timeout=0)] == ["late"]
    settle(port)


def test_operations(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    settle(port)
    port.recv(left, bytearray(10))
    assert not readable(port)
    right.send(b"x")
    assert readable(port, 30)
    assert len(port.wait(timeout=0)) == 1
    settle(port)
    right.send(b"y")
    port.recv(left, bytearray(10))
    assert readable(port)  # done at once
    assert len(port.wait(timeout=0)) == 1
    settle(port)


def test_helper_threads(port: EpollPort, tmp_path: Path) -> None:
    settle(port)
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        port.write(file, bytes(1 << 20), 0, "write")
        assert readable(port, 30)
        done: list[Completion] = []
        while not done:
            done = port.wait(timeout=0)
        port.fsync(file, "sync")
        assert readable(port, 30)
        assert [each.token for each in port.wait(timeout=30)] == ["sync"]
        settle(port)


def test_registrations(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    port.register(left, 1, Interest.READABLE)
    settle(port)
    right.send(b"x")
    for _ in range(3):  # level-triggered
        assert readable(port, 30)
        assert len(port.wait(timeout=0)) == 1
    left.recv(1)
    settle(port)
    right.send(b"x")
    assert readable(port, 30)
    port.unregister(left)
    settle(port)


@pytest.mark.parametrize("edge", [False, True])
def test_inside_an_epoll_set(port: EpollPort, epoll: Epoll, pair: Pair, edge: bool) -> None:
    events = EventArray(1)
    epoll.register(port, Event(EpollEvents.IN | (EpollEvents.ET if edge else EpollEvents.NONE), 7))
    assert epoll.wait(events, 0) == 0
    for _ in range(3):
        port.post(1)
        assert epoll.wait(events, 30_000) == 1
        assert len(port.wait(timeout=0)) == 1
        port.recv(pair[0], bytearray(1))
        pair[1].send(b"x")
        assert epoll.wait(events, 30_000) == 1
        assert len(port.wait(timeout=0)) == 1
        port.timeout(0.001)
        assert epoll.wait(events, 30_000) == 1
        assert len(port.wait(timeout=1)) == 1
        assert port.wait(timeout=0) == []
    assert edge or epoll.wait(events, 0) == 0


def test_inside_another_port(port: EpollPort, pair: Pair) -> None:
    with EpollPort() as outer:
        outer.register(port, 1, Interest.READABLE)
        assert outer.wait(timeout=0) == []
        port.post(5)
        assert [done.key for done in outer.wait(timeout=30)] == [1]
        assert [done.key for done in port.wait(timeout=0)] == [5]
        assert outer.wait(timeout=0) == []
        port.recv(pair[0], bytearray(1))
        pair[1].send(b"x")
        assert [done.key for done in outer.wait(timeout=30)] == [1]
        outer.unregister(port)


def test_a_port_does_not_watch_itself(port: EpollPort) -> None:
    with pytest.raises(ValueError, match="itself"):
        port.register(port, 1, Interest.READABLE)
    assert port.wait(timeout=0) == []


def test_with_selectors(port: EpollPort, pair: Pair) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(port, selectors.EVENT_READ, "port")
        assert selector.select(0) == []
        port.recv(pair[0], bytearray(10))
        pair[1].send(b"x")
        ((key, _),) = selector.select(30)
        assert key.data == "port"
        assert len(port.wait(timeout=0)) == 1
        assert selector.select(0) == []


def test_a_bell_that_nobody_heard(port: EpollPort) -> None:
    """A waiter whose time is up leaves while another thread rings for it: the descriptor does not stay readable."""
    number = port.fileno()
    interval = sys.getswitchinterval()
    inside = threading.Event()

    def wait() -> None:
        inside.set()
        found.extend(port.wait(timeout=0.02))

    found: list[Any] = []
    waiter = threading.Thread(target=wait)
    try:
        sys.setswitchinterval(5)  # this thread keeps the interpreter while the waiter's time runs out
        waiter.start()
        inside.wait()
        time.sleep(0.005)
        late = time.monotonic() + 0.1
        while time.monotonic() < late:
            pass
        port.post(1)
    finally:
        sys.setswitchinterval(interval)
    waiter.join()
    found.extend(port.wait(timeout=0))
    assert [done.key for done in found] == [1]
    settle(port)
    assert port.fileno() == number


def test_closed_with_the_port() -> None:
    port = EpollPort()
    number = port.fileno()
    port.close()
    with pytest.raises(OSError):
        os.fstat(number)
    with pytest.raises(ValueError, match="closed"):
        port.fileno()
