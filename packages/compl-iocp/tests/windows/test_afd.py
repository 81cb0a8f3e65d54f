"""The socket driver's answers, as AFD gives them."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from compl_core import Interest
from compl_iocp import Afd, AfdEvents, Iocp, Polled, afd
from compl_iocp.constants import Status

Pair = tuple[socket.socket, socket.socket]
ALL = afd.events(Interest.READABLE | Interest.WRITABLE)
READING, WRITING = afd.events(Interest.READABLE), afd.events(Interest.WRITABLE)
PATIENCE = 30.0


@pytest.fixture
def driver(iocp: Iocp) -> Afd:
    return Afd(iocp, 9)


def answer(iocp: Iocp, driver: Afd, timeout: float = PATIENCE) -> Polled:
    (entry,) = iocp.get_many(1, timeout)
    assert entry.key == 9
    polled = driver.complete(entry)
    assert polled is not None
    return polled


def ask(iocp: Iocp, driver: Afd, sock: socket.socket, events: AfdEvents) -> AfdEvents:
    request = driver.poll(sock, events)
    polled = answer(iocp, driver)
    assert polled.request == request
    assert polled.status == Status.SUCCESS
    return polled.events


def test_level_triggered_by_asking_again(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    tcp[1].sendall(b"x")
    assert ask(iocp, driver, tcp[0], READING) == AfdEvents.RECEIVE
    assert ask(iocp, driver, tcp[0], READING) == AfdEvents.RECEIVE
    assert ask(iocp, driver, tcp[0], ALL) == AfdEvents.RECEIVE | AfdEvents.SEND
    tcp[0].recv(10)
    assert ask(iocp, driver, tcp[0], ALL) == AfdEvents.SEND


def test_waits_until_there_is_something(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    request = driver.poll(tcp[0], READING)
    assert iocp.get_many(timeout=0.01) == []
    tcp[1].sendall(b"x")
    assert answer(iocp, driver) == (request, AfdEvents.RECEIVE, 0)


def test_the_end_of_the_stream(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    tcp[1].shutdown(socket.SHUT_WR)
    found = ask(iocp, driver, tcp[0], READING)
    assert afd.readiness(found, Interest.READABLE) == Interest.READABLE


def test_a_reset(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("HH", 1, 0))
    tcp[1].close()
    found = ask(iocp, driver, tcp[0], READING)
    assert Interest.ERROR | Interest.HANGUP in afd.readiness(found, Interest.READABLE)


def test_a_connection_to_accept(iocp: Iocp, driver: Afd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        driver.poll(listener, READING)
        assert iocp.get_many(timeout=0.01) == []
        with socket.create_connection(listener.getsockname()):
            found = answer(iocp, driver).events
            assert afd.readiness(found, Interest.READABLE) == Interest.READABLE
            assert AfdEvents.ACCEPT in found
            listener.accept()[0].close()


def test_a_failed_connect(iocp: Iocp, driver: Afd) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with socket.socket() as sock:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.connect(unused.getsockname())
            driver.poll(sock, WRITING)
            found = answer(iocp, driver).events
            assert AfdEvents.CONNECT_FAIL in found
            assert Interest.ERROR in afd.readiness(found, Interest.WRITABLE)


def test_a_timeout(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    driver.poll(tcp[0], READING, 0.05)
    polled = answer(iocp, driver)
    assert polled.events == AfdEvents.NONE
    assert polled.timed_out


def test_cancelling(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    request = driver.poll(tcp[0], READING)
    assert driver.cancel(request)
    polled = answer(iocp, driver)
    assert polled == (request, AfdEvents.NONE, Status.CANCELLED)
    assert not driver.cancel(request)


def test_what_is_no_open_socket(iocp: Iocp, driver: Afd, overlapped_file: int) -> None:
    for handle, number in ((0x7FFFFFF0, errno.EBADF), (overlapped_file, errno.ENOTSOCK)):
        with pytest.raises(OSError, match="IOCTL_AFD_POLL") as caught:
            driver.poll(handle, READING)
        assert caught.value.errno == number
    assert driver.in_flight == 0
    assert iocp.get_many(timeout=0) == []


def test_a_socket_closed_meanwhile(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    driver.poll(tcp[0], READING)
    tcp[0].close()
    polled = answer(iocp, driver)
    assert polled.status != 0 or AfdEvents.LOCAL_CLOSE in polled.events


def test_many_sockets_share_handles(iocp: Iocp, driver: Afd) -> None:
    socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(afd.GROUP + 5)]
    try:
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        requests = {driver.poll(sock, READING): sock for sock in socks}
        assert driver.handles == 2
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for sock in socks:
                sender.sendto(b"x", sock.getsockname())
        for _ in socks:
            polled = answer(iocp, driver)
            assert requests.pop(polled.request).recv(10) == b"x"
            assert polled.events == AfdEvents.RECEIVE
        assert (requests, driver.in_flight) == ({}, 0)
    finally:
        for sock in socks:
            sock.close()


def test_closing_ends_all_requests(iocp: Iocp, driver: Afd, tcp: Pair) -> None:
    for sock in tcp:
        driver.poll(sock, READING)
    driver.close()
    for _ in tcp:
        assert answer(iocp, driver).status in (Status.CANCELLED, Status.HANDLES_CLOSED)  # Windows, Wine
    assert driver.in_flight == 0
