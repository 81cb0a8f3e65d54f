"""Rules of the area *pooled*: pools that run empty, that several sockets share, and receives that stand in line."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.pooling import arrival, expect_available, expect_over, gather, taken
from compl_conformance.scenarios.timing import expect_blocked
from compl_conformance.sources import Sources
from compl_core import BufferPool, Capability, CompletionPort

POOLED = Capability.POOLED | Capability.SOCKET_IO
CANCELLABLE = POOLED | Capability.CANCEL


def exhausted(port: CompletionPort, sources: Sources, rest: bytes) -> tuple[BufferPool, socket.socket, list[Any]]:
    """A pooled receive that pauses before ``rest``: the pool, the far end, the views that hold all the buffers."""
    pool = port.buffer_pool(2, 8)
    mine, peer = sources.stream()
    port.recv(mine, token="pooled", pool=pool)
    views = []
    for index in range(2):
        peer.sendall(pattern(8, index))
        views.append(arrival(wait_one(port), token="pooled", result=8))
    expect_available(pool, 0, "while all are held")
    peer.sendall(rest)
    expect_nothing(port, 0.03)
    return pool, peer, views


@rule("pooled/17", needs=POOLED)
def test_pause(port: CompletionPort, sources: Sources) -> None:
    """A receive that finds no buffer in the pool pauses, and goes on as soon as one is given back; ENOBUFS never comes
    out.
    """
    sent = pattern(80, 9)
    pool, peer, views = exhausted(port, sources, sent)
    expect(port.in_flight == 1, "the receive in flight", port.in_flight)
    for turn in range(5):  # two are held, and the older one is given back
        views.pop(0).release()
        views.append(arrival(wait_one(port), token="pooled"))
        expect_bytes(
            views[0], pattern(8, 1) if turn == 0 else sent[turn * 8 - 8 :][:8], "the view that was held before"
        )
        expect_bytes(views[1], sent[turn * 8 :][:8], f"arrival {turn} after the pause")
        expect_nothing(port, 0.01)
    while views:
        views.pop().release()
    expect_bytes(gather(port, 40), sent[40:], "the rest")
    peer.sendall(b"more")
    expect_bytes(gather(port, 4), b"more", "the next arrival")
    expect_available(pool, 2, "in the end")


@rule("pooled/18", needs=POOLED)
def test_wakes_a_waiter(port: CompletionPort, sources: Sources) -> None:
    """A buffer that is given back by another thread, released or dropped, lets the receive go on while all others are
    in wait.
    """
    _pool, peer, views = exhausted(port, sources, pattern(80, 9))
    for turn in range(8):
        waiting = background(port.wait, 1, None)
        expect_blocked(waiting, 0.01)
        if turn % 2:
            views.pop(0).release()
        else:
            del views[0]
        views += [arrival(done) for done in waiting.result()]
        del waiting  # which refers to its result
        expect_bytes(views[-1], pattern(80, 9)[turn * 8 :][:8], f"arrival {turn} after the pause")
    views.clear()
    expect_bytes(gather(port, 16), pattern(80, 9)[64:], "the rest")
    peer.sendall(b"more")
    expect_bytes(gather(port, 4), b"more", "the next arrival")


@rule("pooled/19", needs=POOLED)
def test_end_behind_a_pause(port: CompletionPort, sources: Sources) -> None:
    """A stream that ends while the receive pauses gives all its bytes first, once there are buffers, then its end."""
    pool, peer, views = exhausted(port, sources, b"the last words")
    peer.close()
    for view in views:
        view.release()
    del views
    expect_bytes(gather(port, 14), b"the last words", "the arrivals after the pause")
    expect_over(wait_one(port), eof=True, token="pooled")
    expect_available(pool, 2, "after the end")


@rule("pooled/20", needs=CANCELLABLE)
def test_cancel_in_a_pause(port: CompletionPort, sources: Sources) -> None:
    """A receive that pauses can be cancelled: it ends at once, and what it had not received is for the next one."""
    pool = port.buffer_pool(1, 8)
    mine, peer = sources.stream()
    operation = port.recv(mine, token="pooled", pool=pool)
    peer.sendall(b"in hand.")
    view = arrival(wait_one(port))
    peer.sendall(b"in the kernel")
    expect_nothing(port, 0.02)
    buffer = bytearray(32)
    port.recv(mine, buffer, token="next")
    expect_nothing(port, 0.02)
    expect(port.cancel(operation) is True, "cancel() to be True", False)
    ended, following = wait_for(port, 2)
    expect_over(ended, error=errno.ECANCELED, token="pooled")
    expect_completion(following, token="next", result=13, error=None, more=False)
    expect_bytes(buffer[:13], b"in the kernel", "the next receive")
    expect_bytes(view, b"in hand.", "the view")
    view.release()
    expect_available(pool, 1, "in the end")
    expect_nothing(port, 0.01)


@rule("pooled/21", needs=POOLED)
def test_shared(port: CompletionPort, sources: Sources) -> None:
    """Several sockets share one pool, smaller than their number: each gets its own bytes, all of them, in order."""
    pool = port.buffer_pool(2, 64)
    pairs = [sources.stream() for _ in range(5)]
    for index, (mine, peer) in enumerate(pairs):
        port.recv(mine, token=index, pool=pool)
        peer.sendall(pattern(1000, index))
    found = [bytearray() for _ in pairs]
    while sum(map(len, found)) < 5000:
        for done in wait_for(port, 1):
            found[int(str(done.token))] += taken(done)
    for index, each in enumerate(found):
        expect_bytes(each, pattern(1000, index), f"socket {index}")
    expect(port.in_flight == 5, "5 receives in flight", port.in_flight)
    expect_available(pool, 2, "in the end")


@rule("pooled/22", needs=POOLED)
def test_nobody_starves(port: CompletionPort, sources: Sources) -> None:
    """Sockets that wait for the same buffer get it in turn: one that is always full does not keep it from others."""
    pool = port.buffer_pool(1, 8)
    pairs = [sources.stream() for _ in range(3)]
    for index, (mine, peer) in enumerate(pairs):
        peer.sendall(pattern(800, index))
        port.recv(mine, token=index, pool=pool)
    served = []
    for _ in range(60):
        done = wait_one(port)
        served.append(done.token)
        taken(done)
        del done
    expect(set(served) == {0, 1, 2}, "each of the 3 sockets to be served within 60 arrivals", served)


@rule("pooled/23", needs=CANCELLABLE)
def test_later_receive_waits(port: CompletionPort, sources: Sources) -> None:
    """A receive that is submitted later on the same socket waits until the pooled one has ended."""
    pool = port.buffer_pool(4, 64)
    mine, peer = sources.stream()
    operation = port.recv(mine, token="pooled", pool=pool)
    buffer, whole = bytearray(64), bytearray(4)
    port.recv(mine, buffer, token="later")
    port.recv_exactly(mine, whole, "latest")
    for index in range(5):
        peer.sendall(pattern(10, index))
        expect_bytes(taken(wait_one(port), token="pooled"), pattern(10, index), f"arrival {index}")
    port.cancel(operation)
    expect_over(wait_one(port), error=errno.ECANCELED, token="pooled")
    expect_nothing(port, 0.01)
    peer.sendall(b"for the later")
    expect_completion(wait_one(port), token="later", result=13, error=None, more=False)
    expect_bytes(buffer[:13], b"for the later", "its buffer")
    peer.sendall(b"last")
    expect_completion(wait_one(port), token="latest", result=4)


@rule("pooled/24", needs=CANCELLABLE)
def test_two_on_one_socket(port: CompletionPort, sources: Sources) -> None:
    """Of two pooled receives on one socket, from one pool or two, the second waits until the first has ended."""
    pools = [port.buffer_pool(2, 32), port.buffer_pool(2, 16)]
    for first, second in ((pools[0], pools[1]), (pools[0], pools[0])):
        mine, peer = sources.stream()
        operation = port.recv(mine, token="first", pool=first)
        port.recv(mine, token="second", pool=second)
        expect(port.in_flight == 2, "2 in flight", port.in_flight)
        for index in range(3):
            peer.sendall(pattern(16, index))
            expect_bytes(taken(wait_one(port), token="first"), pattern(16, index), f"arrival {index}")
        port.cancel(operation)
        expect_over(wait_one(port), error=errno.ECANCELED, token="first")
        for index in range(3):
            peer.sendall(pattern(16, index))
            expect_bytes(taken(wait_one(port), token="second"), pattern(16, index), f"arrival {index}")
        peer.shutdown(socket.SHUT_WR)
        expect_over(wait_one(port), eof=True, token="second")


@rule("pooled/25", needs=POOLED)
def test_foreign_pool(port: CompletionPort, open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """The pool of another port is refused with ValueError, and nothing is started."""
    pool = port.buffer_pool(2, 16)
    other = open_port()
    mine, peer = sources.stream()
    with raises(ValueError, says=("pool",)):
        other.recv(mine, pool=pool)
    expect(other.in_flight == 0, "nothing in flight", other.in_flight)
    port.recv(mine, pool=pool)
    peer.sendall(b"own")
    expect_bytes(taken(wait_one(port)), b"own", "the arrival")
    expect_nothing(other, 0)
