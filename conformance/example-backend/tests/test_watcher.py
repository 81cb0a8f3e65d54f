"""The selector's thread sleeps when there is nothing to do, also where a selector would have it run in circles."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compl_core import Interest
from compl_example import ExamplePort
from compl_example.sockets import SendTo
from compl_example.watcher import Watcher

#: In 50 ms a thread that runs in circles does something some thousand times.
_CIRCLES = 200


@pytest.fixture
def port() -> Iterator[ExamplePort]:
    with ExamplePort() as port:
        yield port


@pytest.mark.skipif(sys.platform == "win32", reason="select() takes no pipes on Windows")
def test_a_closed_number_whose_file_lives_on(port: ExamplePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """epoll goes on reporting a file that was closed under its number while a duplicate keeps it open."""
    selects: list[float | None] = []
    select = Watcher._select

    def counted(self: Watcher, timeout: float | None) -> list[object]:
        selects.append(timeout)
        return select(self, timeout)  # type: ignore[return-value]  # counted, and passed on as it is

    monkeypatch.setattr(Watcher, "_select", counted)
    reading, writing = os.pipe()
    duplicate = os.dup(reading)
    try:
        port.register(reading, 1, Interest.READABLE)
        assert port.wait(timeout=0) == []
        os.close(reading)
        os.write(writing, b"x")
        assert port.wait(timeout=0.05) == []
        assert len(selects) < _CIRCLES
    finally:
        os.close(duplicate)
        os.close(writing)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not call such a socket writable, or have none")
def test_a_socket_that_is_writable_and_takes_nothing(
    port: ExamplePort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Unix datagram socket is writable for the selector while the queue of whom it sends to is full."""
    attempts: list[int] = []
    attempt = SendTo.attempt

    def counted(self: SendTo) -> object:
        attempts.append(1)
        return attempt(self)

    monkeypatch.setattr(SendTo, "attempt", counted)
    address = str(tmp_path / "here")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(address)
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sender.sendto(b"fill", address)
        port.send_to(sender, b"last", address)
        assert port.wait(timeout=0.05) == []
        assert len(attempts) < _CIRCLES
        receiver.recv(4)
        (done,) = port.wait(timeout=10)
        assert done.result == 4
