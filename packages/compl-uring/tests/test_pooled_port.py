"""Receives into a pool that the kernel takes buffers from by itself: running out, ending, forks, what outlives what."""

from __future__ import annotations

import errno
import gc
import os
import queue
import random
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from compl_core import BufferPool, Completion, CompletionFlags, Interest, Kind
from compl_uring import UringPort, _native

Pair = tuple[socket.socket, socket.socket]
Background = Callable[..., Future[Any]]
MORE, EOF, TRUNCATED = CompletionFlags.MORE, CompletionFlags.EOF, CompletionFlags.TRUNCATED

#: IORING_OP_SEND_ZC, with which multishot receives came: hidden, the pool is an ordinary one.
SEND_ZC = 47


@pytest.fixture(params=["native", "emulated"])
def port(request: pytest.FixtureRequest) -> Iterator[UringPort]:
    """Both must do the same."""
    _native.hide([SEND_ZC] if request.param == "emulated" else [])
    try:
        with UringPort() as port:
            if request.param == "native" and port.abilities()["multishot receive"] != "yes":
                pytest.skip("this kernel has no multishot receive")
            yield port
    finally:
        _native.hide()


def contents(done: list[Completion]) -> list[bytes]:
    """What came, in a list: the views are let go of with the completions."""
    assert all(each.kind is Kind.RECV and each.flags & MORE and each.result == len(each.value) for each in done)
    return [bytes(each.value) for each in done]


def take(port: UringPort, count: int) -> list[memoryview]:
    """So many views."""
    views: list[memoryview] = []
    while len(views) < count:
        some = port.wait(count - len(views), timeout=30)
        assert some and all(done.more for done in some), some
        views += [done.value for done in some]
    return views


def paused(port: UringPort, pair: Pair, pool: BufferPool, token: object = None) -> list[memoryview]:
    """Start a receive and let it run out of buffers; the views that hold them all."""
    left, right = pair
    port.recv(left, pool=pool, token=token)
    assert port.wait(timeout=0) == []
    right.send(b"x" * (pool.count * pool.size))
    views = take(port, pool.count)
    assert pool.available == 0
    return views


def expect_calm(port: UringPort) -> None:
    """A wait that blocks looks at the kernel a few times only."""
    assert port.wait(timeout=0.01) == []
    before = port.statistics()["kernel_waits"]
    assert port.wait(timeout=0.1) == []
    assert port.statistics()["kernel_waits"] - before <= 4


# ---- what comes -----------------------------------------------------------------------------------------------------


def test_a_stream_through_few_buffers(port: UringPort, tcp: Pair, background: Background) -> None:
    """Running out and going on, over and over: every byte, in order."""
    client, server = tcp
    data = random.Random(5).randbytes(1 << 20)
    pool = port.buffer_pool(4, 1000)
    port.recv(client, pool=pool)

    def send() -> None:
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)

    sender = background(send)
    received = bytearray()
    ended = False
    while not ended:
        some = port.wait(3, timeout=30)
        for done in some:
            if done.more:
                received += done.value
            else:
                assert (done.result, done.eof, done.value) == (0, True, None)
                ended = True
        del done, some  # and the buffers with them
    sender.result(30)
    assert received == data
    assert (pool.available, port.in_flight) == (4, 0)


@pytest.mark.parametrize("end", ["cancel", "close", "end of stream"])
def test_every_reference_is_given_back(port: UringPort, pair: Pair, end: str) -> None:
    left, right = pair
    token = object()
    held = [token, left]
    before = [sys.getrefcount(each) for each in held]
    pool = port.buffer_pool(4, 2)
    alone = sys.getrefcount(pool)
    port.recv(left, None, 0, token, pool=pool)
    assert port.wait(timeout=0) == []
    right.send(b"abcd")
    if end != "close":
        assert sorted(contents(port.wait(timeout=30, min_completions=2))) == [b"ab", b"cd"]
    if end == "cancel":
        port.cancel_all(left)
    if end == "end of stream":
        right.close()
    if end != "close":
        (last,) = port.wait(timeout=30)
        assert last.value is None
        del last
    port.close()
    assert sys.getrefcount(pool) == alone
    assert pool.available == 4
    assert [sys.getrefcount(each) for each in held] == before


