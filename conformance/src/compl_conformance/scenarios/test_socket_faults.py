"""Rules of the area *socket*: sockets that are none, or not connected, and signals that must not be raised."""

# mypy: disable-error-code="unreachable"
# host_lacks() ends a scenario on systems that lack what it needs; what follows is for the others.

from __future__ import annotations

import errno
import socket
import sys

from compl_conformance.expect import expect, expect_completion, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.processes import run_program
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, CompletionPort, Kind

SOCKET_IO = Capability.SOCKET_IO


@rule("socket/29", needs=SOCKET_IO)
def test_not_a_socket(port: CompletionPort, sources: Sources) -> None:
    """Socket operations on a file that is no socket complete with ENOTSOCK."""
    for file in (sources.file(b"0123"), sources.pipe()[0]):
        port.recv(file, bytearray(4), token=Kind.RECV)
        port.send(file, b"abc", token=Kind.SEND)
        port.recv_exactly(file, bytearray(4), Kind.RECV)
        port.send_all(file, b"abc", Kind.SEND)
        port.accept(file, Kind.ACCEPT)
        port.connect(file, ("127.0.0.1", 9), Kind.CONNECT)
        for done in wait_for(port, 6):
            expect_completion(done, kind=done.token if isinstance(done.token, Kind) else Kind.NOP, error=errno.ENOTSOCK)


@rule("socket/30", needs=SOCKET_IO)
def test_not_connected(port: CompletionPort, sources: Sources) -> None:
    """A recv on a stream socket that was never connected completes with ENOTCONN, a send with ENOTCONN or EPIPE."""
    sock = sources.keep(socket.socket())
    for recv in (port.recv, port.recv_exactly):
        recv(sock, bytearray(4))
        expect_completion(wait_one(port), kind=Kind.RECV, error=errno.ENOTCONN)
    for send in (port.send, port.send_all):
        send(sock, b"abc")
        expect_completion(wait_one(port), kind=Kind.SEND, error=(errno.ENOTCONN, errno.EPIPE))


@rule("socket/31", needs=SOCKET_IO)
def test_listener_is_no_stream(port: CompletionPort, sources: Sources) -> None:
    """A recv or send on a listening socket completes with an error, it does not pend."""
    listener = sources.listener()
    port.recv(listener, bytearray(4))
    expect_completion(wait_one(port), kind=Kind.RECV, error=(errno.ENOTCONN, errno.EINVAL))
    port.send(listener, b"abc")
    expect_completion(wait_one(port), kind=Kind.SEND, error=(errno.ENOTCONN, errno.EPIPE, errno.EINVAL))


@rule("socket/32", needs=SOCKET_IO)
def test_peer_closed(port: CompletionPort, sources: Sources) -> None:
    """A send to a peer that closed its end completes with success while the system does not know, with
    ConnectionError from then on.
    """
    one, other = sources.stream()
    other.close()
    for send in (port.send, port.send_all, port.send):
        send(one, b"abc")
        done = expect_completion(wait_one(port), kind=Kind.SEND)
        if one.family == getattr(socket, "AF_UNIX", None):  # a TCP peer's first answer takes its time
            expect(isinstance(done.error, ConnectionError), "a ConnectionError", done.error)
        expect(
            done.error is None or isinstance(done.error, ConnectionError), "success or a ConnectionError", done.error
        )


@rule("socket/33", needs=SOCKET_IO)
def test_no_sigpipe(backend_spec: str, port: CompletionPort, sources: Sources) -> None:
    """A send to a broken connection does not kill a process that has left SIGPIPE to its default."""
    if sys.platform == "win32":
        host_lacks("this system has no SIGPIPE", fix="run the rule on a POSIX system")
    port.send(sources.stream()[0], b"x")  # refused where socket I/O is not declared
    said = run_program(
        backend_spec,
        """
        import signal, socket
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with port:
            one, other = socket.socketpair()
            other.close()
            for send in (port.send, port.send_all, port.send):
                send(one, b"x")
                [done] = port.wait(timeout=5)
                print(type(done.error).__name__)
            one, other = socket.socketpair()
            port.send_all(one, bytes(1 << 22))
            port.wait(timeout=0.02)
            other.close()
            [done] = port.wait(timeout=5)
            print(isinstance(done.error, ConnectionError))
        """,
    )
    expect(said.split() == ["BrokenPipeError"] * 3 + ["True"], "three BrokenPipeErrors, then a ConnectionError", said)


@rule("socket/34", needs=SOCKET_IO)
def test_failures_do_not_stick(port: CompletionPort, sources: Sources) -> None:
    """A failed operation leaves the port and the file's other direction as they were."""
    one, other = sources.tcp()
    port.register(one, 0x56)
    one.shutdown(socket.SHUT_WR)
    port.recv(one, bytearray(4), 0, "recv")
    for index in range(3):
        port.send(one, b"abc", 0, index)
        expect_completion(wait_one(port), key=0x56, token=index, error=errno.EPIPE)
    other.sendall(b"xyz")
    expect_completion(wait_one(port), key=0x56, token="recv", result=3, error=None)


@rule("socket/35", needs=SOCKET_IO)
def test_hostile_token(port: CompletionPort, sources: Sources) -> None:
    """A token is never called, compared, hashed, printed or tested for truth: it only comes back."""

    class Hostile:
        def _refuse(self, *_: object) -> bool:
            raise AssertionError("the port looked into the token")

        __bool__ = __call__ = __contains__ = __eq__ = __ne__ = __lt__ = _refuse
        __hash__ = __repr__ = __str__ = __len__ = __iter__ = _refuse  # type: ignore[assignment]

    one, other = sources.tcp()
    token = Hostile()
    other.sendall(b"abc")
    port.recv(one, bytearray(4), 0, token)
    done = wait_one(port)
    expect(done.result == 3 and done.token is token, "the recv with that very token", done.result)
    port.send(one, b"abc", 0, token)
    done = wait_one(port)
    expect(done.result == 3 and done.token is token, "the send with that very token", done.result)
