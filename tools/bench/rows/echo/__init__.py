"""Row `echo`: a TCP echo server on one core, its load on another."""

from __future__ import annotations

import functools
import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import baseline
from bench.ports import BOUND, PORTS, on_ports
from bench.process import CPUS, SampleFailed, children_on, last_line, run, with_parameters
from bench.row import Case, Goal, Implementation, Metric, Native, Row, Values
from bench.rows.echo import completions, liburing_binding, readiness, transports

#: Part of the measured time that runs before it, unmeasured.
WARM = 0.25


def serve(server: Callable[..., None], *arguments: object, **load: object) -> None:
    """In the server's process: say where, then serve until ended.  ``load`` says what to expect and what to use for it:
    connections, the size of a request and how many each connection sends before it waits; the size of a buffer, and of
    shared ones the number."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    server(*arguments, listener, **load)


def serve_and_load(command: Sequence[str], parameters: Mapping[str, object]) -> Values:
    """Start the server on the last processor, the C client on the first; the client measures both."""
    with tempfile.TemporaryFile("w+") as errors:
        with children_on(CPUS[-1:]):
            command = with_parameters(command, parameters)
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        with server:
            try:
                assert server.stdout is not None
                port = json.loads(server.stdout.readline())["port"]
                warm = float(str(parameters["seconds"])) * WARM
                client = [str(baseline.program("echo_client"))]
                return run(client, {**parameters, "warm": warm, "port": port, "pid": server.pid}, CPUS[:1])
            except (SampleFailed, ValueError) as failure:
                errors.seek(0)
                raise SampleFailed(last_line(errors.read()) or str(failure)) from failure
            finally:
                server.kill()


def implementation(name: str, server: Callable[..., None], *needs: str) -> Implementation:
    return Implementation(name, functools.partial(serve, server), needs)


def on(server: Callable[..., None], how: str, **which: Any) -> tuple[Implementation, ...]:
    return on_ports(functools.partial(serve, server), how, **which)


def load(connections: int, size: int, window: int, buffers: int, buffer: int) -> dict[str, object]:
    return {"connections": connections, "size": size, "window": window, "buffers": buffers, "buffer": buffer}


STREAM = "100 connections, 16 KiB stream"
PACKETS = (
    Case("1 connection", load(1, 64, window=1, buffers=256, buffer=4096)),
    Case("100 connections", load(100, 64, window=1, buffers=256, buffer=4096)),
)
#: For servers that count on a client who waits for each answer.
ANSWERED = frozenset(case.name for case in PACKETS)

ROW = Row(
    name="echo",
    title="TCP echo",
    description=(
        "Each connection sends 64 bytes, waits for them, compares every byte, sends the next 64; streaming, it sends "
        "16 KiB at a time and has four of them on their way. The server has one core to itself, the C client the "
        "other. CPU is the server's, read by the client at both ends of its window."
    ),
    cases=(*PACKETS, Case(STREAM, load(100, 16384, window=4, buffers=64, buffer=65536))),
    metrics=(
        Metric("cpu", "server CPU time", "ns per request"),
        Metric("rate", "requests", "per second", more_is_better=True),
        Metric("p50", "round trip, median", "µs"),
    ),
    implementations=(
        Implementation("C epoll", Native("echo_server")),
        Implementation("C io_uring", Native("echo_uring")),
        implementation("select.epoll", readiness.select_epoll),
        implementation("asyncio", functools.partial(transports.serve, "asyncio")),
        implementation("uvloop", functools.partial(transports.serve, "uvloop"), "uvloop"),
        implementation("rloop", functools.partial(transports.serve, "rloop"), "rloop"),
        implementation("liburing", liburing_binding.serve, "liburing"),
        *on(completions.alternate, "recv, then send", ports=(*PORTS, *BOUND)),
        *on(completions.overlap, "recv beside send", cases=ANSWERED),
        *on(readiness.port, "readiness"),
        *on(completions.pooled, "pooled", ports=(*PORTS, *BOUND)),
    ),
    goals=(
        Goal("compl EpollPort, recv, then send", "uvloop", "cpu", ("100 connections",), 0.93),
        Goal("compl EpollPort, recv, then send", "select.epoll", "cpu", ("100 connections",), 0.95),
        Goal("compl EpollPort, recv, then send", "uvloop", "rate", ("1 connection",), 1.0),
        Goal("compl AioPort, recv, then send", "uvloop", "cpu", ("100 connections",), 1.15),
        Goal("compl UringPort, pooled", "uvloop", "cpu", ("100 connections",), 0.83),
        Goal("compl UringPort, pooled", "liburing", "cpu", ("100 connections",), 0.95),
        Goal("compl UringPort, pooled", "C io_uring", "cpu", ("100 connections",), 1.04),
        Goal("compl UringPort, pooled", "uvloop", "cpu", (STREAM,), 1.0),
    ),
    observe=serve_and_load,
    seconds=1.0,
)
