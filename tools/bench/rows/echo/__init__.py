"""Row `echo`: a TCP echo server on one core, its load on another."""

from __future__ import annotations

import functools
import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence

from bench import baseline
from bench.ports import on_ports
from bench.process import CPUS, SampleFailed, children_on, last_line, run
from bench.row import Case, Goal, Implementation, Metric, Native, Row, Values
from bench.rows.echo import completions, readiness, transports

#: Part of the measured time that runs before it, unmeasured.
WARM = 0.25


def serve(server: Callable[[socket.socket], None], **_load: object) -> None:
    """In the server's process: say where, then serve until ended."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    server(listener)


def serve_on(server: Callable[[str, socket.socket], None], backend: str, **_load: object) -> None:
    serve(functools.partial(server, backend))


def serve_and_load(command: Sequence[str], parameters: Mapping[str, object]) -> Values:
    """Start the server on the last processor, the C client on the first; the client measures both."""
    with tempfile.TemporaryFile("w+") as errors:
        with children_on(CPUS[-1:]):
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


def implementation(name: str, server: Callable[[socket.socket], None], *needs: str) -> Implementation:
    return Implementation(name, functools.partial(serve, server), needs)


ROW = Row(
    name="echo",
    title="TCP echo, 64 bytes",
    description=(
        "Each connection sends 64 bytes, waits for them, compares every byte, sends the next 64. The server has one "
        "core to itself, the C client the other. CPU is the server's, read by the client at both ends of its window."
    ),
    cases=tuple(
        Case(f"{count} connection{'s' * (count > 1)}", {"connections": count, "size": 64}) for count in (1, 100)
    ),
    metrics=(
        Metric("cpu", "server CPU time", "ns per request"),
        Metric("rate", "requests", "per second", more_is_better=True),
        Metric("p50", "round trip, median", "µs"),
    ),
    implementations=(
        Implementation("C epoll", Native("echo_server")),
        implementation("select.epoll", readiness.select_epoll),
        implementation("asyncio", functools.partial(transports.serve, "asyncio")),
        implementation("uvloop", functools.partial(transports.serve, "uvloop"), "uvloop"),
        implementation("rloop", functools.partial(transports.serve, "rloop"), "rloop"),
        *on_ports(functools.partial(serve_on, completions.alternate), "recv, then send"),
        *on_ports(functools.partial(serve_on, completions.overlap), "recv beside send"),
        *on_ports(functools.partial(serve_on, readiness.port), "readiness"),
    ),
    goals=(
        Goal("compl EpollPort, recv, then send", "uvloop", "cpu", ("100 connections",), 0.93),
        Goal("compl EpollPort, recv, then send", "select.epoll", "cpu", ("100 connections",), 0.95),
        Goal("compl EpollPort, recv, then send", "uvloop", "rate", ("1 connection",), 1.0),
    ),
    observe=serve_and_load,
    seconds=1.0,
)
