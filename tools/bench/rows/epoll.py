"""Row `epoll`: wait for N ready descriptors and hand each event's data and mask to Python."""

from __future__ import annotations

import os
import select
import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any

from bench.clock import timed
from bench.ports import KEY, on_ports, open_port
from bench.process import run_pinned
from bench.row import Case, Goal, Implementation, Metric, Native, Row, Values


def sources(ready: int, idle: int) -> Iterator[tuple[Any, int]]:
    """Silent sockets, then readable eventfds, each with a key of its own.  The caller keeps them alive."""
    for index in range(idle):
        yield socket.socket(socket.AF_INET, socket.SOCK_DGRAM), index
    for index in range(ready):
        yield os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC), KEY + index


def mean(wait: Callable[[], int]) -> float:
    """Events that one wait gives, counted beforehand: it may be fewer than are ready."""
    return sum(wait() for _ in range(1000)) / 1000


def select_epoll(ready: int, idle: int, seconds: float) -> Values:
    epoll = select.epoll()
    kept = list(sources(ready, idle))
    for file, _key in kept:
        epoll.register(file, select.EPOLLIN)
    poll = epoll.poll

    def rounds(count: int) -> None:
        for _ in range(count):
            for _data, _mask in poll(-1, ready):
                pass

    return timed(rounds, mean(lambda: len(poll(-1, ready))), seconds)


def default_selector(ready: int, idle: int, seconds: float) -> Values:
    selector = selectors.DefaultSelector()
    for file, key in sources(ready, idle):
        selector.register(file, selectors.EVENT_READ, key)
    wait = selector.select

    def rounds(count: int) -> None:
        for _ in range(count):
            for key, _mask in wait():
                key.data  # noqa: B018  reading it is the work that is timed

    return timed(rounds, mean(lambda: len(wait())), seconds)


def compl_epoll_epoll(ready: int, idle: int, seconds: float) -> Values:
    from compl_epoll import Epoll, EpollEvents, Event, EventArray

    epoll = Epoll()
    kept = list(sources(ready, idle))
    for file, key in kept:
        epoll.register(file, Event(EpollEvents.IN, key))
    wait, events = epoll.wait, EventArray(ready)

    def rounds(count: int) -> None:
        for _ in range(count):
            wait(events, -1)
            for _mask, _data in events:
                pass

    per_wait = mean(lambda: wait(events, -1))
    assert {data for _mask, data in events} == {key for _file, key in kept[idle:]}
    return timed(rounds, per_wait, seconds)


def port_ready(backend: str, ready: int, idle: int, seconds: float) -> Values:
    from compl_core import Interest

    port = open_port(backend)
    kept = list(sources(ready, idle))
    for file, key in kept:
        port.register(file, key, Interest.READABLE)
    wait = port.wait

    def rounds(count: int) -> None:
        for _ in range(count):
            for done in wait(ready):
                done.key  # noqa: B018  reading them is the work that is timed
                done.result  # noqa: B018

    assert {done.key for done in wait(ready, None, min_completions=ready)} == {key for _file, key in kept[idle:]}
    return timed(rounds, mean(lambda: len(wait(ready))), seconds)


METRICS = (Metric("cpu", "CPU time", "ns per event"), Metric("wall", "wall time", "ns per event"))
IMPLEMENTATIONS = (
    Implementation("C epoll", Native("epoll")),
    Implementation("select.epoll", select_epoll),
    Implementation("selectors", default_selector),
    Implementation("compl Epoll", compl_epoll_epoll, needs=("compl_core", "compl_epoll"), ours=True),
    *on_ports(port_ready),
)
ROW = Row(
    name="epoll",
    title="waiting for ready descriptors",
    description=(
        "N eventfds, all readable, level-triggered; one wait returns them all, and each event's data (u64) and mask "
        "are handed to Python. Pinned to one core."
    ),
    cases=tuple(Case(f"{ready} ready", {"ready": ready, "idle": 0}) for ready in (1, 64, 1000)),
    metrics=METRICS,
    implementations=IMPLEMENTATIONS,
    goals=(
        Goal("compl Epoll", "select.epoll", "cpu", ("1 ready",), 0.85),
        Goal("compl Epoll", "select.epoll", "cpu", ("64 ready", "1000 ready"), 1.0),
    ),
    observe=run_pinned,
)
