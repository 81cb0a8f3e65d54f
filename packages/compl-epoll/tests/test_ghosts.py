"""Files closed behind the port's back while a duplicate lives: epoll goes on reporting those, and cannot remove them.

The port learns of it by the next call about the number.  From then on nothing of the old file is reported, waiting does
not burn time over it, and every other file is watched as before, although the port has moved into a fresh epoll set.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from compl_core import Interest, Kind
from compl_epoll import EpollPort

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE
Pair = tuple[socket.socket, socket.socket]


class Haunting:
    """A readable socket registered by a number that is closed; the socket lives on under another one."""

    def __init__(self, port: EpollPort, key: int = 666, number: int = 700) -> None:
        self.left, self.right = socket.socketpair()
        self.number = fcntl.fcntl(self.left, fcntl.F_DUPFD_CLOEXEC, number)  # out of the way of those in use
        port.register(self.number, key, READABLE)
        self.right.send(b"boo")
        os.close(self.number)

    def close(self) -> None:
        self.right.close()
        self.left.close()


@pytest.fixture
def haunting(port: EpollPort) -> Iterator[Haunting]:
    with contextlib.closing(Haunting(port)) as haunting:
        yield haunting


def expect_calm(port: EpollPort) -> None:
    """Nothing is reported, and a wait that blocks looks at the kernel a few times only."""
    port.wait(timeout=0)  # the one that notices
    before = port.statistics()["kernel_waits"]
    assert port.wait(timeout=0.1) == []
    assert port.statistics()["kernel_waits"] - before <= 3


def banish(port: EpollPort, haunting: Haunting) -> None:
    """A call about the number, which is not open."""
    with pytest.raises(OSError) as caught:
        port.unregister(haunting.number)
    assert caught.value.errno == errno.EBADF


def test_a_closed_file_is_silent(port: EpollPort, haunting: Haunting) -> None:
    banish(port, haunting)
    expect_calm(port)
    haunting.right.send(b"boo")
    expect_calm(port)


def test_a_closed_socket_object_is_silent(port: EpollPort) -> None:
    """Its fileno() is -1 by then, so that the number is known to the port alone."""
    left, right = socket.socketpair()
    with right:
        port.register(left, 1, READABLE)
        right.send(b"boo")
        with left.dup():
            left.close()
            with pytest.raises(OSError) as caught:
                port.unregister(left)
            assert caught.value.errno == errno.EBADF
            expect_calm(port)


def test_the_number_is_free_for_another_file(port: EpollPort, haunting: Haunting, pair: Pair) -> None:
    left, right = pair
    os.dup2(left.fileno(), haunting.number, inheritable=False)
    try:
        port.register(haunting.number, 7, READABLE)
        expect_calm(port)
        right.send(b"x")
        (done,) = port.wait(timeout=30)
        assert (done.key, done.kind, done.readiness) == (7, Kind.READY, READABLE)
        port.unregister(haunting.number)
        expect_calm(port)
    finally:
        os.close(haunting.number)


def test_other_files_are_watched_as_before(port: EpollPort, haunting: Haunting, pair: Pair, tcp: Pair) -> None:
    left, right = pair
    client, server = tcp
    with Silent() as dormant, Silent() as polled, Silent() as armed:
        port.register(left, 1, READABLE)
        port.register(server, 2, WRITABLE, oneshot=True)
        assert [done.key for done in port.wait(timeout=30) if done.key != 666] == [2]
        port.register(dormant.left, 3, READABLE, oneshot=True)
        port.poll(polled.left, READABLE, "poll")
        buffer = bytearray(10)
        port.recv(armed.left, buffer, 0, "recv")
        port.timeout(3600, "timer")
        banish(port, haunting)
        expect_calm(port)

        right.send(b"1")
        assert [done.key for done in port.wait(timeout=30)] == [1]
        left.recv(10)
        dormant.right.send(b"3")
        assert [done.key for done in port.wait(timeout=30)] == [3]
        expect_calm(port)  # once
        port.modify(dormant.left)
        assert [done.key for done in port.wait(timeout=30)] == [3]
        polled.right.send(b"p")
        assert [done.token for done in port.wait(timeout=30)] == ["poll"]
        armed.right.send(b"r")
        assert [done.token for done in port.wait(timeout=30)] == ["recv"]
        assert buffer[:1] == b"r"
        port.modify(server)  # reported once before, and again now
        assert [done.key for done in port.wait(timeout=30)] == [2]
        expect_calm(port)
        assert port.in_flight == 1
        client.close()


class Silent:
    """A pair of sockets on which nothing has been said yet."""

    def __enter__(self) -> Silent:
        self.left, self.right = socket.socketpair()
        return self

    def __exit__(self, *_: object) -> None:
        self.left.close()
        self.right.close()


@pytest.mark.parametrize("step", [0, 1])
def test_several_at_once(port: EpollPort, step: int) -> None:
    """With the same number one after the other, and with a number each."""
    with contextlib.ExitStack() as stack:
        for n in range(20):
            haunting = stack.enter_context(contextlib.closing(Haunting(port, 100 + n, 700 + n * step)))
            assert haunting.number == 700 + n * step
        assert {100 + n for n in range(20)} >= {done.key for done in port.wait(timeout=0)}
        for n in range(20):
            with pytest.raises(OSError) as caught:
                port.unregister(700 + n * step)
            assert caught.value.errno == errno.EBADF
        expect_calm(port)


def test_posts_and_waiters(port: EpollPort, haunting: Haunting, background: Callable[..., object]) -> None:
    banish(port, haunting)
    expect_calm(port)
    background(port.post, 5)
    assert [done.key for done in port.wait(timeout=30)] == [5]


def test_a_pollable_port_stays_so(port: EpollPort, haunting: Haunting, pair: Pair) -> None:
    left, right = pair
    port.register(left, 1, READABLE)
    number = port.fileno()
    assert select.select([number], [], [], 0)[0]  # the ghost-to-be
    banish(port, haunting)
    expect_calm(port)
    assert port.fileno() == number
    assert select.select([number], [], [], 0)[0] == []
    right.send(b"x")
    assert select.select([number], [], [], 30)[0] == [number]
    assert [done.key for done in port.wait(timeout=0)] == [1]


def test_without_a_descriptor_to_spare(child: Callable[[str], str]) -> None:
    """The port cannot leave the ghost behind, and goes on all the same: wait() does not fail for it."""
    child("""
        import os, resource, socket
        from compl_core import Interest
        from compl_epoll import EpollPort

        with EpollPort() as port:
            left, right = socket.socketpair()
            other, far = socket.socketpair()
            port.register(left.fileno(), 1, Interest.READABLE)
            port.register(other, 2, Interest.READABLE)
            right.send(b"boo")
            duplicate, number = left.dup(), left.fileno()
            left.close()
            try:
                port.unregister(number)
            except OSError:
                pass
            taken = os.dup(0)
            assert taken == number
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
            far.send(b"x")
            assert [done.key for done in port.wait(timeout=1)] == [2]
            port.post(3)
            assert {done.key for done in port.wait(timeout=1, min_completions=2)} == {2, 3}
            other.recv(1)
            assert port.wait(timeout=0.01) == []
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            port.wait(timeout=0)
            before = port.statistics()["kernel_waits"]
            assert port.wait(timeout=0.1) == []
            assert port.statistics()["kernel_waits"] - before <= 3
            far.send(b"x")
            assert [done.key for done in port.wait(timeout=1)] == [2]
        for each in (right, duplicate, other, far):
            each.close()
    """)


# ---- operations on a file that is gone ------------------------------------------------------------------------------


def test_operations_end_where_the_file_was_closed(port: EpollPort) -> None:
    left, right = socket.socketpair()
    with right:
        number = left.fileno()
        port.recv(number, bytearray(10), 0, "gone")
        with left.dup() as duplicate:
            left.close()
            port.recv(number, bytearray(10), 0, "late")
            done = {each.token: each for each in port.wait(timeout=30, min_completions=2)}
            assert all(isinstance(each.error, OSError) for each in done.values())
            assert {each.result for each in done.values()} == {-errno.EBADF}
            right.send(b"for the duplicate alone")
            expect_calm(port)
            assert duplicate.recv(100) == b"for the duplicate alone"


def test_an_edge_triggered_ghost(port: EpollPort) -> None:
    """Reported at each edge only; what others queue on the number is theirs alone."""
    left, right = socket.socketpair()
    with right:
        number = left.fileno()
        port.recv(number, bytearray(10), 0, "gone")
        with left.dup() as duplicate:
            left.close()
            with pytest.raises(OSError):
                port.cancel_all(number)
            assert [done.result for done in port.wait(timeout=30)] == [-errno.EBADF]
            near, far = socket.socketpair()
            with near, far:
                assert near.fileno() == number
                buffer = bytearray(10)
                port.recv(near, buffer, 0, "mine")
                for _ in range(300):
                    right.send(b"boo")
                    assert port.wait(timeout=0) == []
                    duplicate.recv(10)
                far.send(b"hello")
                (done,) = port.wait(timeout=30)
                assert (done.token, done.result, bytes(buffer[:5])) == ("mine", 5, b"hello")
