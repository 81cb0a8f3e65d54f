"""Rules of the area *pooled*: one receive, many arrivals, each in a buffer of the port's."""

from __future__ import annotations

import errno
import gc
import random
import socket
from typing import Any

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    patience,
    raises,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import NOT_INTEGERS, Index
from compl_conformance.scenarios.far_end import receive
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.pooling import arrival, expect_available, expect_over, gather, taken
from compl_conformance.sources import Sources
from compl_core import BufferPool, Capability, CompletionPort, Kind, Recv

POOLED = Capability.POOLED | Capability.SOCKET_IO


@rule("pooled/1", needs=POOLED)
def test_arrivals(port: CompletionPort, sources: Sources) -> None:
    """Each arrival is a completion with MORE under the socket's key, whose value is a writable memoryview of just the
    bytes that came.
    """
    pool = port.buffer_pool(4, 64)
    mine, peer = sources.stream()
    port.register(mine, 0x71)
    token = object()
    port.recv(mine, token=token, pool=pool)
    for size in (1, 17, 64, 5):
        sent = pattern(size, size)
        peer.sendall(sent)
        view = arrival(wait_one(port), key=0x71, token=token, result=size)
        shape = (view.format, view.ndim, view.shape, view.readonly, view.c_contiguous)
        expect(shape == ("B", 1, (size,), False, True), f"a writable view of {size} bytes, format 'B'", shape)
        expect_bytes(view, sent, "the view")
        view.release()


@rule("pooled/2", needs=POOLED)
def test_many_arrivals(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """Over many arrivals the bytes of a stream are those that were sent, in order, no more at once than a buffer
    holds.
    """
    pool = port.buffer_pool(4, 1000)
    mine, peer = sources.tcp()
    port.recv(mine, pool=pool)
    sent = pattern(1_000_000)

    def send() -> None:
        rest = memoryview(sent)
        while rest:
            count = rng.choice((1, 10, 999, 1000, 1001, 50_000))
            peer.sendall(rest[:count])
            rest = rest[count:]

    sending = background(send)
    found = bytearray()
    while len(found) < len(sent):
        for done in wait_for(port, 1):
            expect(0 < done.result <= 1000, "1 to 1000 bytes", done)
            found += taken(done)
    sending.result()
    expect_bytes(found, sent, "the arrivals together")


@rule("pooled/3", needs=POOLED)
def test_end_of_stream(port: CompletionPort, sources: Sources) -> None:
    """The end of the stream is the last completion: result 0 with eof, without MORE, without a value."""
    pool = port.buffer_pool(2, 64)
    mine, peer = sources.stream()
    port.register(mine, 0x73)
    port.recv(mine, None, 0, "end", pool=pool)
    peer.sendall(b"last words")
    peer.shutdown(socket.SHUT_WR)
    expect_bytes(taken(wait_for(port, 1)[0], key=0x73, token="end"), b"last words", "the arrival")
    expect_over(wait_one(port), eof=True, key=0x73, token="end", result=0)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_nothing(port, 0.02)
    expect_available(pool, 2, "after the end")


@rule("pooled/4", needs=POOLED)
def test_reset(port: CompletionPort, sources: Sources) -> None:
    """A reset is the last completion: ECONNRESET, without MORE, without a value."""
    pool = port.buffer_pool(2, 64)
    mine, peer = sources.tcp()
    port.recv(mine, token="reset", pool=pool)
    peer.sendall(b"abc")
    expect_bytes(taken(wait_one(port)), b"abc", "the arrival")
    sources.reset(peer)
    expect_over(wait_one(port), error=errno.ECONNRESET, token="reset")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_available(pool, 2, "after the reset")


@rule("pooled/5", needs=POOLED)
def test_views_are_independent(port: CompletionPort, sources: Sources) -> None:
    """Views that are held at the same time share no byte: neither a later arrival nor writing into one changes
    another.
    """
    pool = port.buffer_pool(8, 32)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    views = []
    for index in range(8):
        peer.sendall(pattern(32, index))
        views.append(arrival(wait_one(port), result=32))
        for earlier, view in enumerate(views):
            expect_bytes(view, pattern(32, earlier), f"view {earlier} of {index + 1}")
    views[3][:] = bytes(32)
    for index in (2, 4, 7):
        expect_bytes(views[index], pattern(32, index), f"view {index} after writing into view 3")
    expect_bytes(views[3], bytes(32), "view 3")


@rule("pooled/6", needs=POOLED)
def test_view_is_a_buffer(port: CompletionPort, sources: Sources) -> None:
    """A view is a buffer like any other: it can be sliced, cast, sent by the port and received into."""
    pool = port.buffer_pool(2, 64)
    mine, peer = sources.stream()
    port.recv(mine, token="pooled", pool=pool)
    peer.sendall(b"ping pong")
    view = arrival(wait_one(port))
    port.send_all(mine, view, "echo")
    expect_completion(wait_one(port), kind=Kind.SEND, token="echo", result=9)
    expect_bytes(receive(peer, 9), b"ping pong", "the peer")
    here, there = sources.stream()
    port.recv(here, view[5:], token="into")
    there.sendall(b"PONG")
    expect_completion(wait_one(port), token="into", result=4)
    expect_bytes(view, b"ping PONG", "the view")
    expect_bytes(view[:8].cast("H").tobytes(), b"ping PON", "the view as 16-bit numbers")


@rule("pooled/7", needs=POOLED)
def test_release_gives_back(port: CompletionPort, sources: Sources) -> None:
    """available is the number of buffers that nobody holds, and release() of a view gives its buffer back, every
    time.
    """
    pool = port.buffer_pool(3, 16)
    mine, peer = sources.stream()
    expect(pool.available == 3, "3 buffers available at first", pool.available)
    port.recv(mine, pool=pool)
    held = []
    for left in (2, 1):
        peer.sendall(b"some")
        held.append(arrival(wait_one(port)))
        expect_available(pool, left, f"while {3 - left} views are held")
    for index, view in enumerate(held):
        view.release()
        expect_available(pool, index + 2, "after release()")
        view.release()  # again, which does nothing
    for index in range(300):
        peer.sendall(pattern(16, index))
        expect_bytes(taken(wait_one(port)), pattern(16, index), f"arrival {index}")
    expect_available(pool, 3, "after 300 arrivals that were released")


@rule("pooled/8", needs=POOLED)
def test_dropping_gives_back(port: CompletionPort, sources: Sources) -> None:
    """A view that nobody refers to any more gives its buffer back, also by way of the garbage collector and in another
    thread.
    """
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)

    def hold() -> dict[str, Any]:
        peer.sendall(b"some")
        done = wait_one(port)
        expect(pool.available == 1, "1 buffer available while a view is held", pool.available)
        return {"view": arrival(done)}

    for _ in range(3):
        hold()
        expect_available(pool, 2, "once the view is dropped")
        circle = hold()
        circle["itself"] = circle
        del circle
        gc.collect()
        expect_available(pool, 2, "once the garbage is collected")
        holder = [hold()]
        background(holder.clear).result()
        expect_available(pool, 2, "once another thread has dropped the view")


