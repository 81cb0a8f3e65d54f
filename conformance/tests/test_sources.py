"""Files and sockets for scenarios: what they are, and that nothing of them is left."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator

import pytest

from compl_conformance.sources import HostLacks, Sources, host_lacks


@pytest.fixture
def sources() -> Iterator[Sources]:
    made = Sources()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["tcp", "stream", "udp"])
def test_pairs_are_connected(sources: Sources, kind: str) -> None:
    one, other = getattr(sources, kind)()
    for sender, receiver in ((one, other), (other, one)):
        sender.send(b"hello")
        receiver.settimeout(5)
        assert receiver.recv(16) == b"hello"


def test_listener_and_client(sources: Sources) -> None:
    listener = sources.listener()
    client = sources.client(listener)
    server = sources.keep(listener.accept()[0])
    assert server.getpeername() == client.getsockname()


def test_udp_bound_is_not_connected(sources: Sources) -> None:
    sock = sources.udp_bound()
    assert sock.getsockname()[1]
    with pytest.raises(OSError) as caught:
        sock.getpeername()
    assert caught.value.errno == errno.ENOTCONN


def test_reset(sources: Sources) -> None:
    one, other = sources.tcp()
    sources.reset(one)
    other.settimeout(5)
    with pytest.raises(ConnectionResetError):
        other.recv(1)


@pytest.mark.skipif(sys.platform == "win32", reason="the ends are HANDLEs there, which os.read() does not take")
def test_pipe(sources: Sources) -> None:
    reading, writing = sources.pipe()
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"


def test_files(sources: Sources) -> None:
    file = sources.file(b"abc")
    assert (file.tell(), file.read(), file.write(b"d")) == (0, b"abc", 1)
    path = sources.path(b"xyz")
    assert path.read_bytes() == b"xyz"
    sources.close()
    assert file.closed
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="HANDLEs are not what os.fstat() takes")
def test_closed_number_is_closed_and_not_the_next(sources: Sources) -> None:
    number = sources.closed_number()
    with pytest.raises(OSError) as caught:
        os.fstat(number)
    assert caught.value.errno == errno.EBADF
    assert number not in sources.pipe()


def test_everything_is_closed(sources: Sources) -> None:
    made: list[socket.socket] = [*sources.tcp(), *sources.stream(), *sources.udp(), sources.listener()]
    sources.close()
    assert [sock.fileno() for sock in made] == [-1] * len(made)


@pytest.mark.skipif(sys.platform == "win32", reason="HANDLEs are not what os.close() takes")
def test_a_reused_number_is_left_alone(sources: Sources) -> None:
    """A port may close a pipe's end by its number; whoever has the number then keeps it."""
    reading, _ = sources.pipe()
    os.close(reading)
    mine = os.open(os.devnull, os.O_RDONLY)
    try:
        assert mine == reading, "the lowest free number is given next"
        sources.close()
        os.fstat(mine)
    finally:
        os.close(mine)


def test_host_lacks() -> None:
    with pytest.raises(HostLacks, match="no fork here; use POSIX"):
        host_lacks("no fork here", fix="use POSIX")
