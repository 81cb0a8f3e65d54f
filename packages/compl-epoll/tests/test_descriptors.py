"""Which file is meant: ints, sockets, objects with fileno(), and objects that are another file than before."""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from compl_core import Interest, Kind
from compl_epoll import EpollPort

Pair = tuple[socket.socket, socket.socket]


class File:
    """Any object with a number."""

    def __init__(self, fd: Any) -> None:
        self.fd = fd

    def fileno(self) -> Any:
        return self.fd


class Connection:
    """A connection that can be made anew, as programs have them: one object, one socket after the other."""

    def connect(self) -> None:
        self.near, self.far = socket.socketpair()

    def close(self) -> None:
        self.near.close()
        self.far.close()

    def fileno(self) -> int:
        return self.near.fileno()


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    connection.connect()
    yield connection
    connection.close()


class Redirected(socket.socket):
    """A socket that stands for another one."""

    number = -1

    def fileno(self) -> int:
        return self.number


class Int(int):
    pass


def received(port: EpollPort, file: Any, far: socket.socket) -> bytes:
    buffer = bytearray(10)
    port.recv(file, buffer, 0, "recv")
    assert port.wait(timeout=0) == []
    far.send(b"hello")
    (done,) = port.wait(timeout=10)
    assert (done.token, done.kind) == ("recv", Kind.RECV)
    return bytes(buffer[: done.unwrap()])


def test_what_stands_for_a_file(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    for file in (left, left.fileno(), Int(left.fileno()), File(left.fileno()), File(Int(left.fileno()))):
        assert received(port, file, right) == b"hello"
    with left.makefile("rb") as reader:
        assert received(port, reader, right) == b"hello"
        assert received(port, reader.raw, right) == b"hello"


def test_one_file_under_several_names(port: EpollPort, pair: Pair) -> None:
    left, _ = pair
    port.register(left, 5)
    with pytest.raises(FileExistsError):
        port.register(left.fileno(), 6)
    with pytest.raises(FileExistsError):
        port.register(File(left.fileno()), 6)
    port.recv(File(left.fileno()), bytearray(1))
    assert port.cancel_all(left.fileno()) == 1
    assert [done.key for done in port.wait(timeout=0)] == [5]
    port.unregister(left.fileno())


def test_a_socket_that_overrides_fileno(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    with Redirected() as redirected:
        redirected.number = left.fileno()
        assert received(port, redirected, right) == b"hello"


@pytest.mark.parametrize("number", ["1", None, 1.0, b"2"])
def test_a_fileno_that_is_no_number(port: EpollPort, number: Any) -> None:
    with pytest.raises(TypeError, match=r"recv\(\)"):
        port.recv(File(number), bytearray(1))
    assert port.in_flight == 0


@pytest.mark.parametrize("file", [File(-1), File(2**31), File(2**70), -1, 2**31, 2**70, -(2**70), Int(-5)])
def test_numbers_that_no_file_has(port: EpollPort, file: Any) -> None:
    port.recv(file, bytearray(1))
    (done,) = port.wait(timeout=0)
    assert done.result == -errno.EBADF
    with pytest.raises(OSError) as caught:
        port.register(file, 1)
    assert caught.value.errno == errno.EBADF


def test_closed_and_detached(port: EpollPort) -> None:
    left, right = socket.socketpair()
    number = left.detach()
    right.close()
    os.close(number)
    file = io.FileIO(os.devnull)
    file.close()
    for closed in (left, right, file):
        port.recv(closed, bytearray(1))
        assert [done.result for done in port.wait(timeout=0)] == [-errno.EBADF]


def test_fileno_may_raise(port: EpollPort) -> None:
    class Broken:
        def fileno(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        port.recv(Broken(), bytearray(1))
    with pytest.raises(AttributeError):
        port.recv(File.__new__(File), bytearray(1))
    assert port.in_flight == 0


def test_a_connection_made_anew(port: EpollPort, connection: Connection) -> None:
    """The same object, mostly with the same number, and another socket behind it."""
    for _ in range(3):
        assert received(port, connection, connection.far) == b"hello"
        connection.close()
        connection.connect()
    port.register(connection, 7, Interest.READABLE)
    connection.far.send(b"x")
    assert [done.key for done in port.wait(timeout=10)] == [7]
    connection.close()
    connection.connect()
    port.register(connection, 8, Interest.READABLE)
    assert port.wait(timeout=0) == []
    connection.far.send(b"x")
    assert [done.key for done in port.wait(timeout=10)] == [8]
    port.unregister(connection)


def test_a_number_that_is_another_file_now(port: EpollPort) -> None:
    """Sockets, pipes and counters in turn behind one number, each with an operation that has to wait."""
    for _ in range(2):
        left, right = socket.socketpair()
        with right:
            number = left.detach()
            assert received(port, number, right) == b"hello"
            os.close(number)
        for _ in range(2):  # counters share one inode: only the epoll set can tell them apart
            counter = os.eventfd(0)
            assert counter == number
            port.read(number, bytearray(8), None, "read")
            assert port.wait(timeout=0) == []
            os.eventfd_write(counter, 1)
            assert [done.result for done in port.wait(timeout=10)] == [8]
            os.close(counter)
        reader, writer = os.pipe()
        assert reader == number
        port.read(number, bytearray(10), None, "read")
        assert port.wait(timeout=0) == []
        os.write(writer, b"x")
        assert [done.result for done in port.wait(timeout=10)] == [1]
        os.close(reader)
        os.close(writer)


def test_objects_that_come_and_go_with_one_number(port: EpollPort) -> None:
    """An object at the address of an earlier one is not that one."""
    for _ in range(50):
        near, far = socket.socketpair()
        assert received(port, near, far) == b"hello"
        near.close()
        far.close()
        del near, far