@rule("pooled/9", needs=POOLED)
def test_slices_keep(port: CompletionPort, sources: Sources) -> None:
    """A slice keeps the buffer after its view is released or dropped: its bytes stay, and the last of them gives it
    back.
    """
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    peer.sendall(b"head" + b"body")
    view = arrival(wait_one(port))
    head, body = view[:4], view[4:]
    view.release()
    del view
    gc.collect()
    for index in range(10):  # through the other buffer, again and again
        peer.sendall(pattern(16, index))
        expect_bytes(taken(wait_one(port)), pattern(16, index), f"arrival {index}")
        expect_available(pool, 1, "while slices are held")
    expect_bytes(head, b"head", "the first slice")
    head.release()
    expect_available(pool, 1, "while a slice is held")
    expect_bytes(body, b"body", "the second slice")
    del body
    expect_available(pool, 2, "after the last slice")


@rule("pooled/10", needs=POOLED)
def test_one_operation(port: CompletionPort, sources: Sources) -> None:
    """A pooled receive counts once, in in_flight and in statistics, however much arrives, until its last completion is
    returned.
    """
    pool = port.buffer_pool(4, 16)
    mine, peer = sources.stream()
    before = port.statistics()["submitted"]
    port.recv(mine, pool=pool)
    for _ in range(5):
        peer.sendall(b"some")
        taken(wait_one(port))
        counted = (port.in_flight, port.statistics()["in_flight"], port.statistics()["submitted"] - before)
        expect(counted == (1, 1, 1), "1 in flight, 1 submitted", counted)
    peer.shutdown(socket.SHUT_WR)
    expect_over(wait_one(port), eof=True)
    counted = (port.in_flight, port.statistics()["in_flight"], port.statistics()["submitted"] - before)
    expect(counted == (0, 0, 1), "0 in flight, 1 submitted", counted)


