"""wait, from outside: fileno() as something that another selector watches."""

from __future__ import annotations

import sys
from collections.abc import Callable

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.timing import expect_blocked
from compl_conformance.scenarios.watching import expect_quiet, expect_readable, is_readable
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Interest, Kind


@rule("wait/31", needs=Capability.POLLABLE)
def test_fileno_by_posts(port: CompletionPort) -> None:
    """fileno() is readable while there is something to return, and no more when a wait of 0 s has found nothing."""
    expect(port.fileno() == port.fileno() >= 0, "the same number each time", port.fileno())
    expect_quiet(port)
    for _ in range(3):
        port.post(1)
        port.post(2)
        expect_readable(port, "a post")
        port.wait(1, 0)
        expect_readable(port, "the post that one wait left")
        port.wait(1, 0)
        expect_quiet(port)


@rule("wait/32", needs=Capability.POLLABLE)
def test_fileno_by_operations(port: CompletionPort) -> None:
    """fileno() is readable when an operation has completed, a nop's included."""
    port.nop()
    port.flush()
    expect_readable(port, "a nop")
    expect_completion(wait_one(port, 0), kind=Kind.NOP)
    expect_quiet(port)


@rule("wait/33", needs=Capability.POLLABLE | Capability.TIMEOUT)
def test_fileno_by_timeouts(port: CompletionPort) -> None:
    """fileno() becomes readable when a timeout is over, although no thread is in wait."""
    port.timeout(0.02, "over")
    port.flush()
    expect_readable(port, "a timeout of 20 ms")
    expect_completion(wait_one(port), kind=Kind.TIMEOUT, token="over")
    expect_quiet(port)


@rule("wait/34", needs=Capability.POLLABLE | Capability.READINESS)
def test_fileno_by_files(port: CompletionPort, sources: Sources) -> None:
    """fileno() becomes readable when a registered file is ready, and stays so as long as the file is."""
    mine, peer = sources.tcp()
    port.register(mine, 5, Interest.READABLE)
    expect_quiet(port)
    peer.send(b"x")
    for _ in range(3):
        expect_readable(port, "data that nobody has read")
        expect_completion(wait_one(port), key=5, kind=Kind.READY)
    mine.recv(1)
    expect_quiet(port)
    peer.send(b"y")
    expect_readable(port, "new data")


@rule("wait/35", needs=Capability.POLLABLE | Capability.SOCKET_IO)
def test_fileno_by_sockets(port: CompletionPort, sources: Sources) -> None:
    """fileno() becomes readable when a socket operation that had to wait has completed."""
    mine, peer = sources.tcp()
    buffer = bytearray(4)
    port.recv(mine, buffer)
    port.flush()
    expect_quiet(port)
    peer.send(b"data")
    expect_readable(port, "the data that a recv waits for")
    expect_completion(wait_one(port), kind=Kind.RECV, result=4)
    expect_quiet(port)


@rule("wait/36", needs=Capability.POLLABLE)
def test_fileno_wakes_the_watcher(port: CompletionPort) -> None:
    """A post of another thread wakes whoever watches fileno()."""
    watcher = background(is_readable, port, 30)
    expect_blocked(watcher)
    port.post(1)
    expect(watcher.result(), "the watcher to be woken", "it timed out")


@rule("wait/37", needs=Capability.POLLABLE | Capability.READINESS)
def test_port_watched_by_a_port(port: CompletionPort, open_port: Callable[[], CompletionPort]) -> None:
    """One port can watch another: it is READABLE as long as the other has something to return."""
    if sys.platform == "win32":
        host_lacks("only sockets can be watched here, and a port is none", fix="judge this rule on a POSIX system")
    inner = open_port()
    port.register(inner.fileno(), 0x1, Interest.READABLE)
    expect_nothing(port, 0)
    inner.post(2)
    for _ in range(2):
        done = expect_completion(wait_one(port), key=0x1, kind=Kind.READY)
        expect(Interest.READABLE in done.readiness, "READABLE", done.readiness)
    wait_one(inner, 0)
    expect_nothing(inner, 0)
    expect_nothing(port, 0.01)
    port.unregister(inner.fileno())