def test_datagrams(port: UringPort) -> None:
    """Each a buffer of its own; an empty one is no end."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        pool = port.buffer_pool(4, 4)
        port.recv(left, pool=pool)
        assert port.wait(timeout=0) == []
        for datagram in (b"one", b"", b"too long", b"four"):
            right.send(datagram)
        found: list[tuple[bytes, CompletionFlags]] = []
        while len(found) < 4:
            found += [(bytes(done.value), done.flags) for done in port.wait(timeout=30)]
        assert found == [(b"one", MORE), (b"", MORE), (b"too ", MORE | TRUNCATED), (b"four", MORE)]
        assert pool.available == 4


def test_what_is_behind_it_waits_its_turn(port: UringPort, pair: Pair) -> None:
    left, right = pair
    buffer = bytearray(8)
    pool = port.buffer_pool(4, 8)
    pooled = port.recv(left, pool=pool, token="pooled")
    port.recv(left, buffer, 0, "plain")
    assert port.wait(timeout=0) == []
    right.send(b"pooled")
    assert contents(port.wait(timeout=30)) == [b"pooled"]
    port.cancel(pooled)
    (done,) = port.wait(timeout=30)
    assert (done.token, done.result, done.more) == ("pooled", -errno.ECANCELED, False)
    right.send(b"plain")
    (done,) = port.wait(timeout=30)
    assert (done.token, bytes(buffer[:5])) == ("plain", b"plain")


# ---- the pause ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("registered", [False, True])
def test_a_pause_is_calm(port: UringPort, pair: Pair, registered: bool) -> None:
    """Bytes that nobody may take yet do not keep the waiting thread awake."""
    left, right = pair
    if registered:
        left.setblocking(False)
        try:
            while True:  # not writable: watched, and never reported
                left.send(bytes(1 << 16))
        except BlockingIOError:
            port.register(left, 5, Interest.WRITABLE)
    pool = port.buffer_pool(2, 4)
    views = paused(port, pair, pool)
    right.send(b"waits")
    expect_calm(port)
    views.pop().release()
    assert contents(port.wait(timeout=30)) == [b"wait"]
    assert contents(port.wait(timeout=30)) == [b"s"]
    right.send(b"on")
    assert contents(port.wait(timeout=30)) == [b"on"]
    expect_calm(port)


def test_a_busy_connection_does_not_starve_the_others(port: UringPort) -> None:
    """Two buffers, six connections with as much to give: between two turns of one, every other has had one."""
    pool = port.buffer_pool(2, 1)
    pairs = [socket.socketpair() for _ in range(6)]
    for number, (left, right) in enumerate(pairs):
        right.send(b"x" * 50)
        port.recv(left, pool=pool, token=number)
    counts = dict.fromkeys(range(6), 0)
    for _ in range(300):
        while not (some := port.wait(1, timeout=30)):
            pass
        (done,) = some
        counts[done.token] += 1  # type: ignore[index]
        assert max(counts.values()) - min(counts.values()) < 20, counts
        done.value.release()
    assert set(counts.values()) == {50}
    for left, right in pairs:
        left.close()
        right.close()


def test_those_behind_a_paused_receive_go_on_when_it_is_cancelled(port: UringPort, pair: Pair) -> None:
    left, right = pair
    pool, buffer = port.buffer_pool(1, 1), bytearray(8)
    (view,) = paused(port, pair, pool, "pooled")
    right.send(b"bc")
    port.recv(left, buffer, 0, "plain")
    assert port.wait(timeout=0.05) == []
    port.cancel_all(left)
    port.recv(left, buffer, 0, "later")
    tokens: dict[object, int] = {}
    while "later" not in tokens:
        tokens |= {done.token: done.result for done in port.wait(timeout=30)}
    assert tokens == {"pooled": -errno.ECANCELED, "plain": -errno.ECANCELED, "later": 2}
    assert (bytes(buffer[:2]), bytes(view)) == (b"bc", b"x")


@pytest.mark.parametrize("end", ["cancel_all", "close_file", "close"])
def test_ended_in_a_pause(port: UringPort, pair: Pair, end: str) -> None:
    pool = port.buffer_pool(1, 1)
    (view,) = paused(port, pair, pool, "paused")
    pair[1].send(b"never taken")
    if end == "close":
        port.close()
        assert port.in_flight == 0
    else:
        getattr(port, end)(pair[0])
        last = port.wait(timeout=30)[0]
        assert (last.token, last.result, last.more) == ("paused", -errno.ECANCELED, False)
    view.release()
    assert pool.available == 1


def test_given_back_in_another_thread(port: UringPort, pair: Pair, background: Background) -> None:
    """It wakes the one that waits."""
    pool = port.buffer_pool(1, 1)
    views = paused(port, pair, pool)
    for number in range(50):
        pair[1].send(bytes([number]))
        waiting = background(port.wait, 8, 30)
        views.pop().release()
        some = waiting.result(30)
        while not some:
            some = port.wait(timeout=30)
        (done,) = some
        views.append(done.value)
        assert bytes(done.value) == bytes([number])
        del done, some, waiting


def test_given_back_while_the_port_is_watched(port: UringPort, pair: Pair) -> None:
    """``fileno()`` becomes readable by giving a buffer back: nobody has to wait() for that."""
    pool = port.buffer_pool(1, 1)
    with select.epoll() as outer:
        outer.register(port.fileno(), select.EPOLLIN)
        (view,) = paused(port, pair, pool)
        pair[1].send(b"yz")
        for expected in (b"y", b"z"):
            while outer.poll(0):
                assert port.wait(timeout=0) == []
            view.release()
            some: list[Completion] = []
            while not some:
                assert outer.poll(30)
                some = port.wait(timeout=0)
            (done,) = some
            view = done.value
            assert bytes(view) == expected
            del done, some


def test_two_pools(port: UringPort, pair: Pair, tcp: Pair) -> None:
    """One runs out, the other does not; each goes by its own."""
    small, large = port.buffer_pool(1, 1), port.buffer_pool(64, 64)
    (view,) = paused(port, pair, small)
    port.recv(tcp[0], pool=large, token="large")
    for _ in range(3):
        tcp[1].send(b"goes on")
        (done,) = port.wait(timeout=30)
        assert (done.token, bytes(done.value)) == ("large", b"goes on")
    pair[1].send(b"y")
    assert port.wait(timeout=0.05) == []
    view.release()
    assert contents(port.wait(timeout=30)) == [b"y"]
    del done
    gc.collect()
    assert (small.available, large.available) == (1, 64)


# ---- what outlives what ---------------------------------------------------------------------------------------------


def test_views_outlive_the_port(port: UringPort, pair: Pair) -> None:
    pool = port.buffer_pool(2, 4)
    views = paused(port, pair, pool)
    port.close()
    assert [bytes(view) for view in views] == [b"xxxx"] * 2
    del pool
    gc.collect()
    assert [bytes(view) for view in views] == [b"xxxx"] * 2
    views.clear()


def test_the_receive_keeps_the_pool(port: UringPort, pair: Pair) -> None:
    port.recv(pair[0], pool=port.buffer_pool(2, 4))
    gc.collect()
    for _ in range(10):
        pair[1].send(b"abcd")
        assert contents(port.wait(timeout=30)) == [b"abcd"]


def test_pools_come_and_go(port: UringPort, pair: Pair) -> None:
    """Their numbers may be used again only when the kernel has let go of them."""
    left, right = pair
    for number in range(300):
        pool = port.buffer_pool(4, 16)
        identity = port.recv(left, pool=pool, token=number)
        right.send(b"abc")
        assert contents(port.wait(timeout=30)) == [b"abc"]
        port.cancel(identity)
        assert [done.token for done in port.wait(timeout=30)] == [number]
        del pool
    assert port.in_flight == 0


def test_another_file_under_the_number_keeps_its_bytes(port: UringPort, pair: Pair) -> None:
    """Closed and opened as another file during the pause: what has a buffer again must not receive from that one."""
    pool = port.buffer_pool(1, 1)
    number = pair[0].fileno()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        (view,) = paused(port, pair, pool, "gone")
        pair[1].send(b"b")
        pair[0].close()
        os.dup2(mine.fileno(), number)
        theirs.send(b"not yours")
        view.release()
        (last,) = port.wait(timeout=30)
        assert (last.token, last.result, last.value) == ("gone", -errno.EBADF, None)
        assert mine.recv(100) == b"not yours"
        os.close(number)


def test_a_forked_child_lets_go_of_its_copy(port: UringPort, pair: Pair) -> None:
    """The kernel's ring of buffers is the parent's."""
    pool = port.buffer_pool(2, 4)
    port.recv(pair[0], pool=pool)
    pair[1].send(b"abcd")
    views = take(port, 1)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            views.clear()
            pool = port = None  # type: ignore[assignment]
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bytes(views[0]) == b"abcd"
    views.clear()
    for _ in range(4):
        pair[1].send(b"more")
        assert contents(port.wait(timeout=30)) == [b"more"]
    assert pool.available == 2


def test_views_released_by_many_threads(port: UringPort, tcp: Pair) -> None:
    """What they give back goes to the kernel one after the other, and none is lost or given twice."""
    client, server = tcp
    pool = port.buffer_pool(16, 64)
    port.recv(client, pool=pool)
    given: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()

    def release() -> None:
        while (view := given.get()) is not None:
            view.release()

    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    received, sent, choose = bytearray(), bytearray(), random.Random(3)
    try:
        while len(received) < 1 << 16:
            if len(sent) - len(received) < 4096:
                piece = choose.randbytes(choose.randrange(1, 500))
                server.sendall(piece)
                sent += piece
            some = port.wait(timeout=30)
            for done in some:
                received += done.value
                given.put(done.value)
            del done, some
    finally:
        for _ in threads:
            given.put(None)
        for thread in threads:
            thread.join(30)
    assert received == sent[: len(received)]
    port.cancel_all(client)
    while port.in_flight:
        assert port.wait(timeout=30)
    gc.collect()
    assert pool.available == 16
