"""register, with an interest: reports that wait in the port while something changes, and files hard to watch."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from compl_conformance.expect import expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import Level, rule
from compl_conformance.scenarios.far_end import fill
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Interest, Kind

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE


def one_reported(port: CompletionPort, sources: Sources, count: int = 4) -> list[tuple[socket.socket, socket.socket]]:
    """Files 0, 1, 2 ... that are all readable, of which one was reported; that one is unregistered and left out."""
    pairs = [sources.tcp() for _ in range(count)]
    for key, (mine, peer) in enumerate(pairs):
        port.register(mine, key, READABLE)
        peer.send(b"x")
    reported = wait_for(port, 1)[0].key
    port.unregister(pairs.pop(reported)[0])
    return pairs


@rule("register/50", needs=Capability.READINESS)
def test_modify_is_a_barrier(port: CompletionPort, sources: Sources) -> None:
    """modify takes effect at once for a report that waits in the port already: the new key, or none."""
    silent, renamed, _ = one_reported(port, sources)
    port.modify(silent[0], interest=Interest.NONE)
    port.modify(renamed[0], key=99)
    keys = {done.key for _ in range(3) for done in port.wait(8, 1)}
    expect(len(keys) == 2 and 99 in keys, "key 99 and that of the file left alone", keys)


@rule("register/51", needs=Capability.READINESS)
def test_registered_again(port: CompletionPort, sources: Sources) -> None:
    """A file unregistered and registered again, while a report of it waits, is reported by the new key alone."""
    pairs = one_reported(port, sources)
    for mine, _ in pairs:
        port.unregister(mine)
        port.register(mine, 99, READABLE)
    for _ in range(3):
        found = port.wait(8, 1)
        expect(found and {done.key for done in found} == {99}, "key 99 alone", found)


@rule("register/52", needs=Capability.READINESS, level=Level.SHOULD)
def test_drained_meanwhile(port: CompletionPort, sources: Sources) -> None:
    """A file that is no longer ready is not reported, although it was when an earlier wait had no room for it."""
    for mine, _ in one_reported(port, sources):
        mine.recv(1)
    expect_nothing(port, 0.005)


@rule("register/53", needs=Capability.READINESS)
def test_closed_while_registered(port: CompletionPort, sources: Sources) -> None:
    """modify and unregister of a registered file that was closed meanwhile raise OSError with EBADF."""
    for interest in (Interest.NONE, READABLE):
        mine, _peer = sources.stream()
        number = mine.fileno()
        port.register(mine, 53, interest)
        mine.close()
        for file in (mine, number):
            with raises(OSError, errno=errno.EBADF):
                port.modify(file, key=54)
            with raises(OSError, errno=errno.EBADF):
                port.unregister(file)
    expect_nothing(port, 0.005)


@rule("register/54", needs=Capability.READINESS)
def test_end_of_stream_for_a_writer(port: CompletionPort, sources: Sources) -> None:
    """That the peer sends no more is not reported to whoever watches for WRITABLE alone and has no room to write."""
    mine, peer = sources.stream()
    left = fill(mine)
    port.register(mine, 54, WRITABLE)
    peer.shutdown(socket.SHUT_WR)
    expect_nothing(port, 0.01)
    while left:
        left -= len(peer.recv(1 << 20))
    done = expect_completion(wait_one(port), key=54)
    expect(WRITABLE in done.readiness and not done.readiness & READABLE, "WRITABLE", done.readiness)


@rule("register/55", needs=Capability.READINESS)
def test_terminals_and_queues(port: CompletionPort, tmp_path: Path) -> None:
    """Terminals and named pipes, which the kernel watches by two queues each, are watched and polled like sockets."""
    if sys.platform == "win32":
        host_lacks("only sockets can be watched on Windows", fix="judge this rule on a POSIX system")
    named = tmp_path / "pipe"
    os.mkfifo(named)
    queue = os.open(named, os.O_RDWR | os.O_NONBLOCK)
    master, terminal = os.openpty()
    try:
        for key, reading, writing in ((1, master, terminal), (2, terminal, master), (3, queue, queue)):
            port.register(reading, key, READABLE)
            port.poll(reading, READABLE)
            expect_nothing(port, 0.002)
            os.write(writing, b"x\n")
            kinds = {done.kind for _ in range(2) for done in port.wait(8, 1)}
            expect(kinds == {Kind.READY, Kind.POLL}, "the READY and the POLL", kinds)
            os.read(reading, 9)
            expect_nothing(port, 0.002)
            port.unregister(reading)
    finally:
        for number in (queue, terminal, master):
            os.close(number)
