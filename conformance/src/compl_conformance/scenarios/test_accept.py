"""Rules of the area *socket*: accepting connections."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import os
import socket
import sys

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    patience,
    until,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import ipv6_or_host_lacks, receive, unix_path, unix_socket
from compl_conformance.scenarios.payload import expect_bytes
from compl_conformance.sources import Sources, host_lacks
from compl_core import Accept, Capability, Completion, CompletionPort, Kind

SOCKET_IO = Capability.SOCKET_IO
MULTISHOT = Capability.MULTISHOT | Capability.CANCEL | SOCKET_IO


def accepted(done: Completion, sources: Sources) -> socket.socket:
    """The connection of an accept that succeeded, closed at the end of the rule."""
    expect_completion(done, result=0, kind=Kind.ACCEPT, error=None, eof=False)
    expect(isinstance(done.value, socket.socket), "value to be a socket.socket", done)
    found: socket.socket = sources.keep(done.value)
    return found


@rule("socket/36", needs=SOCKET_IO)
def test_accept(port: CompletionPort, sources: Sources) -> None:
    """accept completes with result 0 under the listener's key, and its value is the connection as a socket.socket."""
    listener = sources.listener()
    port.register(listener, 0x57)
    client = sources.client(listener)
    token = object()
    port.accept(listener, token)
    done = expect_completion(wait_one(port), key=0x57, result=0, token=token, kind=Kind.ACCEPT, error=None, more=False)
    server = accepted(done, sources)
    expect(server.getpeername() == client.getsockname(), "the client as its peer", server.getpeername())
    expect(server.getsockname() == listener.getsockname(), "the listener's address", server.getsockname())
    kind = (server.family, server.type, server.proto)
    wanted = (client.family, client.type, client.proto)
    expect(kind[:2] == wanted[:2], f"family and type {wanted[:2]}", kind[:2])
    client.sendall(b"abc")
    expect_bytes(receive(server, 3), b"abc", "the accepted socket")
    server.sendall(b"xyz")
    expect_bytes(receive(client, 3), b"xyz", "the client")
    server.shutdown(socket.SHUT_WR)
    expect_bytes(client.recv(1), b"", "the client, at the end of the stream,")


@rule("socket/37", needs=SOCKET_IO)
def test_accept_pends(port: CompletionPort, sources: Sources) -> None:
    """An accept without a client returns to the caller at once, completes when one comes, whatever the listener's
    mode.
    """
    for mode in (None, 0.0, 2.5):
        listener = sources.listener()
        listener.settimeout(mode)
        background(port.accept, listener, "accept").result()
        expect_nothing(port, 0.01)
        client = sources.client(listener)
        done = expect_completion(wait_one(port), token="accept")
        expect(accepted(done, sources).getpeername() == client.getsockname(), "the client as its peer", done)
        expect(listener.gettimeout() == mode, f"the listener's timeout to stay {mode}", listener.gettimeout())


@rule("socket/38", needs=SOCKET_IO)
def test_accepted_mode(port: CompletionPort, sources: Sources) -> None:
    """An accepted socket has the mode of a new socket: blocking, or the default timeout, whatever the listener's
    mode.
    """
    listener = sources.listener()
    listener.setblocking(False)
    before = socket.getdefaulttimeout()
    try:
        for default in (None, 7.5):
            client = sources.client(listener)
            socket.setdefaulttimeout(default)
            port.accept(listener)
            server = accepted(wait_one(port), sources)
            expect(server.gettimeout() == default, f"timeout {default}", server.gettimeout())
            if default is None:
                client.sendall(b"abc")
                until(lambda server=server: server.recv(3, socket.MSG_PEEK))  # type: ignore[misc]
                if sys.platform != "win32":
                    expect(os.get_blocking(server.fileno()), "a descriptor in blocking mode", "non-blocking")
    finally:
        socket.setdefaulttimeout(before)


@rule("socket/39", needs=SOCKET_IO)
def test_accepted_is_not_inheritable(port: CompletionPort, sources: Sources) -> None:
    """An accepted socket is not inherited by child processes."""
    listener = sources.listener()
    sources.client(listener)
    port.accept(listener)
    server = accepted(wait_one(port), sources)
    expect(server.get_inheritable() is False, "get_inheritable() False", server.get_inheritable())


