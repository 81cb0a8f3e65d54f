"""register, with an interest: when a watched file is reported, as what, and when no longer."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    until,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.timing import expect_blocked
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, Completion, CompletionFlags, CompletionPort, Interest, Kind

READABLE, WRITABLE, ERROR, HANGUP = Interest.READABLE, Interest.WRITABLE, Interest.ERROR, Interest.HANGUP


@rule("register/21", needs=Capability.READINESS)
def test_ready_before(port: CompletionPort, sources: Sources) -> None:
    """A file that is ready when it is registered is reported by the next wait: its key, what it is ready for."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    port.register(mine, 0x21, READABLE)
    done = wait_one(port)
    expect_completion(done, key=0x21, kind=Kind.READY, result=int(READABLE), token=None, error=None, value=None)
    expect(done.readiness is READABLE, "readiness READABLE", done.readiness)
    expect(done.flags == CompletionFlags.NONE, "no flags", done.flags)
    expect(port.in_flight == 0, "in_flight 0: a registration is no operation", port.in_flight)


@rule("register/22", needs=Capability.READINESS)
def test_ready_later(port: CompletionPort, sources: Sources) -> None:
    """A file that becomes ready while a thread is blocked in wait ends that wait, by object and by number."""
    for by_number in (False, True):
        mine, peer = sources.tcp()
        port.register(mine.fileno() if by_number else mine, 22, READABLE)
        waiter = background(port.wait, 1, None)
        expect_blocked(waiter)
        peer.send(b"x")
        expect_completion(waiter.result()[0], key=22, kind=Kind.READY, result=int(READABLE))
        port.unregister(mine)


@rule("register/23", needs=Capability.READINESS)
def test_level_triggered(port: CompletionPort, sources: Sources) -> None:
    """As long as a file is ready each wait reports it, exactly once, and no wait does when it no longer is."""
    mine, peer = sources.tcp()
    port.register(mine, 23, READABLE)
    for _ in range(2):
        peer.send(b"xy")
        for count in (2, 1):
            for _ in range(3):
                expect_completion(wait_one(port), key=23, result=int(READABLE))
                expect_completion(wait_one(port, 0), key=23)
            expect(len(mine.recv(1)) == 1, f"{count} bytes left to read", "none")
        expect_nothing(port, 0.01)


@rule("register/24", needs=Capability.READINESS)
def test_merged(port: CompletionPort, sources: Sources) -> None:
    """What a file is ready for comes in one completion, and only what was asked for or has gone wrong."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    port.register(mine, 24, READABLE | WRITABLE)
    until(lambda: wait_one(port).readiness == READABLE | WRITABLE, what="READABLE and WRITABLE in one completion")
    for interest in (WRITABLE, READABLE):
        port.modify(mine, interest=interest)
        expect_completion(wait_one(port), key=24, result=int(interest))


@rule("register/25", needs=Capability.READINESS)
def test_oneshot(port: CompletionPort, sources: Sources) -> None:
    """With oneshot a file is reported once, whatever comes after, until modify arms it again."""
    mine, peer = sources.tcp()
    port.register(mine, 25, READABLE, oneshot=True)
    peer.send(b"x")
    expect_completion(wait_one(port), key=25, result=int(READABLE))
    peer.send(b"y")
    expect_nothing(port, 0.01)
    port.modify(mine)
    expect_completion(wait_one(port), key=25, result=int(READABLE))
    expect(mine.recv(9) == b"xy", "both bytes to read", "others")
    port.modify(mine)
    expect_nothing(port, 0.01)
    peer.send(b"z")
    expect_completion(wait_one(port), key=25)
    mine.recv(1)
    peer.close()
    expect_nothing(port, 0.01)


@rule("register/26", needs=Capability.READINESS)
def test_modify_oneshot(port: CompletionPort, sources: Sources) -> None:
    """modify turns oneshot on and off; what it is not given, key and interest, stays."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    port.register(mine, 26, READABLE)
    expect_completion(wait_one(port), key=26)
    port.modify(mine, oneshot=True)
    expect_completion(wait_one(port), key=26, result=int(READABLE))
    expect_nothing(port, 0.01)
    port.modify(mine, key=27)
    expect_completion(wait_one(port), key=27, result=int(READABLE))
    expect_nothing(port, 0.01)
    port.modify(mine, oneshot=False)
    for _ in range(3):
        expect_completion(wait_one(port), key=27, result=int(READABLE))


