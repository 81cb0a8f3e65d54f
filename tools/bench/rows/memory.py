"""Row `memory`: what an idle port, a registration and an operation in flight weigh."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import select
import selectors
from collections.abc import Callable
from typing import Any

import psutil

from bench.crowd import connected
from bench.ports import on_ports, open_port
from bench.row import Case, Implementation, Metric, Row, Values

PORTS, SOCKETS = 100, 10_000
PORT, REGISTRATION, OPERATION = "idle port", "registration", "recv in flight"
#: Bytes of the buffers of recv; they exist before anything is weighed.
BUFFER = 64


def weigh(count: int, make: Callable[[int], object]) -> Values:
    """Private memory and descriptors that ``make(0)``, ``make(1)`` ... take, without the first, which warms up."""
    process = psutil.Process()
    kept: list[object] = [make(0), *[None] * (count - 1)]
    gc.collect()
    files, memory = process.num_fds(), process.memory_full_info().uss
    for index in range(1, count):
        kept[index] = make(index)
    gc.collect()
    files, memory = process.num_fds() - files, process.memory_full_info().uss - memory
    return {"bytes": memory / (count - 1), "files": files / (count - 1)}


def select_epoll(what: str, seconds: float) -> Values:
    del seconds  # the work is fixed
    if what == PORT:
        return weigh(PORTS, lambda _: select.epoll())
    epoll = select.epoll()
    with connected(SOCKETS) as ends:
        return weigh(SOCKETS, lambda index: epoll.register(ends[index], select.EPOLLIN))


def default_selector(what: str, seconds: float) -> Values:
    del seconds
    if what == PORT:
        return weigh(PORTS, lambda _: selectors.DefaultSelector())
    selector = selectors.DefaultSelector()
    with connected(SOCKETS) as ends:
        return weigh(SOCKETS, lambda index: selector.register(ends[index], selectors.EVENT_READ, ends[index]))


def event_loop(module: str, what: str, seconds: float) -> Values:
    """A registration is ``add_reader``; a recv in flight is a connection whose protocol waits for data."""
    del seconds
    new_loop: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(module).new_event_loop
    if what == PORT:
        return weigh(PORTS, lambda _: new_loop())
    loop = new_loop()
    with connected(SOCKETS) as ends:

        def on_readable(index: int) -> None:
            raise RuntimeError(f"socket {index} should be silent")

        def connection(index: int) -> object:
            return loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ends[index]))

        if what == REGISTRATION:
            return weigh(SOCKETS, lambda index: loop.add_reader(ends[index].fileno(), on_readable, index))
        return weigh(SOCKETS, connection)


def compl_epoll_epoll(what: str, seconds: float) -> Values:
    from compl_epoll import Epoll, EpollEvents, Event

    del seconds
    if what == PORT:
        return weigh(PORTS, lambda _: Epoll())
    epoll = Epoll()
    with connected(SOCKETS) as ends:
        return weigh(SOCKETS, lambda index: epoll.register(ends[index], Event(EpollEvents.IN, index)))


def port(backend: str, what: str, seconds: float) -> Values:
    from compl_core import Interest

    del seconds
    if what == PORT:
        return weigh(PORTS, lambda _: open_port(backend))
    queue = open_port(backend)
    with connected(SOCKETS) as ends:
        if what == REGISTRATION:
            return weigh(SOCKETS, lambda index: queue.register(ends[index], index, Interest.READABLE))
        buffers: list[Any] = [bytearray(BUFFER) for _ in ends]

        def recv(index: int) -> None:
            queue.recv(ends[index], buffers[index], 0, ends[index])

        values = weigh(SOCKETS, recv)
        if queue.in_flight != SOCKETS:
            raise RuntimeError(f"{queue.in_flight} of {SOCKETS} operations are in flight")
        return values


REGISTERS = frozenset({PORT, REGISTRATION})

ROW = Row(
    name="memory",
    title="memory",
    description=(
        f"Private memory (USS) of the process, for each of {PORTS} idle ports, {SOCKETS} registered sockets and "
        f"{SOCKETS} pending recvs ({BUFFER}-byte buffers, not counted). Event loops: a loop, an add_reader, a "
        "connection with a protocol. What the kernel keeps is not counted."
    ),
    cases=tuple(Case(what, {"what": what}) for what in (PORT, REGISTRATION, OPERATION)),
    metrics=(
        Metric("bytes", "private memory", "bytes each", steady=True),
        Metric("files", "descriptors", "each", steady=True),
    ),
    implementations=(
        Implementation("select.epoll", select_epoll, cases=REGISTERS),
        Implementation("selectors", default_selector, cases=REGISTERS),
        Implementation("asyncio", functools.partial(event_loop, "asyncio")),
        Implementation("uvloop", functools.partial(event_loop, "uvloop"), needs=("uvloop",)),
        Implementation("rloop", functools.partial(event_loop, "rloop"), needs=("rloop",)),
        Implementation("compl Epoll", compl_epoll_epoll, ("compl_core", "compl_epoll"), ours=True, cases=REGISTERS),
        *on_ports(port),
    ),
)
