"""Rules of the area *socket*: connecting."""

from __future__ import annotations

import errno
import socket

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
from compl_conformance.rule import Level, rule
from compl_conformance.scenarios.far_end import (
    ipv6_or_host_lacks,
    receive,
    refusing_address,
    silent_listener,
    unix_path,
    unix_socket,
)
from compl_conformance.scenarios.payload import expect_bytes
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Connect, Kind

SOCKET_IO = Capability.SOCKET_IO


@rule("socket/50", needs=SOCKET_IO)
def test_connect(port: CompletionPort, sources: Sources) -> None:
    """connect completes with result 0 under the socket's key, and the socket is connected in every respect."""
    listener = sources.listener()
    listener.settimeout(patience())
    sock = sources.keep(socket.socket())
    port.register(sock, 0x5A)
    token = object()
    port.connect(sock, listener.getsockname(), token)
    done = wait_one(port)
    expect_completion(done, key=0x5A, result=0, token=token, kind=Kind.CONNECT, error=None, eof=False, more=False)
    expect(sock.getpeername() == listener.getsockname(), "getpeername() to be the listener", sock.getpeername())
    server = sources.keep(listener.accept()[0])
    expect(server.getpeername() == sock.getsockname(), "its own address at the server", server.getpeername())
    port.send(sock, b"abc")
    expect_completion(wait_one(port), result=3, error=None)
    expect_bytes(receive(server, 3), b"abc", "the server")
    sock.shutdown(socket.SHUT_WR)
    expect_bytes(server.recv(1), b"", "the server, at the end of the stream,")


@rule("socket/51", needs=SOCKET_IO)
def test_connect_in_every_mode(port: CompletionPort, sources: Sources) -> None:
    """Blocking, non-blocking, timed, bound and unbound sockets connect alike, and keep their mode."""
    listener = sources.listener()
    for mode in (None, 0.0, 2.5):
        for bound in (False, True):
            sock = sources.keep(socket.socket())
            sock.settimeout(mode)
            if bound:
                sock.bind(("127.0.0.1", 0))
            background(port.connect, sock, listener.getsockname(), mode).result()
            expect_completion(wait_one(port), result=0, error=None, token=mode)
            expect(sock.gettimeout() == mode, f"the socket's timeout to stay {mode}", sock.gettimeout())
            expect(sock.getpeername() == listener.getsockname(), "the listener as its peer", sock.getpeername())


@rule("socket/52", needs=SOCKET_IO)
def test_connect_refused(port: CompletionPort, sources: Sources) -> None:
    """A connection that is refused completes with ConnectionRefusedError, and again for the next socket."""
    address = refusing_address(sources)
    for mode in (None, 0.0):
        sock = sources.keep(socket.socket())
        sock.settimeout(mode)
        port.connect(sock, address)
        done = expect_completion(wait_one(port), kind=Kind.CONNECT, error=errno.ECONNREFUSED)
        expect(type(done.error) is ConnectionRefusedError, "a ConnectionRefusedError", done.error)


@rule("socket/53", needs=SOCKET_IO)
def test_connect_twice(port: CompletionPort, sources: Sources) -> None:
    """A connect on a connected socket completes with EISCONN and leaves the connection as it is."""
    listener = sources.listener()
    sock = sources.client(listener)
    port.connect(sock, listener.getsockname())
    expect_completion(wait_one(port), kind=Kind.CONNECT, error=errno.EISCONN)
    expect(sock.getpeername() == listener.getsockname(), "the connection to go on", sock.getpeername())


@rule("socket/54", needs=SOCKET_IO)
def test_connect_pends(port: CompletionPort, sources: Sources) -> None:
    """A connect that gets no answer returns to the caller at once and stays in flight, without an error."""
    listener = silent_listener(sources)
    sock = sources.keep(socket.socket())
    background(port.connect, sock, listener.getsockname(), "connect").result()
    expect_nothing(port)
    expect(port.in_flight == 1, "one operation in flight", port.in_flight)


@rule("socket/55", needs=SOCKET_IO)
def test_connect_while_connecting(port: CompletionPort, sources: Sources) -> None:
    """A second connect on a socket that is connecting completes with EALREADY or waits its turn; the first goes on
    either way.
    """
    listener = silent_listener(sources)
    sock = sources.keep(socket.socket())
    port.connect(sock, listener.getsockname(), "first")
    expect_nothing(port, 0.01)
    port.connect(sock, listener.getsockname(), "second")
    done = port.wait(timeout=0.05)
    for one in done:
        expect_completion(one, token="second", kind=Kind.CONNECT, error=errno.EALREADY)
    expect(port.in_flight == 2 - len(done), "the first connect still in flight", port.in_flight)


@rule("socket/56", needs=SOCKET_IO)
def test_host_names(port: CompletionPort, sources: Sources) -> None:
    """A host name in an address raises ValueError at the call, because resolving it would block."""
    sock = sources.keep(socket.socket())
    for name in ("localhost", "example.invalid"):
        with raises(ValueError):
            port.connect(sock, (name, 80))
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("socket/57", needs=SOCKET_IO)
def test_malformed_addresses(port: CompletionPort, sources: Sources) -> None:
    """A malformed address raises TypeError, ValueError or OverflowError at the call, as socket.connect() does."""
    sock = sources.keep(socket.socket())
    malformed = (
        None,
        80,
        (),
        ("127.0.0.1",),
        ("127.0.0.1", "80"),
        ("127.0.0.1", None),
        ("127.0.0.1", 70000),
        ("127.0.0.1", -1),
        (None, 80),
        ("127.0.0.1", 80, 0, 0, 0),
        ("127.0.0.1.5.6", 80),
        ("::1", 80),
    )
    for address in malformed:
        try:
            port.connect(sock, address)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            continue
        expect(False, f"TypeError, ValueError or OverflowError for {address!r}", "no exception")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_nothing(port, 0)


