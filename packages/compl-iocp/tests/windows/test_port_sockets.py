"""IocpPort on sockets: whose packets they are, calls answered at once and later, what AcceptEx leaves to be done."""

from __future__ import annotations

import _thread
import ctypes
import errno
import importlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from compl_core import Completion, Interest
from compl_iocp import Iocp, IocpPort

PATIENCE = 30.0
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def port() -> Iterator[IocpPort]:
    with IocpPort() as port:
        yield port


def one(port: IocpPort) -> Completion:
    (done,) = port.wait(1, PATIENCE)
    return done


@pytest.fixture(params=["its own", "another port's"])
def connected(request: pytest.FixtureRequest, tcp: Pair, iocp: Iocp) -> Iterator[Pair]:
    """A pair whose first socket is nobody's yet, or belongs to another completion port, where nothing must arrive."""
    if request.param == "another port's":
        iocp.associate(tcp[0], 0xBAD)
    yield tcp
    silent(iocp)


def silent(iocp: Iocp) -> None:
    assert iocp.get_many(8, 0) == []


def test_calls_that_wait(port: IocpPort, connected: Pair) -> None:
    mine, peer = connected
    buffer = bytearray(8)
    port.recv(mine, buffer, 0, "recv")
    assert port.wait(timeout=0.01) == []
    peer.send(b"abc")
    done = one(port)
    assert (done.token, done.result, bytes(buffer[:3])) == ("recv", 3, b"abc")


def test_calls_that_are_answered_at_once(port: IocpPort, connected: Pair) -> None:
    mine, peer = connected
    for index in range(20):
        peer.send(b"abcd")
        buffer = bytearray(4)
        port.recv_exactly(mine, buffer, index)
        port.send(mine, b"x", 0, index)
        assert sorted(one(port).result for _ in range(2)) == [1, 4]
        assert buffer == b"abcd"
    assert port.in_flight == 0


def test_cancelled(port: IocpPort, connected: Pair) -> None:
    mine, peer = connected
    first = port.recv(mine, bytearray(8), 0, "first")
    port.recv(mine, bytearray(8), 0, "second")
    assert port.cancel(first)
    done = one(port)
    assert (done.token, done.result) == ("first", -errno.ECANCELED)
    assert isinstance(done.error, OSError)
    peer.send(b"ab")
    done = one(port)
    assert (done.token, done.result) == ("second", 2)


def test_close_while_calls_wait(connected: Pair) -> None:
    mine, _peer = connected
    buffers = [bytearray(8) for _ in range(40)]
    port = IocpPort()
    for buffer in buffers:
        port.recv(mine, buffer)
    port.register(mine, 1, Interest.READABLE)
    port.close()
    for buffer in buffers:
        buffer.extend(b"resizable again")