@rule("register/27", needs=Capability.READINESS)
def test_modify_interest(port: CompletionPort, sources: Sources) -> None:
    """modify replaces the interest at once: what was asked for before is not reported any more."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    port.register(mine, 27, READABLE)
    expect_completion(wait_one(port), result=int(READABLE))
    port.modify(mine, interest=WRITABLE)
    for _ in range(2):
        expect_completion(wait_one(port), key=27, result=int(WRITABLE))
    port.modify(mine, interest=Interest.NONE)
    expect_nothing(port, 0.01)
    port.modify(mine, key=28)
    expect_nothing(port, 0.01)
    port.modify(mine, interest=READABLE)
    expect_completion(wait_one(port), key=28, result=int(READABLE))


@rule("register/28")
def test_none_watches_nothing(port: CompletionPort, sources: Sources) -> None:
    """Interest.NONE, which is the default, watches nothing: neither data nor the peer's close nor its reset."""
    for ending in ("close", "shutdown", "reset"):
        mine, peer = sources.tcp()
        port.register(mine, 28)
        peer.send(b"x")
        expect_nothing(port, 0)
        if ending == "reset":
            sources.reset(peer)
        elif ending == "close":
            peer.close()
        else:
            peer.shutdown(socket.SHUT_RDWR)
        expect_nothing(port, 0.005)


@rule("register/29", needs=Capability.READINESS)
def test_writable(port: CompletionPort, sources: Sources) -> None:
    """A socket is WRITABLE while it has room: not when its buffers are full, and again when the peer has read."""
    mine, peer = sources.stream()
    port.register(mine, 29, WRITABLE)
    expect_completion(wait_one(port), key=29, result=int(WRITABLE))
    mine.setblocking(False)
    sent = _fill(mine)
    expect_nothing(port, 0.01)
    while sent:
        sent -= len(peer.recv(min(sent, 1 << 16)))
    expect_completion(wait_one(port), key=29, result=int(WRITABLE))


def _fill(sock: socket.socket) -> int:
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(1 << 16))
    except BlockingIOError:
        return sent


@rule("register/30", needs=Capability.READINESS)
def test_end_of_stream(port: CompletionPort, sources: Sources) -> None:
    """The end of a stream is READABLE, with or without HANGUP, in each wait; the recv that follows gives nothing."""
    for ending in ("close", "shutdown"):
        mine, peer = sources.tcp()
        port.register(mine, 30, READABLE)
        if ending == "close":
            peer.close()
        else:
            peer.shutdown(socket.SHUT_WR)
        for _ in range(2):
            ready = expect_completion(wait_one(port), key=30).readiness
            expect(READABLE in ready and not ready & WRITABLE, "READABLE", ready)
            expect(mine.recv(1) == b"", "the end of the stream", "data")
        port.unregister(mine)


@rule("register/31", needs=Capability.READINESS)
def test_reset(port: CompletionPort, sources: Sources) -> None:
    """A reset is reported, by READABLE, ERROR or HANGUP, whether it came before the file was registered or after."""
    for before in (True, False):
        mine, peer = sources.tcp()
        if before:
            sources.reset(peer)
        port.register(mine, 31, READABLE)
        if not before:
            sources.reset(peer)
        ready = expect_completion(wait_one(port), key=31, kind=Kind.READY).readiness
        expect(ready & (READABLE | ERROR | HANGUP), "READABLE, ERROR or HANGUP", ready)
        with raises(ConnectionResetError):
            mine.recv(1)
        port.unregister(mine)


@rule("register/32", needs=Capability.READINESS)
def test_listener(port: CompletionPort, sources: Sources) -> None:
    """A listening socket is READABLE while a connection waits to be accepted."""
    listener = sources.listener()
    port.register(listener, 32, READABLE)
    expect_nothing(port, 0)
    sources.client(listener)
    for _ in range(2):
        expect_completion(wait_one(port), key=32, result=int(READABLE))
    sources.keep(listener.accept()[0])
    expect_nothing(port, 0.01)


@rule("register/33", needs=Capability.READINESS)
def test_connecting(port: CompletionPort, sources: Sources) -> None:
    """A connecting socket is reported as WRITABLE when it is connected, as WRITABLE or ERROR when it is refused."""
    listener = sources.listener()
    nobody = sources.listener()
    refusing = nobody.getsockname()
    nobody.close()
    for address, expected in ((listener.getsockname(), 0), (refusing, errno.ECONNREFUSED)):
        sock = sources.keep(socket.socket())
        sock.setblocking(False)
        sock.connect_ex(address)
        port.register(sock, 33, WRITABLE)
        ready = expect_completion(wait_one(port), key=33, kind=Kind.READY).readiness
        expect(ready & (WRITABLE | (ERROR if expected else Interest.NONE)), "WRITABLE, or ERROR if refused", ready)
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        expect(found == expected, f"SO_ERROR {expected}", found)
        port.unregister(sock)


@rule("register/34", needs=Capability.READINESS)
def test_datagrams(port: CompletionPort, sources: Sources) -> None:
    """A datagram socket is READABLE while a datagram waits, one of length zero included."""
    mine, peer = sources.udp()
    port.register(mine, 34, READABLE)
    expect_nothing(port, 0)
    for data in (b"data", b""):
        peer.send(data)
        for _ in range(2):
            expect_completion(wait_one(port), key=34, result=int(READABLE))
        expect(mine.recv(9) == data, f"{data!r}", "another datagram")
        expect_nothing(port, 0.005)