@rule("socket/40", needs=SOCKET_IO)
def test_accepted_goes_on(port: CompletionPort, sources: Sources) -> None:
    """An accepted socket can be registered with the port and used with it at once."""
    listener = sources.listener()
    client = sources.client(listener)
    port.accept(listener)
    server = accepted(wait_one(port), sources)
    port.register(server, 0x58)
    buffer = bytearray(4)
    port.recv(server, buffer)
    client.sendall(b"abc")
    expect_completion(wait_one(port), key=0x58, result=3, kind=Kind.RECV)
    port.send_all(server, buffer[:3])
    expect_completion(wait_one(port), key=0x58, result=3, kind=Kind.SEND)
    expect_bytes(receive(client, 3), b"abc", "the client")


@rule("socket/41", needs=SOCKET_IO)
def test_accepts_in_flight(port: CompletionPort, sources: Sources) -> None:
    """With several accepts in flight each takes one client, in the order of submission; a further client waits for
    the next.
    """
    listener = sources.listener()
    for index in range(3):
        port.accept(listener, index)
    expect_nothing(port, 0.01)
    clients = [sources.client(listener) for _ in range(3)]
    done = wait_for(port, 3)
    expect([one.token for one in done] == [0, 1, 2], "the order of submission", [one.token for one in done])
    peers = {accepted(one, sources).getpeername() for one in done}
    expect(peers == {client.getsockname() for client in clients}, "the three clients, each once", peers)
    fourth = sources.client(listener)
    expect_nothing(port, 0.02)
    port.accept(listener, "fourth")
    server = accepted(wait_one(port), sources)
    expect(server.getpeername() == fourth.getsockname(), "the fourth client", server.getpeername())


@rule("socket/42", needs=SOCKET_IO)
def test_accept_on_what_does_not_listen(port: CompletionPort, sources: Sources) -> None:
    """An accept on a socket that does not listen completes with EINVAL, or EOPNOTSUPP if its kind never could."""
    one, _other = sources.tcp()
    for sock in (one, sources.keep(socket.socket()), sources.udp_bound()):
        port.accept(sock)
        expect_completion(wait_one(port), kind=Kind.ACCEPT, error=(errno.EINVAL, errno.EOPNOTSUPP), value=None)


@rule("socket/43", needs=SOCKET_IO)
def test_reset_before_accept(port: CompletionPort, sources: Sources) -> None:
    """A client that resets before it is accepted does not fail the accept: it is skipped or accepted, and the next
    follows.
    """
    listener = sources.listener()
    for pending in (False, True):
        if pending:
            port.accept(listener)
        sources.reset(sources.client(listener))
        client = sources.client(listener)
        if not pending:
            port.accept(listener)
        server = accepted(wait_one(port), sources)
        if not _is_peer(server, client):  # the first was accepted, as a connection that fails
            port.accept(listener)
            server = accepted(wait_one(port), sources)
        expect(_is_peer(server, client), "the client that stayed", server)


def _is_peer(server: socket.socket, client: socket.socket) -> bool:
    try:
        return bool(server.getpeername() == client.getsockname())
    except OSError:
        return False


@rule("socket/44", needs=SOCKET_IO)
def test_no_descriptor_left(port: CompletionPort, sources: Sources) -> None:
    """An accept that finds no free descriptor completes with EMFILE; the client waits, the listener and the port go
    on.
    """
    if sys.platform == "win32":
        host_lacks("handles have no limit that a process can set here", fix="run the rule on a POSIX system")
    import resource

    listener = sources.listener()
    clients = [sources.keep(socket.socket()) for _ in range(2)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(listener.fileno())
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))  # every number below is taken
    try:
        clients[0].connect(listener.getsockname())
        for token in ("first", "again"):
            port.accept(listener, token)
            expect_completion(wait_one(port), token=token, error=errno.EMFILE, value=None)
        port.post(1, token="post")
        expect_completion(wait_one(port), token="post")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    clients[1].connect(listener.getsockname())
    port.accept(listener)
    port.accept(listener)
    peers = {accepted(done, sources).getpeername() for done in wait_for(port, 2)}
    expect(peers == {client.getsockname() for client in clients}, "both clients accepted afterwards", peers)


