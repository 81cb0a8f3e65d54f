"""Row `iocp_echo`: a TCP echo server on Windows' completion ports, its load beside it, both under Wine."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from typing import Any

from bench.row import Case, Goal, Implementation, Metric, Row, Values
from bench.windows import run_under_wine

SIZE = 64
BUFFER = 4096
#: Part of the measured time that runs before it, unmeasured.
WARM = 0.2


def load(port: int, connections: int, seconds: float) -> None:
    """The client: on every connection a request, then all answers, again and again.  Prints requests per second."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    request, buffer = bytes(SIZE), bytearray(SIZE)
    for client in clients:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def rounds_for(limit: float) -> float:
        done, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < limit:
            for client in clients:
                client.sendall(request)
            for client in clients:
                left = SIZE
                while left:
                    left -= client.recv_into(buffer, left)
            done += connections
        return done / spent

    rounds_for(seconds * WARM)
    print(json.dumps({"requests": rounds_for(seconds)}))


def start_load(listener: socket.socket, connections: int, seconds: float) -> subprocess.Popen[str]:
    arguments = [str(listener.getsockname()[1]), str(connections), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "bench.rows.iocp_echo", *arguments], stdout=subprocess.PIPE, text=True
    )


def measured(client: subprocess.Popen[str]) -> Values:
    values: Values = json.loads(client.communicate()[0])
    return values


def on_port(connections: int, seconds: float) -> Values:
    from compl_core import CompletionPort, Kind
    from compl_iocp import IocpPort

    port: CompletionPort = IocpPort()
    with port, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        client = start_load(listener, connections, seconds)
        accepting, open_now, kept = port.accept(listener, multishot=True), 0, 0
        while kept < connections or open_now:
            for done in port.wait():
                if done.kind is Kind.ACCEPT and done.ok:
                    sock, buffer = done.value, bytearray(BUFFER)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    port.recv(sock, buffer, 0, (sock, buffer))
                    kept, open_now = kept + 1, open_now + 1
                elif done.kind is Kind.RECV:
                    pair: Any = done.token
                    sock, buffer = pair
                    if done.result <= 0:
                        sock.close()
                        open_now -= 1
                    else:
                        port.send(sock, bytes(buffer[: done.result]))
                        port.recv(sock, buffer, 0, done.token)
        port.cancel(accepting)
        return measured(client)


def on_proactor(connections: int, seconds: float) -> Values:
    async def serve() -> Values:
        ended, counts = asyncio.Event(), [0, 0]

        class Echo(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                self.transport = transport
                counts[:] = counts[0] + 1, counts[1] + 1

            def data_received(self, data: bytes) -> None:
                self.transport.write(data)

            def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  the signature that asyncio wants
                counts[1] -= 1
                if counts == [connections, 0]:
                    ended.set()

        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=128)
        client = start_load(server.sockets[0], connections, seconds)
        await ended.wait()
        server.close()
        return measured(client)

    return asyncio.run(serve())


CASES = tuple(Case(f"{count} connections", {"connections": count}) for count in (1, 32))

ROW = Row(
    name="iocp_echo",
    title="Echo on Windows' completion ports",
    description=(
        f"Requests of {SIZE} bytes to a server of one thread, under Wine, where every call costs a round trip to "
        "Wine's server: the same for both, so only the ratio means anything."
    ),
    cases=CASES,
    metrics=(Metric("requests", "Requests", "requests per second", more_is_better=True),),
    implementations=(
        Implementation("asyncio Proactor", on_proactor),
        Implementation("IocpPort", on_port, ours=True),
    ),
    goals=(Goal("IocpPort", "asyncio Proactor", "requests", tuple(case.name for case in CASES), 1.0),),
    observe=run_under_wine,
    seconds=2.0,
)

if __name__ == "__main__":
    load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
