"""Row `post`: waking another thread with a packet, flat out and there and back."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable

from bench.clock import timed
from bench.ports import on_ports
from bench.process import CPUS, run_anywhere
from bench.row import Case, Goal, Implementation, Metric, Native, Row, Values
from bench.rows.post.channel import Channel
from bench.rows.post.event_loops import EventLoops
from bench.rows.post.ports import Ports
from bench.rows.post.stdlib import EventFds, Queues


def run(make: Callable[[], Channel], mode: str, first: int, second: int, seconds: float) -> Values:
    """One side in this thread, the other in a thread of its own for each round, pinned to the two processors."""
    os.sched_setaffinity(0, {first})
    channel = make()
    here, there = (channel.take, channel.post) if mode == "throughput" else (channel.ping, channel.pong)

    def pinned(count: int) -> None:
        os.sched_setaffinity(0, {second})
        there(count)

    def rounds(count: int) -> None:
        other = threading.Thread(target=pinned, args=(count,))
        other.start()
        here(count)
        other.join()

    return timed(rounds, 1, seconds)


def on_port(backend: str, mode: str, first: int, second: int, seconds: float) -> Values:
    return run(functools.partial(Ports, backend), mode, first, second, seconds)


def implementation(name: str, make: Callable[[], Channel], *needs: str) -> Implementation:
    return Implementation(name, functools.partial(run, make), needs)


def case(title: str, mode: str, first: int, second: int) -> Case:
    where = "one core" if first == second else "two cores"
    return Case(f"{title}, {where}", {"mode": mode, "first": first, "second": second})


ROW = Row(
    name="post",
    title="waking another thread",
    description=(
        "Throughput: one thread posts flat out, another takes every packet. Round trip: two threads, each with a queue "
        "of its own, a packet there and one back. Both threads on one core, or on two."
    ),
    cases=tuple(
        case(title, mode, CPUS[-1], second)
        for title, mode in (("throughput", "throughput"), ("round trip", "pingpong"))
        for second in sorted({CPUS[-1], CPUS[0]}, reverse=True)
    ),
    metrics=(
        Metric("wall", "wall time", "ns per post or round trip"),
        Metric("cpu", "CPU time, both threads", "ns per post or round trip"),
    ),
    implementations=(
        Implementation("C eventfd + epoll", Native("post")),
        implementation("queue.SimpleQueue", Queues),
        implementation("eventfd + select.epoll", EventFds),
        implementation("asyncio", functools.partial(EventLoops, "asyncio")),
        implementation("uvloop", functools.partial(EventLoops, "uvloop"), "uvloop"),
        implementation("rloop", functools.partial(EventLoops, "rloop"), "rloop"),
        *on_ports(on_port),
    ),
    goals=(
        Goal("compl EpollPort", "rloop", "wall", ("throughput, one core", "throughput, two cores"), 0.5),
        Goal("compl EpollPort", "eventfd + select.epoll", "wall", ("round trip, one core",), 0.8),
    ),
    observe=run_anywhere,
)
