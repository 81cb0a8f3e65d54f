"""Rules of the area *pooled*: how pooled receives are ended, and what their views outlive."""

from __future__ import annotations

import errno
import gc
from collections.abc import Callable

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import receive, receive_all
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.pooling import arrival, expect_available, expect_over, taken
from compl_conformance.sources import Sources
from compl_core import Capability, CompletionPort, Kind

POOLED = Capability.POOLED | Capability.SOCKET_IO
CANCELLABLE = POOLED | Capability.CANCEL


@rule("pooled/26", needs=CANCELLABLE)
def test_cancel(port: CompletionPort, sources: Sources) -> None:
    """A pooled receive that is cancelled gives what it had received, then one ECANCELED without MORE, then nothing."""
    pool = port.buffer_pool(8, 16)
    mine, peer = sources.stream()
    port.register(mine, 0x76)
    operation = port.recv(mine, token="pooled", pool=pool)
    peer.sendall(b"before")
    expect_bytes(taken(wait_one(port)), b"before", "the arrival")
    expect(port.cancel(operation) is True, "cancel() to be True", False)
    expect_over(wait_one(port), error=errno.ECANCELED, key=0x76, token="pooled")
    expect(port.cancel(operation) is False, "cancel() to be False afterwards", True)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    peer.sendall(b"after")
    expect_nothing(port, 0.02)
    expect_available(pool, 8, "after the end")
    port.recv(mine, token="again", pool=pool)
    expect_bytes(taken(wait_one(port), token="again"), b"after", "the arrival of the next receive")


@rule("pooled/27", needs=CANCELLABLE)
def test_cancel_loses_nothing(port: CompletionPort, sources: Sources) -> None:
    """However cancels race with arrivals, no byte is lost, doubled or moved: what one receive did not give the next one
    does.
    """
    pool = port.buffer_pool(4, 100)
    mine, peer = sources.tcp()
    sent = pattern(200_000)
    sending = background(peer.sendall, sent)
    found = bytearray()
    for round_number in range(200):
        if len(found) == len(sent):
            break
        operation = port.recv(mine, token=round_number, pool=pool)
        if round_number % 3:
            found += taken(wait_for(port, 1)[0], token=round_number)
        port.cancel(operation)
        while (done := wait_for(port, 1)[0]).more:
            found += taken(done, token=round_number)
        expect_over(done, error=errno.ECANCELED, token=round_number)
    found += receive(mine, len(sent) - len(found))
    sending.result()
    expect_bytes(found, sent, "the arrivals and the rest together")


@rule("pooled/28", needs=CANCELLABLE)
def test_cancel_all(port: CompletionPort, sources: Sources) -> None:
    """cancel_all counts a pooled receive once, however much arrived, and it ends with ECANCELED."""
    pool = port.buffer_pool(8, 16)
    mine, peer = sources.stream()
    port.recv(mine, token="pooled", pool=pool)
    for _ in range(3):
        peer.sendall(b"some")
        taken(wait_one(port))
    expect(port.cancel_all(mine) == 1, "cancel_all() to be 1", "another number")
    expect_over(wait_one(port), error=errno.ECANCELED, token="pooled")
    expect_nothing(port, 0.01)


@rule("pooled/29", needs=CANCELLABLE)
def test_close_file(port: CompletionPort, sources: Sources) -> None:
    """close_file ends a pooled receive with one ECANCELED, before its own completion; views stay what they were."""
    pool = port.buffer_pool(4, 16)
    mine, peer = sources.stream()
    port.recv(mine, token="pooled", pool=pool)
    peer.sendall(b"kept")
    view = arrival(wait_one(port))
    port.close_file(mine, "close")
    ended, closed = wait_for(port, 2)
    expect_over(ended, error=errno.ECANCELED, token="pooled")
    expect_completion(closed, kind=Kind.CLOSE, token="close", result=0)
    expect_bytes(receive_all(peer), b"", "the peer, at the end of the stream,")
    expect_bytes(view, b"kept", "the view")
    view.release()
    expect_available(pool, 4, "in the end")


@rule("pooled/30", needs=POOLED)
def test_views_outlive_the_port(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """A view that is held when the port is closed, and pool and port are forgotten, keeps its bytes and can be written
    to.
    """
    port = open_port()
    pool = port.buffer_pool(4, 4096)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    views = []
    for index in range(3):
        peer.sendall(pattern(4096, index))
        views.append(arrival(wait_one(port), result=4096))
    part = views[2][1000:2000]
    views.pop().release()
    port.close()
    del port, pool
    gc.collect()
    others = [bytearray(4096) for _ in range(64)]  # whoever gets memory next
    for index, view in enumerate(views):
        expect_bytes(view, pattern(4096, index), f"view {index} after close()")
    expect_bytes(part, pattern(4096, 2)[1000:2000], "the slice after close()")
    for view in (*views, part):
        view[:] = bytes(len(view))
        expect_bytes(view, bytes(len(view)), "a view that was written to")
        view.release()
    expect(not any(map(any, others)), "memory of others untouched", "other bytes")


@rule("pooled/31", needs=POOLED)
def test_close(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """close ends pooled receives that wait, that pause, and whose arrivals nobody took; what nobody holds is available
    then.
    """
    port = open_port()
    waiting, pausing, untaken = (port.buffer_pool(2, 8) for _ in range(3))
    pairs = [sources.stream() for _ in range(3)]
    for (mine, _), pool in zip(pairs, (waiting, pausing, untaken), strict=True):
        port.recv(mine, pool=pool)
    pairs[1][1].sendall(bytes(100))
    views = [arrival(done) for done in wait_for(port, 2)]
    expect_nothing(port, 0.02)
    pairs[2][1].sendall(bytes(100))
    arrival(wait_for(port, 1)[0]).release()  # of two
    background(port.close).result()
    expect_available(waiting, 2, "of a receive that waited, after close()")
    expect_available(untaken, 2, "of a receive whose arrivals nobody took, after close()")
    expect_available(pausing, 0, "of a receive whose views are held, after close()")
    for view in views:
        view.release()
    expect_available(pausing, 2, "after close() and release()")
    for mine, peer in pairs:
        expect(mine.fileno() >= 0 and peer.fileno() >= 0, "the sockets open", "closed")
