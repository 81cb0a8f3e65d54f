"""Receives into a buffer pool: what epoll makes of a pause, of the end, and of files that change under it."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import select
import socket
import sys
from pathlib import Path

import pytest

from compl_core import BufferPool, Completion, CompletionFlags, Interest, Kind
from compl_epoll import EpollPort

Pair = tuple[socket.socket, socket.socket]
MORE, EOF = CompletionFlags.MORE, CompletionFlags.EOF


def contents(done: list[Completion]) -> list[bytes]:
    """What came, in a list: the views are let go of with the completions."""
    assert all(each.kind is Kind.RECV and each.flags & MORE and each.result == len(each.value) for each in done)
    return [bytes(each.value) for each in done]


def paused(port: EpollPort, pair: Pair, pool: BufferPool, token: object = None) -> list[memoryview]:
    """Start a receive and let it run out of buffers; the views that hold them all."""
    left, right = pair
    port.recv(left, pool=pool, token=token)
    right.send(b"x" * (pool.count * pool.size))
    views = [done.value for done in port.wait(pool.count, timeout=30, min_completions=pool.count)]
    assert pool.available == 0
    return views


# ---- what a pool is -------------------------------------------------------------------------------------------------


def test_what_it_is(port: EpollPort) -> None:
    pool = port.buffer_pool(8, 4096)
    assert isinstance(pool, BufferPool)
    assert (pool.count, pool.size, pool.available) == (8, 4096, 8)
    assert repr(pool) == "<BufferPool of the epoll port: 8 buffers of 4096 bytes, 8 available>"


def test_made_by_a_port_only(port: EpollPort, pair: Pair) -> None:
    kind = type(port.buffer_pool(1, 1))
    with pytest.raises(TypeError, match=r"port\.buffer_pool"):
        kind()
    with pytest.raises(ValueError, match="another port"):
        port.recv(pair[0], pool=kind.__new__(kind))
    assert port.in_flight == 0


def test_an_exporter_made_by_hand_has_no_memory(port: EpollPort, pair: Pair) -> None:
    """What ``value.obj`` is can be made again by its type: it shows nothing and gives nothing back."""
    pool = port.buffer_pool(1, 8)
    (view,) = paused(port, pair, pool)
    with pytest.raises(BufferError):
        memoryview(type(view.obj)())
    view.release()
    assert pool.available == 1


def test_memory_is_taken_as_it_is_written_to(port: EpollPort, pair: Pair) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    before = resident()
    pool = port.buffer_pool(64, 1 << 23)
    port.recv(pair[0], pool=pool)
    for _ in range(200):
        pair[1].send(bytes(1000))
        assert len(port.wait(timeout=30)) == 1
    assert resident() - before < 1 << 25
    with pytest.raises(MemoryError, match="buffer_pool"):
        port.buffer_pool(32768, 2**31 - 1)


@pytest.mark.parametrize("end", ["cancel", "close", "end of stream"])
def test_every_reference_is_given_back(pair: Pair, end: str) -> None:
    left, right = pair
    token = object()
    held = [token, left]
    before = [sys.getrefcount(each) for each in held]
    with EpollPort() as port:
        pool = port.buffer_pool(4, 2)
        alone = sys.getrefcount(pool)
        port.recv(left, None, 0, token, pool=pool)
        assert sys.getrefcount(pool) == alone + 1
        right.send(b"abcd")
        if end != "close":
            assert contents(port.wait(timeout=30)) == [b"ab", b"cd"]
        if end == "cancel":
            port.cancel_all(left)
        if end == "end of stream":
            right.close()
        if end != "close":
            (last,) = port.wait(timeout=30)
            assert last.value is None
            del last
    assert sys.getrefcount(pool) == alone
    assert pool.available == 4
    assert [sys.getrefcount(each) for each in held] == before


def test_refused_flags(port: EpollPort, pair: Pair) -> None:
    """The same bytes again and again, or a buffer filled up: neither is a receive of all that comes."""
    pool = port.buffer_pool(2, 16)
    for flag in (socket.MSG_PEEK, socket.MSG_WAITALL, socket.MSG_PEEK | socket.MSG_TRUNC):
        with pytest.raises(ValueError, match="MSG_PEEK"):
            port.recv(pair[0], flags=flag, pool=pool)
    assert (port.in_flight, pool.available) == (0, 2)


def test_no_socket(port: EpollPort, pair: Pair, pipe: tuple[int, int]) -> None:
    """Known at once, whether a buffer is free or not."""
    pool = port.buffer_pool(1, 8)
    views = paused(port, pair, pool)
    port.recv(pipe[0], pool=pool)
    port.recv(9999, pool=pool)
    assert [(done.result, done.more) for done in port.wait(timeout=30)] == [
        (-errno.ENOTSOCK, False),
        (-errno.EBADF, False),
    ]
    views[0].release()


# ---- the pause ------------------------------------------------------------------------------------------------------


def expect_calm(port: EpollPort) -> None:
    """A wait that blocks looks at the kernel a few times only."""
    port.wait(timeout=0)
    before = port.statistics()["kernel_waits"]
    assert port.wait(timeout=0.1) == []
    assert port.statistics()["kernel_waits"] - before <= 3


@pytest.mark.parametrize("registered", [False, True])
def test_a_pause_is_calm(port: EpollPort, pair: Pair, registered: bool) -> None:
    """Bytes that nobody may take yet do not keep the waiting thread awake, not on a level-triggered file either."""
    left, right = pair
    if registered:
        left.setblocking(False)
        while True:  # not writable: watched, and never reported
            try:
                left.send(bytes(1 << 16))
            except BlockingIOError:
                break
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


def test_watched_again_after_a_pause(port: EpollPort, pair: Pair) -> None:
    """The receive had no buffer from the start, so that the file was never watched for it."""
    other = socket.socketpair()
    with other[0], other[1]:
        pool = port.buffer_pool(1, 8)
        (view,) = paused(port, pair, pool)
        port.recv(other[0], pool=pool, token="other")
        assert port.wait(timeout=0.05) == []
        view.release()
        assert port.wait(timeout=0.05) == []
        other[1].send(b"comes")
        (done,) = port.wait(timeout=30)
        assert (done.token, bytes(done.value)) == ("other", b"comes")


def test_whoever_ran_out_first_goes_on_first(port: EpollPort) -> None:
    """A busy connection does not keep the others from the pool."""
    pool = port.buffer_pool(1, 1)
    pairs = [socket.socketpair() for _ in range(4)]
    for number, (left, right) in enumerate(pairs):
        right.send(b"abc")
        port.recv(left, pool=pool, token=number)
    order = []
    for _ in range(12):
        (done,) = port.wait(timeout=30)
        order.append(done.token)
        done.value.release()
    assert order == [0, 0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3]  # the first had taken one, and run out, before the others came
    for left, right in pairs:
        left.close()
        right.close()


def test_those_behind_a_paused_receive_go_on_when_it_is_cancelled(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    pool, buffer = port.buffer_pool(1, 1), bytearray(8)
    right.send(b"abc")
    first = port.recv(left, pool=pool, token="pooled")
    (done,) = port.wait(timeout=30)
    port.recv(left, buffer, 0, "plain")
    port.recv(left, buffer, 0, "later")
    assert port.wait(timeout=0.05) == []
    assert port.cancel(first)
    found = port.wait(timeout=30)
    assert [(each.token, each.result) for each in found] == [("pooled", -errno.ECANCELED), ("plain", 2)]
    assert (bytes(buffer[:2]), bytes(done.value)) == (b"bc", b"a")
    right.send(b"d")
    assert [each.token for each in port.wait(timeout=30)] == ["later"]


@pytest.mark.parametrize("end", ["cancel_all", "close_file", "close"])
def test_ended_in_a_pause(port: EpollPort, pair: Pair, end: str) -> None:
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
    if end != "close":
        assert port.wait(timeout=0.05) == []


def test_the_end_of_the_stream_comes_after_a_pause(port: EpollPort, tcp: Pair) -> None:
    pool = port.buffer_pool(1, 4)
    (view,) = paused(port, tcp, pool)
    tcp[1].send(b"last")
    tcp[1].close()
    assert port.wait(timeout=0.05) == []
    view.release()
    (done,) = port.wait(timeout=30)
    assert bytes(done.value) == b"last"
    assert port.wait(timeout=0.05) == []
    done.value.release()
    assert [(each.result, each.flags, each.value) for each in port.wait(timeout=30)] == [(0, EOF, None)]


def test_given_back_while_the_port_is_watched(port: EpollPort, pair: Pair) -> None:
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
            assert outer.poll(30)
            (done,) = port.wait(timeout=0)
            view = done.value
            assert bytes(view) == expected


# ---- messages -------------------------------------------------------------------------------------------------------


def test_records_end(port: EpollPort) -> None:
    """SOCK_SEQPACKET: a record of no bytes is one like any other, and the end is an end."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        pool = port.buffer_pool(4, 4)
        port.recv(left, pool=pool)
        for record in (b"one", b"", b"too long"):
            right.send(record)
        found = port.wait(timeout=30)
        assert [(bytes(done.value), done.flags) for done in found] == [
            (b"one", MORE),
            (b"", MORE),
            (b"too ", MORE | CompletionFlags.TRUNCATED),
        ]
        right.send(b"")
        right.send(b"last")
        right.close()
        del found
        found = port.wait(timeout=30, min_completions=3)
        assert [(done.result, done.flags) for done in found] == [(0, MORE), (4, MORE), (0, EOF)]


