"""Rules of the area *socket*: one accept for every connection to come."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import os
import socket
import sys

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, patience, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.timing import expect_blocked
from compl_conformance.sources import Sources, host_lacks
from compl_core import Accept, Capability, Completion, CompletionPort, Kind

MULTISHOT = Capability.MULTISHOT | Capability.SOCKET_IO
CANCELLABLE = MULTISHOT | Capability.CANCEL


def one_of_many(done: Completion, sources: Sources, token: object = None) -> socket.socket:
    """The connection of an accept that goes on, closed at the end of the rule."""
    expect_completion(done, kind=Kind.ACCEPT, result=0, error=None, more=True, token=token)
    expect(isinstance(done.value, socket.socket), "value to be a socket.socket", done)
    found: socket.socket = sources.keep(done.value)
    return found


@rule("socket/64", needs=MULTISHOT)
def test_burst(port: CompletionPort, sources: Sources) -> None:
    """Of a burst of clients a multishot accept gives each exactly once, in their order, however few a wait takes."""
    listener = sources.listener()
    port.accept(listener, "many", multishot=True)
    clients = [sources.client(listener) for _ in range(60)]
    peers: list[object] = []
    while len(peers) < 60:
        batch = port.wait(7, patience())
        expect(1 <= len(batch) <= 7, "1 to 7 completions", batch)
        peers += [one_of_many(done, sources, "many").getpeername() for done in batch]
    expect(peers == [client.getsockname() for client in clients], "the 60 clients in their order", peers)
    expect_nothing(port, 0.01)


@rule("socket/65", needs=MULTISHOT)
def test_many_listeners(port: CompletionPort, sources: Sources) -> None:
    """Multishot accepts on several listeners give their clients under their own keys and tokens."""
    listeners = [sources.listener() for _ in range(4)]
    for index, listener in enumerate(listeners):
        port.register(listener, 0x600 + index)
        port.accept(listener, listeners[index], multishot=True)
    for turn in range(12):
        listener = listeners[turn * 7 % 4]
        client = sources.client(listener)
        done = expect_completion(wait_one(port), key=0x600 + turn * 7 % 4)
        server = one_of_many(done, sources, listener)
        expect(server.getpeername() == client.getsockname(), "the client as its peer", server.getpeername())


@rule("socket/66", needs=MULTISHOT)
def test_accepted_by_many(port: CompletionPort, sources: Sources) -> None:
    """What a multishot accept gives is what a single one gives: a blocking, whole socket that is not inherited, and in
    nobody's way.
    """
    listener = sources.listener()
    listener.setblocking(False)
    port.accept(listener, multishot=True)
    for _ in range(3):
        client = sources.client(listener)
        server = one_of_many(wait_one(port), sources)
        kind = (server.family, server.type, server.gettimeout(), server.get_inheritable())
        expect(kind == (socket.AF_INET, socket.SOCK_STREAM, None, False), "a new socket's family, type and mode", kind)
        buffer = bytearray(4)
        port.recv(server, buffer, token="recv")
        client.sendall(b"ping")
        expect_completion(wait_one(port), token="recv", result=4)


@rule("socket/67", needs=CANCELLABLE)
def test_accepts_behind_many(port: CompletionPort, sources: Sources) -> None:
    """An accept that is submitted behind a multishot one gets no client until that has ended."""
    listener = sources.listener()
    operation = port.accept(listener, "many", multishot=True)
    port.accept(listener, "later")
    for _ in range(5):
        sources.client(listener)
        one_of_many(wait_one(port), sources, "many")
    port.cancel(operation)
    expect_completion(wait_one(port), token="many", error=errno.ECANCELED, more=False, value=None)
    client = sources.client(listener)
    done = expect_completion(wait_one(port), token="later", result=0, more=False)
    server = sources.keep(done.value)
    expect(server.getpeername() == client.getsockname(), "the client as its peer", server.getpeername())


@rule("socket/68", needs=MULTISHOT)
def test_reset_before_one_of_many(port: CompletionPort, sources: Sources) -> None:
    """A client that resets before it is accepted does not end a multishot accept, which gives the next one."""
    listener = sources.listener()
    for _ in range(3):
        sources.reset(sources.client(listener))
    port.accept(listener, multishot=True)
    for _ in range(2):
        sources.reset(sources.client(listener))
        client = sources.client(listener)
        while not _is_peer(one_of_many(wait_for(port, 1)[0], sources), client):
            pass  # the one that reset, accepted as a connection that fails
    expect(port.in_flight == 1, "the accept in flight", port.in_flight)


def _is_peer(server: socket.socket, client: socket.socket) -> bool:
    try:
        return bool(server.getpeername() == client.getsockname())
    except OSError:
        return False


@rule("socket/69", needs=MULTISHOT)
def test_many_and_no_descriptor(port: CompletionPort, sources: Sources) -> None:
    """A multishot accept that finds no free descriptor ends with EMFILE, without MORE; the client waits for the next
    accept.
    """
    if sys.platform == "win32":
        host_lacks("handles have no limit that a process can set here", fix="run the rule on a POSIX system")
    import resource

    listener = sources.listener()
    first, second = (sources.keep(socket.socket()) for _ in range(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(listener.fileno())
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))  # every number below but one is taken
    try:
        port.accept(listener, "many", multishot=True)
        first.connect(listener.getsockname())
        one_of_many(wait_for(port, 1)[0], sources, "many")
        second.connect(listener.getsockname())  # the end may be there before: looking for a client takes a number, too
        expect_completion(wait_one(port), token="many", error=errno.EMFILE, more=False, value=None)
        expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    port.accept(listener, "again", multishot=True)
    server = one_of_many(wait_one(port), sources, "again")
    expect(server.getpeername() == second.getsockname(), "the client that waited", server.getpeername())


@rule("socket/70", needs=MULTISHOT)
def test_many_on_what_does_not_listen(port: CompletionPort, sources: Sources) -> None:
    """A multishot accept on a socket that does not listen ends at once, as a single one does, without MORE."""
    one, _other = sources.tcp()
    for sock in (one, sources.udp_bound()):
        port.accept(sock, multishot=True)
        done = expect_completion(wait_one(port), kind=Kind.ACCEPT, more=False, value=None)
        expect_completion(done, error=(errno.EINVAL, errno.EOPNOTSUPP))
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_nothing(port, 0.01)


@rule("socket/71", needs=CANCELLABLE)
def test_submit_many(port: CompletionPort, sources: Sources) -> None:
    """submit() of a multishot Accept does what accept does, also on a listener given as a number; cancel_all counts it
    once.
    """
    listener = sources.listener()
    for file in (listener, listener.fileno()):
        port.submit(Accept(file, multishot=True), token="many")
        for _ in range(2):
            client = sources.client(listener)
            server = one_of_many(wait_one(port), sources, "many")
            expect(server.getpeername() == client.getsockname(), "the client as its peer", server.getpeername())
        expect(port.cancel_all(file) == 1, "cancel_all() to be 1", "another number")
        expect_completion(wait_one(port), token="many", error=errno.ECANCELED, more=False)


@rule("socket/72", needs=MULTISHOT | Capability.MULTI_WAITER)
def test_many_waiters(port: CompletionPort, sources: Sources) -> None:
    """With several threads in wait each client of a multishot accept goes to one of them, and wakes it."""
    listener = sources.listener()
    port.accept(listener, "many", multishot=True)
    clients = []
    peers = []
    for _ in range(5):
        waiting = [background(port.wait, 1, None) for _ in range(3)]
        for each in waiting:
            expect_blocked(each, 0.005)
        clients += [sources.client(listener).getsockname() for _ in range(3)]
        for each in waiting:
            (done,) = each.result()
            peers.append(one_of_many(done, sources, "many").getpeername())
    expect(sorted(peers) == sorted(clients), "the 15 clients, each once", peers)
