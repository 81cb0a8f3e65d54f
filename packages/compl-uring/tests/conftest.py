"""Open ports and rings, sockets and pipes that end with the test, threads and processes that are waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from compl_uring import Opcode, Ring, UringPort

#: Seconds after which something that should have happened has not.
PATIENCE = 30.0


@pytest.fixture
def port() -> Iterator[UringPort]:
    with UringPort() as port:
        yield port


@pytest.fixture
def ring() -> Iterator[Ring]:
    with Ring(64) as ring:
        yield ring


@pytest.fixture
def needs() -> Callable[[Opcode], None]:
    """``needs(Opcode.SEND_ZC)`` skips the test where the kernel has no such operation."""

    def check(opcode: Opcode) -> None:
        with Ring(2) as ring:
            if opcode not in ring.probe().opcodes:
                pytest.skip(f"this kernel has no IORING_OP_{opcode.name}")

    return check


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a Unix stream."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing descriptor of a pipe; a test may close either."""
    reader, writer = os.pipe()
    inodes = {fd: os.fstat(fd).st_ino for fd in (reader, writer)}
    yield reader, writer
    for fd, inode in inodes.items():
        try:
            if os.fstat(fd).st_ino == inode:
                os.close(fd)
        except OSError:
            pass  # the test closed it


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    """``background(call, *arguments)`` runs it in a thread; each must have ended, well or not, with the test."""
    started: list[Future[Any]] = []

    def start(call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        started.append(future)
        threading.Thread(target=run, daemon=True).start()
        return future

    yield start
    for future in started:
        future.exception(PATIENCE)


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], None]:
    """Look until it is true: for what nothing tells of, such as that a thread has gone to sleep."""

    def look(true: Callable[[], Any]) -> None:
        limit = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < limit, f"not so within {PATIENCE} s"
            time.sleep(0.001)

    return look


@pytest.fixture
def child() -> Callable[[str], str]:
    """Run a program in a Python of its own; its output, once it has ended with status 0."""

    def run(source: str) -> str:
        command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(source)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Exception ignored" not in done.stderr, done.stderr
        return done.stdout.strip()

    return run