# ---- files that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_number", [False, True])
def test_another_file_under_the_number_keeps_its_bytes(port: EpollPort, pair: Pair, by_number: bool) -> None:
    """Closed and opened as another file during the pause: what has a buffer again must not receive from that one."""
    pool = port.buffer_pool(1, 1)
    left, right = pair
    number = left.fileno()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        port.recv(number if by_number else left, pool=pool, token="gone")
        right.send(b"ab")
        (done,) = port.wait(timeout=30)
        left.close()
        os.dup2(mine.fileno(), number)
        theirs.send(b"not yours")
        done.value.release()
        (last,) = port.wait(timeout=30)
        assert (last.token, last.result, last.value) == ("gone", -errno.EBADF, None)
        assert mine.recv(100) == b"not yours"
        os.close(number)


def test_a_port_that_moves_goes_on(port: EpollPort) -> None:
    """A ghost makes the port leave its epoll set; receives that are paused then are watched in the new one."""
    pairs = [socket.socketpair() for _ in range(3)]
    pool = port.buffer_pool(1, 4)
    (view,) = paused(port, pairs[0], pool)
    ghost = pairs[2][0].dup()
    number = ghost.detach()
    port.register(number, 666, Interest.READABLE)
    pairs[2][1].send(b"boo")
    os.close(number)
    with pytest.raises(OSError, match="fd"):
        port.unregister(number)
    expect_calm(port)
    view.release()
    pairs[0][1].send(b"more")
    (done,) = port.wait(timeout=30)
    assert bytes(done.value) == b"more"
    done.value.release()
    pairs[0][1].send(b"then")
    assert contents(port.wait(timeout=30)) == [b"then"]
    for pair in pairs:
        for end in pair:
            end.close()


def test_two_pools_on_one_port(port: EpollPort, pair: Pair, tcp: Pair) -> None:
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