@rule("register/35", needs=Capability.READINESS)
def test_pipes(port: CompletionPort, sources: Sources) -> None:
    """Pipes can be watched: data is READABLE, room is WRITABLE, and the loss of the other end is reported."""
    if sys.platform == "win32":
        host_lacks("only sockets can be watched on Windows", fix="judge this rule on a POSIX system")
    reading, writing = sources.pipe()
    port.register(reading, 1, READABLE)
    port.register(writing, 2, WRITABLE)
    expect_completion(wait_one(port), key=2, result=int(WRITABLE))
    port.modify(writing, interest=Interest.NONE)
    os.write(writing, b"x")
    expect_completion(wait_one(port), key=1, result=int(READABLE))
    os.read(reading, 1)
    expect_nothing(port, 0)
    port.unregister(writing)
    os.close(writing)
    ready = expect_completion(wait_one(port), key=1).readiness
    expect(ready & (READABLE | HANGUP), "READABLE or HANGUP", ready)
    expect(os.read(reading, 1) == b"", "the end of the pipe", "data")
    port.unregister(reading)
    reading, writing = sources.pipe()
    port.register(writing, 3, WRITABLE)
    os.close(reading)
    ready = expect_completion(wait_one(port), key=3).readiness
    expect(ready & (ERROR | HANGUP), "ERROR or HANGUP at a writing end that nobody reads", ready)


@rule("register/36", needs=Capability.READINESS)
def test_unregister_is_a_barrier(port: CompletionPort, sources: Sources) -> None:
    """After unregister no wait reports the file: not with new data, and not a report that was already waiting."""
    pairs = [sources.tcp() for _ in range(6)]
    for key, (mine, peer) in enumerate(pairs):
        port.register(mine, key, READABLE)
        peer.send(b"x")
    reported = wait_for(port, 1)[0].key
    for mine, _ in pairs:
        port.unregister(mine)
    expect_nothing(port, 0.01)
    for _, peer in pairs:
        peer.send(b"y")
    expect_nothing(port, 0.01)
    port.register(pairs[reported][0], 99, READABLE)
    expect_completion(wait_one(port), key=99)


@rule("register/37", needs=Capability.READINESS)
def test_barrier_against_a_waiter(port: CompletionPort, sources: Sources) -> None:
    """unregister by another thread, while one waits, keeps a later readiness from ending that wait."""
    mine, peer = sources.tcp()
    for _ in range(10):
        port.register(mine, 37, READABLE)
        waiter = background(port.wait, 8, None)
        port.unregister(mine)
        peer.send(b"x")
        expect_blocked(waiter, 0.003)
        port.post(1)
        expect([done.kind for done in waiter.result()] == [Kind.POSTED], "the post alone", waiter.result())
        mine.recv(1)


@rule("register/38", needs=Capability.READINESS)
def test_changes_reach_a_waiter(port: CompletionPort, sources: Sources) -> None:
    """register and modify by another thread take effect while a thread is blocked in wait."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    waiter = background(port.wait, 1, None)
    expect_blocked(waiter)
    port.register(mine, 1)
    expect_blocked(waiter, 0.005)
    port.modify(mine, key=38, interest=READABLE)
    expect_completion(waiter.result()[0], key=38, result=int(READABLE))
    port.unregister(mine)
    waiter = background(port.wait, 1, None)
    expect_blocked(waiter)
    port.register(mine, 39, READABLE)
    expect_completion(waiter.result()[0], key=39)


@rule("register/39", needs=Capability.READINESS)
def test_two_ports(port: CompletionPort, open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """Two ports can watch one file: each reports it by its own key, and neither notices the other's unregister."""
    mine, peer = sources.tcp()
    other = open_port()
    port.register(mine, 1, READABLE)
    other.register(mine, 2, READABLE)
    peer.send(b"x")
    expect_completion(wait_one(port), key=1)
    expect_completion(wait_one(other), key=2)
    port.unregister(mine)
    expect_completion(wait_one(other), key=2)
    expect_nothing(port, 0.005)


@rule("register/40", needs=Capability.READINESS)
def test_every_ready_file_is_served(port: CompletionPort, sources: Sources) -> None:
    """With more ready files than a wait takes, every one is served again and again, and none twice in one wait."""
    count = 20
    for key in range(count):
        mine, peer = sources.stream()
        port.register(mine, key, READABLE)
        peer.send(b"x")
    served = dict.fromkeys(range(count), 0)
    for _ in range(count):
        batch = [done.key for done in wait_for_some(port, 4)]
        expect(len(set(batch)) == len(batch), "no file twice in one wait", batch)
        for key in batch:
            served[key] += 1
    expect(min(served.values()) >= 1, f"each of {count} files at least once in {count} waits of 4", served)


def wait_for_some(port: CompletionPort, most: int) -> list[Completion]:
    done = port.wait(most, 5)
    expect(1 <= len(done) <= most, f"1 to {most} completions", done)
    return done