def test_accept_on_a_listener_of_another_port(port: IocpPort, iocp: Iocp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        iocp.associate(listener, 0xBAD)
        port.accept(listener)
        assert port.wait(timeout=0.01) == []
        with socket.create_connection(listener.getsockname()) as client:
            with one(port).value as server:
                server.sendall(b"hello")
                assert client.recv(9) == b"hello"
        silent(iocp)


def test_one_socket_with_two_ports_one_after_the_other(tcp: Pair) -> None:
    mine, peer = tcp
    for index in range(5):
        with IocpPort() as port:
            port.register(mine, index)
            port.recv(mine, bytearray(4))
            peer.send(b"abc")
            done = one(port)
            assert (done.key, done.result) == (index, 3)
            port.unregister(mine)


def test_an_accepted_socket_is_whole(port: IocpPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.accept(listener)
        with socket.create_connection(listener.getsockname()) as client, one(port).value as server:
            assert server.getpeername() == client.getsockname()
            assert server.getsockname() == listener.getsockname()
            server.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""


def test_a_connected_socket_is_whole(port: IocpPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        port.connect(client, listener.getsockname())
        server, address = listener.accept()
        with server:
            assert one(port).unwrap() == 0
            assert client.getpeername() == listener.getsockname()
            assert client.getsockname() == address
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""


def test_accept_survives_clients_that_reset(port: IocpPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.accept(listener, "accept", multishot=True)
        for _ in range(5):
            client = socket.create_connection(listener.getsockname())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh", 1, 0))
            client.close()
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"I am")
            while True:
                done = one(port)
                assert done.error is None
                assert done.more
                with done.value as server:
                    try:
                        if server.recv(4) == b"I am":
                            break
                    except ConnectionResetError:
                        pass  # one of those that have gone


def test_packets_of_others_are_ignored(port: IocpPort, tcp: Pair) -> None:
    """Posted to the handle, and of overlapped calls that somebody else makes on a file of the port's."""
    driver = importlib.import_module("_overlapped")  # the standard library's, for asyncio
    mine, peer = tcp
    port.register(mine, 7)
    kernel32 = ctypes.WinDLL("kernel32")
    stranger = ctypes.create_string_buffer(64)
    for key, address in ((0, 0), (1, ctypes.addressof(stranger)), (2**64 - 1, 2**64 - 1), (5, 8)):
        assert kernel32.PostQueuedCompletionStatus(
            ctypes.c_void_p(port.fileno()), 3, ctypes.c_size_t(key), ctypes.c_void_p(address)
        )
    beside = driver.Overlapped(0)
    peer.send(b"for the other")
    beside.WSARecv(mine.fileno(), 16, 0)
    assert port.wait(timeout=0.02) == []
    buffer = bytearray(8)
    port.recv(mine, buffer)
    peer.send(b"abc")
    assert one(port).result == 3


def test_numbers_that_are_given_again_at_once(port: IocpPort) -> None:
    """A socket is closed with an operation on it, and the next socket gets its number."""
    reused = 0
    for index in range(20):
        mine, peer = socket.socketpair()
        number = mine.fileno()
        port.recv(mine, bytearray(4), 0, ("old", index))
        assert all(done.result == -errno.EBADF for done in port.wait(timeout=0))
        mine.close()
        peer.close()
        fresh, other = socket.socketpair()
        with fresh, other:
            reused += number in (fresh.fileno(), other.fileno())
            other.send(b"abc")
            port.recv(fresh, bytearray(4), 0, ("new", index))
            while (done := one(port)).token != ("new", index):
                assert done.result == -errno.EBADF
            assert done.result == 3
    assert reused


def test_interrupted_main_thread(port: IocpPort, background: Callable[..., Future[Any]]) -> None:
    """Nothing wakes a wait for Python's signal handlers here: the main thread looks for them by itself."""
    waiting = threading.Event()

    def interrupt() -> None:
        waiting.wait(PATIENCE)
        _thread.interrupt_main()

    background(interrupt)
    with pytest.raises(KeyboardInterrupt):
        waiting.set()
        port.wait(1, PATIENCE)
    port.post(1)
    assert one(port).key == 1


def test_datagrams(port: IocpPort) -> None:
    """Longer than the buffer, empty, and to a port where nobody is, which is no business of an unconnected receiver."""
    with socket.socket(type=socket.SOCK_DGRAM) as one_end, socket.socket(type=socket.SOCK_DGRAM) as other:
        one_end.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        port.send_to(one_end, b"lost", nobody)
        assert one(port).result == 4
        for text in (b"0123456789", b""):
            other.sendto(text, one_end.getsockname())
            buffer = bytearray(4)
            port.recv_from(one_end, buffer)
            done = one(port)
            assert (done.result, done.value) == (min(4, len(text)), other.getsockname())
            assert not done.eof


def test_accepted_sockets_answer_at_once(port: IocpPort) -> None:
    """They queue no packet for what succeeds at once; what has to wait does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.accept(listener)
        with socket.create_connection(listener.getsockname()) as client, one(port).value as server:
            for index in range(20):
                client.send(b"abcd")
                buffer = bytearray(8)
                port.recv(server, buffer, 0, index)  # there, or about to be
                port.send(server, b"answer", 0, index)
                assert sorted(one(port).result for _ in range(2)) == [4, 6]
                assert client.recv(99) == b"answer"
                waits = port.recv(server, buffer)
                assert port.wait(timeout=0) == []
                port.cancel(waits)
                assert one(port).result == -errno.ECANCELED
            assert port.wait(timeout=0) == []
            assert port.statistics()["in_flight"] == 0


def test_what_waits_behind_leaves_the_next_socket_alone(port: IocpPort) -> None:
    """Receives are queued on a socket closed behind the port's back: whoever gets its number keeps its bytes."""
    reused = 0
    for index in range(20):
        mine, peer = socket.socketpair()
        number = mine.fileno()
        for _ in range(3):
            port.recv(mine, bytearray(4), 0, index)
        polled = port.poll(mine, Interest.READABLE, index)
        assert polled
        mine.close()
        peer.close()
        pairs = [socket.socketpair() for _ in range(3)]
        for here, there in (pair for both in pairs for pair in (both, both[::-1])):
            if here.fileno() == number:
                reused += 1
                there.send(b"abc")
                assert all(port.wait(1, PATIENCE)[0].result == -errno.EBADF for _ in range(4))
                here.settimeout(PATIENCE)
                assert here.recv(9) == b"abc"
                break
        else:
            assert all(port.wait(1, PATIENCE)[0].result == -errno.EBADF for _ in range(4))
        for both in pairs:
            for end in both:
                end.close()
    assert reused
    assert port.in_flight == 0
