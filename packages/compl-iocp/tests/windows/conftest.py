"""Ports, sockets and overlapped files that end with the test; threads that are waited for."""

from __future__ import annotations

import ctypes
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

from compl_iocp import Iocp
from compl_iocp.constants import FILE_FLAG_OVERLAPPED

#: Seconds after which something that should have happened has not.
PATIENCE = 30.0


@pytest.fixture
def iocp() -> Iterator[Iocp]:
    with Iocp() as iocp:
        yield iocp


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


@pytest.fixture
def overlapped_file(tmp_path: Path) -> Iterator[int]:
    """A HANDLE to an empty file, for reading and writing, opened with FILE_FLAG_OVERLAPPED."""
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.CreateFileW.restype = ctypes.c_void_p
    path = str(tmp_path / "file")
    create_always, read_and_write = 2, 0xC0000000
    handle = kernel32.CreateFileW(path, read_and_write, 0, None, create_always, FILE_FLAG_OVERLAPPED, None)
    assert handle not in (None, ctypes.c_void_p(-1).value), ctypes.WinError(ctypes.get_last_error())
    yield handle
    kernel32.CloseHandle(ctypes.c_void_p(handle))


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
    """Look until it is true: for what nothing tells of."""

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
