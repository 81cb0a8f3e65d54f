"""The examples, run as their users would, with real clients."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@contextlib.contextmanager
def served(program: str) -> Iterator[int]:
    """The TCP port that the program says it serves on."""
    command = [sys.executable, str(EXAMPLES / program), "--port", "0"]
    environment = {**os.environ, "COMPL_BACKEND": "epoll"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.startswith("epoll port")
            yield int(line.split()[-1])
        finally:
            server.kill()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def lines_of(sock: socket.socket) -> Iterator[str]:
    with sock.makefile("r", encoding="utf-8") as stream:
        yield from stream


def test_echo_server_gives_back_every_byte() -> None:
    said = random.Random(7).randbytes(1 << 20)
    with served("echo_server.py") as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(20)]
        for turn, client in enumerate(clients):
            client.sendall(said[turn : turn + 1000])
        for turn, client in enumerate(clients):
            heard = b""
            while len(heard) < 1000:
                heard += client.recv(1000 - len(heard))
            assert heard == said[turn : turn + 1000]
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""


def test_echo_server_outlives_a_reset() -> None:
    with served("echo_server.py") as port:
        with connect(port) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            rude.send(b"never read")
        with connect(port) as client:
            client.send(b"ping")
            assert client.recv(4) == b"ping"


def test_chat_is_heard_by_all_others() -> None:
    with served("chat.py") as port, connect(port) as one:
        heard_by_one = lines_of(one)
        assert next(heard_by_one) == "* guest1 is here\n"
        with connect(port) as two:
            heard_by_two = lines_of(two)
            assert next(heard_by_two) == next(heard_by_one) == "* guest2 is here\n"
            two.sendall(b"good ")
            two.sendall("morning\nsmør\n".encode())
            assert next(heard_by_one) == "guest2: good morning\n"
            assert next(heard_by_one) == "guest2: smør\n"
            one.sendall(b"hello\n")
            assert next(heard_by_two) == "guest1: hello\n"
            two.shutdown(socket.SHUT_WR)
        assert next(heard_by_one) == "* guest2 has left\n"


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_001])
def test_file_copy(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(random.Random(size).randbytes(size))
    command = [sys.executable, str(EXAMPLES / "file_copy.py"), str(source), str(target), "--block", "65536"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert done.stdout == f"{size} bytes, sha256 {digest}\n"
    assert target.read_bytes() == source.read_bytes()


def test_epoll_events() -> None:
    command = [sys.executable, str(EXAMPLES / "epoll_events.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "events: 0",
        "events: 1",
        "<EpollEvents.IN: 1> on 0xc0ffee",
        "<EpollEvents.IN|OUT: 5> on its descriptor",
        "events: 0",
    ]


def test_examples_are_short() -> None:
    for program in EXAMPLES.glob("*.py"):
        assert len(program.read_text().splitlines()) < 80, program.name
