"""Row `idle`: what a wait costs when thousands of sockets are registered, or have a recv pending, and stay silent."""

from __future__ import annotations

import os
import socket

from bench.clock import timed
from bench.ports import KEY, on_ports, open_port
from bench.process import run_pinned
from bench.row import Case, Row, Values
from bench.rows import epoll


def port_recv_pending(backend: str, ready: int, idle: int, seconds: float) -> Values:
    """One readable eventfd is waited for, while a recv is in flight on every idle socket."""
    from compl_core import Interest

    assert ready == 1
    port = open_port(backend)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(idle)]
    for silent in sockets:
        port.recv(silent, bytearray(64))
    port.register(os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC), KEY, Interest.READABLE)
    wait = port.wait

    def rounds(count: int) -> None:
        for _ in range(count):
            for done in wait(1):
                done.key  # noqa: B018  reading them is the work that is timed
                done.result  # noqa: B018

    assert [done.key for done in wait(1)] == [KEY]
    return timed(rounds, epoll.mean(lambda: len(wait(1))), seconds)


ROW = Row(
    name="idle",
    title="waiting among idle sockets",
    description=(
        "One readable eventfd and N silent sockets in the same queue; the cost of one wait. Flat from left to right is "
        "what one wants. Pinned to one core."
    ),
    cases=tuple(Case(f"{idle} idle", {"ready": 1, "idle": idle}) for idle in (10, 1000, 10_000)),
    metrics=epoll.METRICS,
    implementations=(*epoll.IMPLEMENTATIONS, *on_ports(port_recv_pending, "recv pending")),
    observe=run_pinned,
)
