"""Rules of the area *pooled*: datagrams, each of which is one arrival."""

from __future__ import annotations

import errno
import sys

from compl_conformance.expect import expect, expect_nothing, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.pooling import arrival, expect_available, expect_over, taken
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionFlags, CompletionPort

POOLED = Capability.POOLED | Capability.SOCKET_IO


@rule("pooled/32", needs=POOLED)
def test_datagrams(port: CompletionPort, sources: Sources) -> None:
    """Each datagram is one arrival: several that wait are neither joined nor split, and come in order."""
    pool = port.buffer_pool(3, 512)
    mine, peer = sources.udp()
    sizes = (5, 512, 1, 100, 7, 7, 300, 511)
    for index, size in enumerate(sizes):
        peer.send(pattern(size, index))
    port.recv(mine, token="pooled", pool=pool)
    for index, size in enumerate(sizes):
        done = wait_for(port, 1)[0]
        expect(not done.flags & CompletionFlags.TRUNCATED, "no TRUNCATED", done)
        expect_bytes(taken(done, token="pooled"), pattern(size, index), f"datagram {index}")
    expect_nothing(port, 0.01)


@rule("pooled/33", needs=POOLED)
def test_truncated(port: CompletionPort, sources: Sources) -> None:
    """A datagram that does not fit into a buffer is cut off and flagged TRUNCATED; the next one is whole."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.udp()
    port.recv(mine, pool=pool)
    for index, size in enumerate((17, 16, 200, 3)):
        peer.send(pattern(size, index))
        done = wait_one(port)
        truncated = bool(done.flags & CompletionFlags.TRUNCATED)
        expect(truncated == (size > 16), f"TRUNCATED {size > 16} of {size} bytes in a buffer of 16", done)
        expect_bytes(taken(done, result=min(size, 16)), pattern(size, index)[:16], f"datagram {index}")
    expect_nothing(port, 0.01)


@rule("pooled/34", needs=POOLED)
def test_empty_datagram(port: CompletionPort, sources: Sources) -> None:
    """A datagram of no bytes is an arrival too: result 0 with MORE, not eof, an empty view; and the receive goes on."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.udp()
    port.recv(mine, pool=pool)
    for _ in range(3):
        peer.send(b"")
        view = arrival(wait_one(port), result=0)
        expect((view.nbytes, view.format, view.readonly) == (0, "B", False), "an empty writable view", view)
        view.release()
        peer.send(b"more")
        expect_bytes(taken(wait_one(port)), b"more", "the datagram after it")
    expect_available(pool, 2, "in the end")


@rule("pooled/35", needs=POOLED)
def test_pending_error(port: CompletionPort, sources: Sources) -> None:
    """An error that the system has for a datagram socket is the last completion, and the next receive starts anew."""
    if sys.platform == "win32":
        host_lacks(
            "Windows reports an unreachable peer as a reset, or not at all", fix="run the rule on a POSIX system"
        )
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.udp()
    port.recv(mine, token="first", pool=pool)
    peer.close()
    mine.send(b"to nobody")
    expect_over(wait_one(port), error=errno.ECONNREFUSED, token="first")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    another = sources.udp_bound()
    mine.connect(another.getsockname())
    port.recv(mine, token="second", pool=pool)
    another.sendto(b"hello", mine.getsockname())
    expect_bytes(taken(wait_one(port), token="second"), b"hello", "the datagram from another peer")