@rule("pooled/11", needs=POOLED)
def test_submit(port: CompletionPort, sources: Sources) -> None:
    """submit() of a Recv with a pool does what recv with a pool does."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    port.submit(Recv(mine, pool=pool), token="submitted")
    for index in range(5):
        peer.sendall(pattern(16, index))
        expect_bytes(taken(wait_one(port), token="submitted"), pattern(16, index), f"arrival {index}")


@rule("pooled/12", needs=POOLED)
def test_what_is_no_socket(port: CompletionPort, sources: Sources) -> None:
    """A pooled receive on a closed socket, or on what is no socket, ends at once with EBADF or ENOTSOCK."""
    pool = port.buffer_pool(2, 16)
    mine, _peer = sources.stream()
    mine.close()
    for file, wanted in ((mine, errno.EBADF), (sources.closed_number(), errno.EBADF), (sources.file(), errno.ENOTSOCK)):
        port.recv(file, token="none", pool=pool)
        expect_over(wait_one(port), error=wanted, token="none")
    expect_available(pool, 2, "after receives that failed")


@rule("pooled/13", needs=POOLED)
def test_buffer_or_pool(port: CompletionPort, sources: Sources) -> None:
    """recv takes a buffer or a pool: both, neither, or what is no pool is TypeError, and starts nothing."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"buffer": bytearray(4), "pool": pool},
        {"pool": bytearray(4)},
        {"pool": 7},
        {"pool": type(pool)},
        {"buffer": pool},
    )
    for arguments in wrong:
        with raises(TypeError):
            port.recv(mine, **arguments)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    peer.sendall(b"kept")
    expect_nothing(port, 0.01)
    expect_bytes(receive(mine, 4), b"kept", "the socket")


@rule("pooled/14", needs=POOLED)
def test_buffer_pool(port: CompletionPort) -> None:
    """buffer_pool makes a BufferPool of 1 to 32768 buffers of 1 to 2**31-1 bytes; ValueError or TypeError for all
    else.
    """
    for count, size in ((1, 1), (3, 4096), (32768, 16), (1, 1 << 20), (Index(2), Index(5))):
        pool = port.buffer_pool(count, size)  # type: ignore[arg-type]  # an Index is good for an int
        wanted = tuple(each if isinstance(each, int) else each.__index__() for each in (count, size, count))
        found = (pool.count, pool.size, pool.available)
        expect(isinstance(pool, BufferPool), "a BufferPool", pool)
        expect(found == wanted, f"count, size and available {wanted}", found)
    for wrong in (0, -1, 32769, 2**31, 2**63, 2**64 + 1):
        with raises(ValueError):
            port.buffer_pool(wrong, 64)
    for wrong in (0, -1, 2**31, 2**32 + 1, 2**64 + 1):
        with raises(ValueError):
            port.buffer_pool(1, wrong)
    for other in NOT_INTEGERS:
        with raises(TypeError):
            port.buffer_pool(other, 64)
        with raises(TypeError):
            port.buffer_pool(1, other)


@rule("pooled/15", needs=POOLED)
def test_pool_is_kept(port: CompletionPort, sources: Sources) -> None:
    """A receive keeps its pool: the caller may forget it, and the arrivals go on."""
    mine, peer = sources.stream()
    port.recv(mine, pool=port.buffer_pool(2, 16))
    gc.collect()
    for index in range(5):
        peer.sendall(pattern(16, index))
        expect_bytes(taken(wait_one(port)), pattern(16, index), f"arrival {index}")


@rule("pooled/16", needs=POOLED)
def test_batches(port: CompletionPort, sources: Sources) -> None:
    """Arrivals that a wait has no room for come with the next ones, in order, and no byte is lost between."""
    pool = port.buffer_pool(16, 10)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    sent = pattern(400)
    peer.sendall(sent)
    found = bytearray()
    while len(found) < len(sent):
        batch = port.wait(3, patience())
        expect(1 <= len(batch) <= 3, "1 to 3 completions", batch)
        found += b"".join(taken(done) for done in batch)
    expect_bytes(found, sent, "the arrivals together")
    peer.sendall(b"more")
    expect_bytes(gather(port, 4), b"more", "the next arrival")
