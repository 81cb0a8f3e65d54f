"""TCP and Unix streams on a kernel that tells readiness only: short reads, urgent data, ends, resets, full backlogs."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path

import pytest

from compl_core import Completion, Interest
from compl_epoll import EpollPort

Pair = tuple[socket.socket, socket.socket]


def one(port: EpollPort) -> Completion:
    (done,) = port.wait(timeout=30)
    return done


def arm(port: EpollPort, near: socket.socket, far: socket.socket) -> None:
    """A receive that had to wait, so that the socket is watched from here on."""
    port.recv(near, bytearray(1))
    assert port.wait(timeout=0) == []
    far.send(b"!")
    assert one(port).result == 1


def harvest(port: EpollPort) -> None:
    """Let the port take in what the kernel has to say, with nothing to deliver."""
    assert port.wait(timeout=0) == []


def await_bytes(near: socket.socket, count: int) -> None:
    """Until so much has arrived: loopback delivers at once, but in the sender's time."""
    near.settimeout(30)
    while len(near.recv(1 << 16, socket.MSG_PEEK)) < count:
        pass
    near.settimeout(None)


def receive(port: EpollPort, near: socket.socket, size: int = 100, flags: int = 0) -> bytes:
    buffer = bytearray(size)
    port.recv(near, buffer, flags)
    return bytes(buffer[: one(port).unwrap()])


# ---- a short read means that there is nothing more, mostly ----------------------------------------------------------


@pytest.mark.parametrize("armed", [False, True])
def test_what_comes_after_a_short_read(port: EpollPort, tcp: Pair, armed: bool) -> None:
    client, server = tcp
    if armed:
        arm(port, server, client)
    for text in (b"one", b"two", b"three"):
        client.send(text)
        await_bytes(server, len(text))
        harvest(port)
        assert receive(port, server) == text
    port.recv(server, bytearray(10))
    assert port.wait(timeout=0) == []
    client.send(b"four")
    assert one(port).result == 4


@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize("harvested", [False, True])
def test_the_end_behind_the_data(port: EpollPort, tcp: Pair, armed: bool, harvested: bool) -> None:
    """The read that takes the data is short, and the end is there already."""
    client, server = tcp
    if armed:
        arm(port, server, client)
    client.send(b"last words")
    client.shutdown(socket.SHUT_WR)
    await_bytes(server, 10)
    if harvested:
        harvest(port)
    assert receive(port, server) == b"last words"
    for _ in range(2):
        port.recv(server, bytearray(10))
        done = one(port)
        assert (done.result, done.eof) == (0, True)


@pytest.mark.parametrize("armed", [False, True])
def test_the_end_after_the_data(port: EpollPort, tcp: Pair, armed: bool) -> None:
    client, server = tcp
    if armed:
        arm(port, server, client)
    client.send(b"last words")
    await_bytes(server, 10)
    harvest(port)
    client.shutdown(socket.SHUT_WR)
    assert receive(port, server) == b"last words"
    port.recv(server, bytearray(10))
    assert one(port).eof


@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize("harvested", [False, True])
def test_urgent_data_cuts_a_read_short(port: EpollPort, tcp: Pair, armed: bool, harvested: bool) -> None:
    """recv(2) stops at the urgent mark, although there is more behind it."""
    client, server = tcp
    if armed:
        arm(port, server, client)
    client.send(b"before")
    client.send(b"!", socket.MSG_OOB)
    client.send(b"behind")
    await_bytes(server, 6)
    assert receive(port, server, 1, socket.MSG_OOB) == b"!"
    if harvested:
        harvest(port)
    assert receive(port, server) == b"before"
    assert receive(port, server) == b"behind"
    client.send(b"later")
    assert receive(port, server) == b"later"


def test_urgent_data_inline(port: EpollPort, tcp: Pair) -> None:
    client, server = tcp
    server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    arm(port, server, client)
    client.send(b"a")
    client.send(b"b", socket.MSG_OOB)
    client.send(b"c")
    await_bytes(server, 1)
    received = b""
    while len(received) < 3:
        received += receive(port, server)
    assert received == b"abc"


