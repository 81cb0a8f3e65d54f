"""The far end of a pipe or socket: what scenarios do there without the port, every step with a deadline."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time

from compl_conformance.expect import ExpectationFailed, expect, patience
from compl_conformance.sources import Sources, host_lacks


def receive(sock: socket.socket, count: int) -> bytes:
    """Exactly ``count`` bytes of a stream."""
    got = _receive(sock, count)
    expect(len(got) == count, f"the peer to receive {count} bytes", f"end of stream after {len(got)}")
    return got


def receive_all(sock: socket.socket) -> bytes:
    """Everything up to the end of the stream."""
    return _receive(sock, None)


def _receive(sock: socket.socket, count: int | None) -> bytes:
    before = sock.gettimeout()
    sock.settimeout(patience())
    got = bytearray()
    try:
        while count is None or len(got) < count:
            piece = sock.recv(1 << 16 if count is None else min(1 << 16, count - len(got)))
            if not piece:
                break
            got += piece
    except TimeoutError:
        wanted = "the end of the stream" if count is None else f"{count} bytes"
        raise ExpectationFailed(f"the peer to receive {wanted} within {patience():g} s", f"{len(got)} bytes") from None
    finally:
        sock.settimeout(before)
    return bytes(got)


def fill(sock: socket.socket) -> int:
    """Send zeroes until the system takes no more; how many."""
    before = sock.gettimeout()
    sock.settimeout(0)
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(1 << 16))
    except BlockingIOError:
        return sent
    finally:
        sock.settimeout(before)


def pour(pipe_end: int, data: bytes) -> None:
    """Write all of ``data`` into a pipe."""
    if sys.platform == "win32":
        import _winapi

        overlapped, _ = _winapi.WriteFile(pipe_end, data, overlapped=True)
        overlapped.GetOverlappedResult(True)
    else:
        view = memoryview(data)
        while view:
            view = view[os.write(pipe_end, view) :]


def drain(pipe_end: int, count: int | None = None) -> bytes:
    """Exactly ``count`` bytes of a pipe, or everything up to its end."""
    got = bytearray()
    deadline = time.monotonic() + patience()
    while count is None or len(got) < count:
        piece = _read_pipe(pipe_end, 1 << 16 if count is None else count - len(got), deadline)
        if not piece:
            break
        got += piece
    expect(count is None or len(got) == count, f"{count} bytes out of the pipe", f"its end after {len(got)}")
    return bytes(got)


def _read_pipe(pipe_end: int, count: int, deadline: float) -> bytes:
    if sys.platform == "win32":
        import _winapi

        try:
            overlapped, _ = _winapi.ReadFile(pipe_end, count, overlapped=True)
            overlapped.GetOverlappedResult(True)
        except BrokenPipeError:
            return b""
        return bytes(overlapped.getbuffer() or b"")
    else:  # noqa: RET505  the type checker passes over the branch of another system, not over what follows it
        import select

        poll = select.poll()
        poll.register(pipe_end, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ExpectationFailed(f"something to read in the pipe within {patience():g} s", "nothing")
        return os.read(pipe_end, count)


def close_number(number: int) -> None:
    """Close a descriptor that is a bare number (Windows: a HANDLE)."""
    if sys.platform == "win32":
        import _winapi

        _winapi.CloseHandle(number)
    else:
        os.close(number)


def refusing_address(sources: Sources) -> tuple[str, int]:
    """An address that refuses connections: bound, so that nobody else takes it, but not listening."""
    sock = sources.keep(socket.socket())
    sock.bind(("127.0.0.1", 0))
    host, port = sock.getsockname()
    return host, port


def silent_listener(sources: Sources) -> socket.socket:
    """A listener with a full backlog: a further connect neither succeeds nor fails."""
    listener = sources.listener(0)
    for _ in range(8):
        client = sources.keep(socket.socket())
        client.settimeout(0.05)
        answer = client.connect_ex(listener.getsockname())
        if answer in (errno.EAGAIN, errno.EWOULDBLOCK):  # what Python says of its own timeout
            return listener
        if answer:
            break
    return host_lacks("connects beyond a listener's backlog do not stay pending here", fix="run the rule on Linux")


def ipv6_or_host_lacks() -> None:
    """End the scenario with the verdict *host* where ``::1`` cannot be bound."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        host_lacks(f"no IPv6 loopback address: {error}", fix="sysctl -w net.ipv6.conf.lo.disable_ipv6=0")


def unix_path(sources: Sources) -> str:
    """A free path for an AF_UNIX socket."""
    return str(sources.path().with_suffix(".sock"))


def unix_socket(sources: Sources, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """An AF_UNIX socket; the verdict *host* where Python has none."""
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        return host_lacks("Python has no socket.AF_UNIX here", fix="run the rule on Linux or macOS")
    return sources.keep(socket.socket(family, kind))