@rule("socket/45", needs=MULTISHOT, proves=Capability.MULTISHOT)
def test_multishot(port: CompletionPort, sources: Sources) -> None:
    """A multishot accept completes with MORE for each client, then once without, cancelled, and takes no client after
    that.
    """
    listener = sources.listener()
    port.register(listener, 0x59)
    token = object()
    operation = port.accept(listener, token, multishot=True)
    clients = [sources.client(listener) for _ in range(10)]
    done = wait_for(port, 10)
    clients += [sources.client(listener) for _ in range(10)]
    done += wait_for(port, 10)
    for one in done:
        expect_completion(one, key=0x59, token=token, more=True)
    peers = {accepted(one, sources).getpeername() for one in done}
    expect(peers == {client.getsockname() for client in clients}, "the 20 clients, each once", peers)
    expect(port.in_flight == 1, "one operation in flight", port.in_flight)
    expect_nothing(port, 0.01)
    expect(port.cancel(operation) is True, "cancel() to be True", False)
    last = expect_completion(wait_one(port), key=0x59, token=token, kind=Kind.ACCEPT, more=False, value=None)
    expect_completion(last, error=errno.ECANCELED)
    late = sources.client(listener)
    expect_nothing(port, 0.02)
    port.accept(listener)
    server = accepted(wait_one(port), sources)
    expect(server.getpeername() == late.getsockname(), "the late client for the next accept", server.getpeername())


@rule("socket/46", needs=SOCKET_IO)
def test_accept_ipv6(port: CompletionPort, sources: Sources) -> None:
    """IPv6 connections are accepted as IPv4 ones are."""
    ipv6_or_host_lacks()
    listener = sources.keep(socket.socket(socket.AF_INET6))
    listener.bind(("::1", 0))
    listener.listen()
    client = sources.client(listener)
    port.accept(listener)
    server = accepted(wait_one(port), sources)
    expect(server.family == socket.AF_INET6, "family AF_INET6", server.family)
    expect(server.getpeername() == client.getsockname(), "the client as its peer", server.getpeername())


@rule("socket/47", needs=SOCKET_IO)
def test_accept_unix(port: CompletionPort, sources: Sources) -> None:
    """AF_UNIX connections are accepted as TCP ones are."""
    path = unix_path(sources)
    listener = unix_socket(sources)
    listener.bind(path)
    listener.listen()
    port.accept(listener, "accept")
    expect_nothing(port, 0.01)
    client = sources.client(listener)
    server = accepted(expect_completion(wait_one(port), token="accept"), sources)
    expect(server.family == listener.family and server.getsockname() == path, f"AF_UNIX at {path}", server)
    client.sendall(b"abc")
    expect_bytes(receive(server, 3), b"abc", "the accepted socket")


@rule("socket/48", needs=SOCKET_IO)
def test_accept_by_number(port: CompletionPort, sources: Sources) -> None:
    """A listener given as a number gives whole sockets too, and submit() of an Accept does what accept does."""
    listener = sources.listener()
    clients = [sources.client(listener) for _ in range(2)]
    port.accept(listener.fileno(), "accept")
    first = accepted(expect_completion(wait_one(port), token="accept"), sources)
    port.submit(Accept(listener), token="submit")
    second = accepted(expect_completion(wait_one(port), token="submit", more=False), sources)
    wanted = [client.getsockname() for client in clients]
    found = [first.getpeername(), second.getpeername()]
    expect(found == wanted, f"the clients {wanted}", found)
    expect(first.family == listener.family and first.type == listener.type, "the listener's family and type", first)


@rule("socket/49", needs=SOCKET_IO)
def test_many_accepts(port: CompletionPort, sources: Sources) -> None:
    """Of many clients every one is accepted exactly once, however accepts and clients interleave."""
    listener = sources.listener()
    clients: list[socket.socket] = []
    peers = []
    for round_number in range(10):
        for _ in range(5):
            port.accept(listener)
        clients += [sources.client(listener) for _ in range(4 if round_number < 5 else 6)]
        for done in port.wait(64, patience(1)):
            peers.append(accepted(done, sources).getpeername())
    peers += [accepted(done, sources).getpeername() for done in wait_for(port, 50 - len(peers))]
    expect(len(set(peers)) == 50, "50 different clients accepted", len(set(peers)))
    expect(set(peers) == {client.getsockname() for client in clients}, "exactly the clients that connected", len(peers))