@rule("socket/58", needs=SOCKET_IO)
def test_connect_ipv6(port: CompletionPort, sources: Sources) -> None:
    """IPv6 addresses may have two, three or four parts, as socket.connect() takes them."""
    ipv6_or_host_lacks()
    listener = sources.keep(socket.socket(socket.AF_INET6))
    listener.bind(("::1", 0))
    listener.listen()
    address = listener.getsockname()
    for length in (2, 3, 4):
        sock = sources.keep(socket.socket(socket.AF_INET6))
        port.connect(sock, address[:length])
        expect_completion(wait_one(port), result=0, error=None)
        expect(sock.getpeername() == address, f"the peer {address}", sock.getpeername())


@rule("socket/59", needs=SOCKET_IO)
def test_connect_unix(port: CompletionPort, sources: Sources) -> None:
    """An AF_UNIX socket connects to a path, given as str or bytes; one that is not there completes with
    FileNotFoundError.
    """
    path = unix_path(sources)
    listener = unix_socket(sources)
    listener.bind(path)
    listener.listen()
    listener.settimeout(patience())
    for address in (path, path.encode()):
        sock = unix_socket(sources)
        port.connect(sock, address)
        expect_completion(wait_one(port), result=0, kind=Kind.CONNECT, error=None)
        server = sources.keep(listener.accept()[0])
        server.sendall(b"abc")
        expect_bytes(receive(sock, 3), b"abc", "the connected socket")
    port.connect(unix_socket(sources), path + ".none")
    done = expect_completion(wait_one(port), error=errno.ENOENT)
    expect(type(done.error) is FileNotFoundError, "a FileNotFoundError", done.error)


@rule("socket/60", needs=SOCKET_IO, level=Level.SHOULD)
def test_connect_unix_full(port: CompletionPort, sources: Sources) -> None:
    """A connect to an AF_UNIX listener whose backlog is full pends until there is room.

    Linux answers a non-blocking connect with EAGAIN there, which is not an answer that a completion may give.
    """
    path = unix_path(sources)
    listener = unix_socket(sources)
    listener.bind(path)
    listener.listen(0)
    listener.settimeout(patience())
    for _ in range(8):
        filler = unix_socket(sources)
        filler.setblocking(False)
        try:
            filler.connect(path)
        except BlockingIOError:
            break
        except OSError as error:
            host_lacks(f"a full AF_UNIX backlog refuses at once here: {error}", fix="run the rule on Linux")
    sock = unix_socket(sources)
    background(port.connect, sock, path, "connect").result()
    expect_nothing(port, 0.02)
    sources.keep(listener.accept()[0])
    expect_completion(wait_one(port), token="connect", result=0, error=None)


@rule("socket/61", needs=SOCKET_IO)
def test_connect_fails_as_the_system_says(port: CompletionPort, sources: Sources) -> None:
    """Whatever error the system has for an address is the completion's error."""
    for address in (("255.255.255.255", 9), ("127.0.0.1", 0), ("0.0.0.1", 9)):
        plain = sources.keep(socket.socket())
        plain.settimeout(2)
        wanted = plain.connect_ex(address)
        if wanted in (0, errno.EAGAIN, errno.ETIMEDOUT):
            continue
        sock = sources.keep(socket.socket())
        port.connect(sock, address, address)
        expect_completion(wait_one(port), token=address, kind=Kind.CONNECT, error=wanted)


@rule("socket/62", needs=SOCKET_IO)
def test_connect_then_use(port: CompletionPort, sources: Sources) -> None:
    """Many connects may be in flight to one accepting port, and both sides complete once for each connection."""
    listener = sources.listener()
    clients = [sources.keep(socket.socket()) for _ in range(40)]
    for index, sock in enumerate(clients):
        port.accept(listener, "accept")
        port.connect(sock, listener.getsockname(), index)
    done = wait_for(port, 80)
    for one in done:
        expect_completion(one, result=0, error=None)
    peers = {sources.keep(one.value).getpeername() for one in done if one.kind is Kind.ACCEPT}
    expect(peers == {sock.getsockname() for sock in clients}, "each client accepted once", len(peers))
    connected = sorted(one.token for one in done if one.kind is Kind.CONNECT)  # type: ignore[type-var]
    expect(connected == list(range(40)), "each connect to complete once", connected)


@rule("socket/63", needs=SOCKET_IO)
def test_submit_connect(port: CompletionPort, sources: Sources) -> None:
    """submit() of a Connect does what connect does with the same arguments."""
    listener = sources.listener()
    sock = sources.keep(socket.socket())
    token = object()
    port.submit(Connect(sock, listener.getsockname()), token=token)
    expect_completion(wait_one(port), result=0, token=token, kind=Kind.CONNECT, error=None)
    expect(sock.getpeername() == listener.getsockname(), "the listener as its peer", sock.getpeername())
    with raises(ValueError):
        port.submit(Connect(sources.keep(socket.socket()), ("localhost", 80)))
