"""Row `nop`: operations that do nothing, in batches: what the queue itself costs, from Python call to completion."""

from __future__ import annotations

import socket

from bench.clock import timed
from bench.liburing_ring import binding, open_ring
from bench.ports import KEY, on_ports, open_port
from bench.process import run_pinned
from bench.row import Case, Goal, Implementation, Metric, Native, Row, Values

#: Bytes of each pending recv's buffer.
BUFFER = 64
PENDING = 10_000


def silent_sockets(count: int) -> list[socket.socket]:
    return [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]


def liburing_binding(batch: int, pending: int, seconds: float) -> Values:
    liburing = binding()
    ring, cqe, ready = open_ring(1024), liburing.Cqe(), liburing.CqeIter
    get_sqe, prepare = liburing.io_uring_get_sqe, liburing.io_uring_prep_nop
    enter, advance = liburing.io_uring_submit_and_wait, liburing.io_uring_cq_advance
    keys = list(range(KEY, KEY + batch))
    kept = [(each, bytearray(BUFFER)) for each in silent_sockets(pending)]
    for number, (silent, buffer) in enumerate(kept, 1):
        liburing.io_uring_prep_recv(get_sqe(ring), silent.fileno(), buffer)
        if number % 1024 == 0 or number == pending:
            liburing.io_uring_submit(ring)

    def rounds(count: int) -> None:
        for _ in range(count):
            for key in keys:
                sqe = get_sqe(ring)
                prepare(sqe)
                sqe.user_data = key
            enter(ring, batch)
            for _ in ready(ring, cqe):
                entry = cqe[0]
                entry.user_data  # noqa: B018  reading them is the work that is timed
                entry.res  # noqa: B018
            advance(ring, batch)

    return timed(rounds, batch, seconds)


def compl_ring(batch: int, pending: int, seconds: float) -> Values:
    from compl_uring import Ring, SetupFlags

    ring = Ring(1024, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN)
    keys = list(range(KEY, KEY + batch))
    kept = silent_sockets(pending)
    for silent in kept:
        ring.recv(silent, bytearray(BUFFER))  # a full queue submits itself
    ring.submit()
    nop, wait = ring.nop, ring.submit_and_wait

    def rounds(count: int) -> None:
        for _ in range(count):
            for key in keys:
                nop(key)
            for entry in wait(batch):
                entry.user_data  # noqa: B018  reading them is the work that is timed
                entry.res  # noqa: B018

    return timed(rounds, batch, seconds)


def port(backend: str, batch: int, pending: int, seconds: float) -> Values:
    queue = open_port(backend)
    kept = silent_sockets(pending)
    for silent in kept:
        queue.recv(silent, bytearray(BUFFER))
    queue.flush()
    nop, wait = queue.nop, queue.wait
    tokens = [object() for _ in range(batch)]

    def rounds(count: int) -> None:
        for _ in range(count):
            for token in tokens:
                nop(token)
            for done in wait(batch, None, min_completions=batch):
                done[1], done[2]  # the result and the token

    rounds(100)  # all that is pending is with the kernel now
    if queue.in_flight != pending:
        raise RuntimeError(f"{queue.in_flight} operations are in flight, not {pending}")
    return timed(rounds, batch, seconds)


BATCHES = tuple(Case(f"batch {batch}", {"batch": batch, "pending": 0}) for batch in (1, 32, 256))
AMONG = Case(f"batch 32, {PENDING // 1000} 000 pending", {"batch": 32, "pending": PENDING})

ROW = Row(
    name="nop",
    title="operations that do nothing",
    description=(
        "N operations that complete at once, submitted and reaped together, each result and key or token handed to "
        "Python. A ring's go through the kernel; a port answers them itself. Also beside "
        f"{PENDING // 1000} 000 receives in flight that stay silent, which should change nothing. Pinned to one core."
    ),
    cases=(*BATCHES, AMONG),
    metrics=(Metric("cpu", "CPU time", "ns per operation"), Metric("wall", "wall time", "ns per operation")),
    implementations=(
        Implementation("C io_uring", Native("nop")),
        Implementation("liburing", liburing_binding, needs=("liburing",)),
        Implementation("compl Ring", compl_ring, needs=("compl_core", "compl_uring"), ours=True),
        *on_ports(port),
    ),
    goals=(
        Goal("compl Ring", "liburing", "cpu", ("batch 1",), 0.65),
        Goal("compl Ring", "liburing", "cpu", ("batch 32",), 0.5),
        Goal("compl UringPort", "liburing", "cpu", ("batch 1",), 0.65),
        Goal("compl UringPort", "liburing", "cpu", ("batch 32",), 0.5),
        Goal("compl Ring", "compl Ring", "cpu", (AMONG.name,), 1.05, peer_case="batch 32"),
        Goal("compl UringPort", "compl UringPort", "cpu", (AMONG.name,), 1.05, peer_case="batch 32"),
    ),
    observe=run_pinned,
)