@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize("harvested", [False, True])
def test_a_reset_behind_the_data(port: EpollPort, tcp: Pair, armed: bool, harvested: bool) -> None:
    client, server = tcp
    if armed:
        arm(port, server, client)
    client.send(b"data")
    await_bytes(server, 4)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    if harvested:
        harvest(port)
    buffer = bytearray(100)
    port.recv(server, buffer)
    first = one(port)
    if first.result > 0:  # the kernel may throw the data away with the connection
        assert buffer[: first.result] == b"data"
        port.recv(server, bytearray(10))
        first = one(port)
    assert first.result == -errno.ECONNRESET
    assert isinstance(first.error, ConnectionResetError)


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_every_byte_of_a_busy_stream(port: EpollPort, tcp: Pair, size: int) -> None:
    """Short reads and full ones in any order: nothing is left behind for want of an event."""
    client, server = tcp
    payload = bytes(n % 251 for n in range(size * 300))
    received = bytearray()
    sent = 0
    buffer = bytearray(size)
    while len(received) < len(payload):
        if sent < len(payload):
            step = max(1, (len(received) * 7 + size) % (2 * size + 1))
            sent += client.send(payload[sent : sent + step])
        port.recv(server, buffer)
        received += buffer[: one(port).unwrap()]
        client, server = client, server
    assert received == payload


def test_peeking_takes_nothing(port: EpollPort, tcp: Pair) -> None:
    client, server = tcp
    arm(port, server, client)
    client.send(b"hello")
    await_bytes(server, 5)
    for _ in range(3):
        buffer = bytearray(100)
        port.recv(server, buffer, socket.MSG_PEEK)
        assert buffer[: one(port).unwrap()] == b"hello"
    assert receive(port, server) == b"hello"


def test_recv_exactly_over_many_pieces(port: EpollPort, tcp: Pair) -> None:
    client, server = tcp
    buffer = bytearray(1000)
    port.recv_exactly(server, buffer, "all")
    for n in range(10):
        assert port.wait(timeout=0) == []
        client.send(bytes([n]) * 100)
        await_bytes(server, 1) if n == 9 else None
    done = one(port)
    assert (done.token, done.result) == ("all", 1000)
    assert buffer == b"".join(bytes([n]) * 100 for n in range(10))


def test_a_reader_beside_the_port(port: EpollPort, tcp: Pair) -> None:
    """Somebody else takes what was reported: the operation goes on waiting."""
    client, server = tcp
    port.recv(server, bytearray(10), 0, "mine")
    client.send(b"stolen")
    assert server.recv(100) == b"stolen"
    assert port.wait(timeout=0) == []
    client.send(b"mine")
    assert one(port).result == 4


# ---- Unix sockets ---------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(tmp_path: Path) -> tuple[socket.socket, list[socket.socket], str]:
    """A Unix listener whose backlog is full, and who fills it: connect(2) would block, or say EAGAIN."""
    path = str(tmp_path / "listener")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    waiting: list[socket.socket] = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(path)
        except BlockingIOError:
            client.close()
            return listener, waiting, path
        waiting.append(client)


def test_connecting_to_a_full_backlog(port: EpollPort, crowded: tuple[socket.socket, list[socket.socket], str]) -> None:
    """The kernel says EAGAIN and tells nobody when there is room: the port asks again, and not all the time."""
    listener, waiting, path = crowded
    with socket.socket(socket.AF_UNIX) as late, socket.socket(socket.AF_UNIX) as later:
        port.connect(late, path, "late")
        cancelled = port.connect(later, path, "later")
        assert port.wait(timeout=0.05) == []
        assert port.statistics()["kernel_waits"] < 1000
        assert port.cancel(cancelled)
        assert one(port).result == -errno.ECANCELED
        accepted, _ = listener.accept()
        accepted.close()
        assert one(port).token == "late"
        assert late.getpeername() == path
        port.connect(later, path, "closed with the port")
        port.close()
    for each in (listener, *waiting):
        each.close()


def test_the_listener_goes_away(port: EpollPort, crowded: tuple[socket.socket, list[socket.socket], str]) -> None:
    listener, waiting, path = crowded
    with socket.socket(socket.AF_UNIX) as late:
        port.connect(late, path)
        assert port.wait(timeout=0) == []
        listener.close()
        assert one(port).result == -errno.ECONNREFUSED
    for each in waiting:
        each.close()


def test_a_unix_stream_gives_what_is_there(port: EpollPort, pair: Pair) -> None:
    """No inference from short reads here: recv(2) on a Unix socket may stop at a message's end."""
    left, right = pair
    arm(port, left, right)
    for text in (b"one", b"two", b"three"):
        right.send(text)
    harvest(port)
    received = b""
    while len(received) < 11:
        received += receive(port, left, 5)
    assert received == b"onetwothree"
    right.close()
    port.recv(left, bytearray(10))
    assert one(port).eof


def test_a_seqpacket_end(port: EpollPort) -> None:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        port.recv(left, bytearray(10))
        right.send(b"a")
        assert one(port).result == 1
        port.poll(left, Interest.READABLE)
        right.close()
        assert Interest.READABLE in one(port).readiness
        port.recv(left, bytearray(10))
        assert one(port).result == 0
