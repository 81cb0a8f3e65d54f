"""Open ports and contexts, sockets, pipes, terminals and files that end with the test, programs and threads that are
waited for."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_aio import AioPort, IoContext

#: Seconds after which something that should have happened has not.
PATIENCE = 30.0


@pytest.fixture
def port() -> Iterator[AioPort]:
    with AioPort() as port:
        yield port


@pytest.fixture
def context() -> Iterator[IoContext]:
    with IoContext(128) as context:
        yield context


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
    """The reading and the writing descriptor of a pipe."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudoterminal: its own side, and the side of a program, in raw mode."""
    import tty

    mine, theirs = os.openpty()
    tty.setraw(theirs)
    yield mine, theirs
    os.close(mine)
    os.close(theirs)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[int]:
    """A FIFO opened for both directions."""
    os.mkfifo(tmp_path / "fifo")
    number = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    yield number
    os.close(number)


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[int]:
    """64 pages of a file, page n full of n, opened past the page cache."""
    path = tmp_path / "direct"
    with path.open("wb") as file:
        file.write(b"".join(bytes([n]) * 4096 for n in range(64)))
        file.flush()
        os.fsync(file.fileno())  # dirty pages would have to be written first, which RWF_NOWAIT does not wait for
    try:
        number = os.open(path, os.O_RDWR | os.O_DIRECT)
    except OSError as error:
        pytest.skip(f"the file system of {tmp_path} has no O_DIRECT ({error.strerror}); set TMPDIR to one that has")
    yield number
    os.close(number)


@pytest.fixture
def page() -> Callable[[], mmap.mmap]:
    """Pages of memory, aligned as O_DIRECT wants it."""
    return lambda: mmap.mmap(-1, 4096)


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
