"""Entries for sockets, each run for real."""

from __future__ import annotations

import array
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_uring import (
    FILE_INDEX_ALLOC,
    AcceptFlags,
    CompletionEntry,
    CqeFlags,
    Message,
    Opcode,
    RecvSendFlags,
    Ring,
    SocketAddress,
    SqeFlags,
)

Pair = tuple[socket.socket, socket.socket]


def result(ring: Ring) -> int:
    (entry,) = ring.submit_and_wait(1, 30)
    assert ring.in_flight == 0
    return entry.res


def test_send_and_recv(ring: Ring, pair: Pair) -> None:
    left, right = pair
    buffer = bytearray(16)
    ring.send(left, b"hello", 1)
    ring.recv(right, buffer, 2)
    assert sorted((entry.user_data, entry.res) for entry in ring.submit_and_wait(2, 30)) == [(1, 5), (2, 5)]
    assert bytes(buffer[:5]) == b"hello"
    left.send(b"peek")
    ring.recv(right, buffer, 0, 0, socket.MSG_PEEK)
    assert result(ring) == 4
    assert right.recv(10) == b"peek"
    left.close()
    ring.recv(right, buffer)
    assert result(ring) == 0
    ring.send(right, b"x", 0, 0, socket.MSG_NOSIGNAL)
    assert result(ring) == -errno.EPIPE


def test_poll_first(ring: Ring, pair: Pair) -> None:
    left, right = pair
    buffer = bytearray(4)
    ring.recv(left, buffer, 1, 0, 0, RecvSendFlags.POLL_FIRST)
    ring.submit()
    right.send(b"now")
    assert result(ring) == 3


def test_recv_waits_for_all(ring: Ring, pair: Pair) -> None:
    left, right = pair
    buffer = bytearray(6)
    ring.recv(left, buffer, 1, 0, socket.MSG_WAITALL)
    right.send(b"abc")
    assert ring.submit_and_wait(1, 0.02) == []
    right.send(b"def")
    assert result(ring) == 6
    assert bytes(buffer) == b"abcdef"


def test_shutdown(ring: Ring, pair: Pair) -> None:
    left, right = pair
    ring.shutdown(left, socket.SHUT_WR)
    assert result(ring) == 0
    assert right.recv(1) == b""
    ring.shutdown(left, 99)
    assert result(ring) == -errno.EINVAL


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_connection_made_by_the_ring(
    ring: Ring, family: int, tmp_path: Path, needs: Callable[[Opcode], None]
) -> None:
    needs(Opcode.LISTEN)
    address: Any = str(tmp_path / "socket") if family == socket.AF_UNIX else ("::1" if family == socket.AF_INET6 else
                                                                            "127.0.0.1", 0)  # fmt: skip
    ring.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    fd = result(ring)
    if fd == -errno.EAFNOSUPPORT:
        pytest.skip("this host has no IPv6")
    with socket.socket(fileno=fd) as listener:
        assert (listener.family, listener.get_inheritable()) == (family, False)
        ring.bind(listener, SocketAddress(family, address))
        bound = result(ring)
        if bound == -errno.EADDRNOTAVAIL:
            pytest.skip("this host has no IPv6 loopback")
        assert bound == 0
        ring.listen(listener, 8)
        assert result(ring) == 0
        peer = SocketAddress()
        assert peer.value is None
        with socket.socket(family, socket.SOCK_STREAM) as client:
            ring.accept(listener, 1, address=peer)
            ring.connect(client, listener.getsockname(), 2)
            results = {entry.user_data: entry.res for entry in ring.submit_and_wait(2, 30)}
            assert results[2] == 0
            with socket.socket(fileno=results[1]) as server:
                assert not server.get_inheritable()
                assert server.getpeername() == client.getsockname()
                assert peer.value == client.getsockname()
                assert family == socket.AF_UNIX or peer.family == family
                client.send(b"x")
                assert server.recv(1) == b"x"


def test_connect_refused(ring: Ring) -> None:
    with socket.socket() as unused, socket.socket() as client:
        unused.bind(("127.0.0.1", 0))
        ring.connect(client, unused.getsockname())
        assert result(ring) == -errno.ECONNREFUSED


def test_addresses_that_are_none(ring: Ring, pipe: tuple[int, int]) -> None:
    with socket.socket() as client:
        with pytest.raises(ValueError, match="not a numeric IPv4 address"):
            ring.connect(client, ("localhost", 1))
        with pytest.raises(TypeError, match="is a tuple"):
            ring.connect(client, "127.0.0.1")
        with pytest.raises(OverflowError):
            ring.connect(client, ("127.0.0.1", 65536))
        with pytest.raises(TypeError, match="give a SocketAddress"):
            ring.connect(0, ("127.0.0.1", 1), 0, SqeFlags.FIXED_FILE)
    with pytest.raises(OSError, match="address family of fd") as caught:
        ring.connect(pipe[0], ("127.0.0.1", 1))
    assert caught.value.errno == errno.ENOTSOCK
    with pytest.raises(TypeError):
        SocketAddress("2")  # type: ignore[arg-type]
    assert ring.in_flight == 0


def test_socket_address_is_bytes_too() -> None:
    address = SocketAddress(socket.AF_INET, ("127.0.0.1", 0x1234))
    assert bytes(address)[2:8] == b"\x12\x34\x7f\0\0\x01"
    assert (address.family, address.value) == (socket.AF_INET, ("127.0.0.1", 0x1234))
    assert "127.0.0.1" in repr(address)


def test_accept_many_times(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.SOCKET)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ring.accept_multishot(listener, 5)
        clients = []
        for _ in range(4):
            clients.append(socket.create_connection(listener.getsockname()))
            (entry,) = ring.submit_and_wait(1, 30)
            assert (entry.user_data, entry.more) == (5, True)
            with socket.socket(fileno=entry.res) as server:
                assert server.getpeername() == clients[-1].getsockname()
                assert not server.get_inheritable()
        assert ring.in_flight == 1
        ring.cancel(5, 6)
        results = {entry.user_data: entry for entry in ring.submit_and_wait(2, 30)}
        assert results == {5: CompletionEntry(5, -errno.ECANCELED), 6: CompletionEntry(6)}
        assert ring.in_flight == 0
        for client in clients:
            client.close()


def test_accept_does_not_wait_if_told_not_to(ring: Ring) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ring.accept(listener, 1, ioprio=AcceptFlags.DONTWAIT)
        if (found := result(ring)) == -errno.EINVAL:
            pytest.skip("this kernel has no IORING_ACCEPT_DONTWAIT (Linux 6.10)")
        assert found == -errno.EAGAIN


def test_sockets_in_the_ring(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    """A connection whose two ends have no descriptors."""
    needs(Opcode.SOCKET)
    ring.register_files_sparse(4)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ring.socket(socket.AF_INET, socket.SOCK_STREAM, file_index=0)
        assert result(ring) == 0
        ring.accept(listener, 1, file_index=FILE_INDEX_ALLOC)
        ring.connect(0, SocketAddress(socket.AF_INET, listener.getsockname()), 2, SqeFlags.FIXED_FILE)
        results = {entry.user_data: entry.res for entry in ring.submit_and_wait(2, 30)}
        assert results[2] == 0
        server = results[1]
        buffer = bytearray(8)
        ring.send(0, b"inside", 3, SqeFlags.FIXED_FILE | SqeFlags.IO_LINK)
        ring.recv(server, buffer, 4, SqeFlags.FIXED_FILE)
        assert [entry.res for entry in ring.submit_and_wait(2, 30)] == [6, 6]
        assert bytes(buffer[:6]) == b"inside"
        ring.accept_multishot(listener, 5, file_index=FILE_INDEX_ALLOC)
        with socket.create_connection(listener.getsockname()):
            (entry,) = ring.submit_and_wait(1, 30)
            assert (entry.user_data, entry.more) == (5, True)
            assert entry.res not in (0, server)


def test_datagrams(ring: Ring) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        where = SocketAddress(socket.AF_INET, one.getsockname())
        ring.send(two, b"addressed", address=where)
        found = result(ring)
        if found == -errno.EINVAL:
            pytest.skip("this kernel sends to no address without sendmsg (Linux 6.17)")
        if found != -errno.EDESTADDRREQ:
            assert found == 9
            assert one.recvfrom(20) == (b"addressed", two.getsockname())


def test_messages(ring: Ring) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        where = SocketAddress(socket.AF_INET, one.getsockname())
        out = Message([b"two ", b"parts"], address=where, writable=False)
        first, second = bytearray(3), bytearray(4)
        into = Message([first, second])
        assert (into.address, out.address) == (None, where)
        for _ in range(2):
            ring.sendmsg(two, out)
            assert result(ring) == 9
            ring.recvmsg(one, into)
            assert result(ring) == 7
            assert bytes(first + second) == b"two par"
            assert into.flags & socket.MSG_TRUNC
            assert into.address is not None
            assert into.address.value == two.getsockname()
            assert into.address.family == socket.AF_INET
        assert out.ancillary == into.ancillary == []


def test_ancillary_data(ring: Ring, pair: Pair, pipe: tuple[int, int]) -> None:
    left, right = pair
    fds = array.array("i", [pipe[1]])
    right.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    message = Message([bytearray(4)], control=bytearray(64))
    ring.recvmsg(left, message)
    assert result(ring) == 1
    assert message.address is None  # a stream's peer is known
    ((level, kind, data),) = message.ancillary
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    assert message.control_length >= 20
    (received,) = array.array("i", data)
    os.write(received, b"passed")
    assert os.read(pipe[0], 10) == b"passed"
    os.close(received)
    right.send(b"y")
    ring.recvmsg(left, message)
    assert result(ring) == 1
    assert message.ancillary == []


def test_message_holds_its_buffers() -> None:
    buffer, control = bytearray(4), bytearray(64)
    message = Message([buffer], control=control)
    for held in (buffer, control):
        with pytest.raises(BufferError):
            held.append(1)
    del message
    buffer.append(1)
    control.append(1)
    with pytest.raises(ValueError, match="1 to 1024 buffers"):
        Message([])
    with pytest.raises(BufferError):
        Message([b"read-only"])
    with pytest.raises(TypeError, match="buffer is needed"):
        Message([buffer], control=5)  # type: ignore[arg-type]
    buffer.append(1)


@pytest.mark.parametrize("kind", ["buffer", "message", "fixed"])
def test_zero_copy_send_frees_its_buffer_with_the_notification(
    ring: Ring, tcp: Pair, kind: str, needs: Callable[[Opcode], None]
) -> None:
    needs(Opcode.SENDMSG_ZC)
    client, server = tcp
    data = bytearray(b"zero-copy" * 1000)
    held: Any = None
    if kind == "buffer":
        ring.send_zc(client, data, 7)
    elif kind == "message":
        ring.sendmsg_zc(client, Message([data], writable=False), 7)
    else:
        held = ring.register_buffers([data])
        ring.send_zc_fixed(client, held, 0, 7, start=9, length=8991)
    first, second = ring.submit_and_wait(2, 30)
    sent = len(data) - (9 if held else 0)
    assert (first.user_data, first.res, first.more, first.notification) == (7, sent, True, False)
    assert (second.user_data, second.more, second.notification) == (7, False, True)
    assert ring.in_flight == 0
    received = bytearray()
    while len(received) < sent:
        received += server.recv(65536)
    assert bytes(received) == bytes(data)[len(data) - sent :]
    if held:
        ring.unregister_buffers()
        del held
    data.append(1)


def test_zero_copy_send_holds_its_buffer_between_its_completions(
    ring: Ring, tcp: Pair, needs: Callable[[Opcode], None]
) -> None:
    """The notification comes when the peer has taken the bytes; until then the buffer stays exported."""
    needs(Opcode.SEND_ZC)
    client, server = tcp
    for sock, option in ((client, socket.SO_SNDBUF), (server, socket.SO_RCVBUF)):
        sock.setsockopt(socket.SOL_SOCKET, option, 1 << 16)
    data = bytearray(1 << 22)
    client.setblocking(True)
    ring.send_zc(client, data, 7, 0, socket.MSG_WAITALL)
    ring.submit()
    taken = 0
    entries: list[CompletionEntry] = []
    while len(entries) < 2:
        entries += ring.reap()
        if len(entries) < 2:
            with pytest.raises(BufferError):
                data.append(1)
        if taken < len(data):
            taken += len(server.recv(1 << 20))
    assert [bool(entry.flags & CqeFlags.NOTIF) for entry in entries] == [False, True]
    assert entries[0].res == len(data)
    data.append(1)


def test_failed_zero_copy_send(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.SEND_ZC)
    data = bytearray(8)
    ring.send_zc(2**20, data, 7)
    entries = ring.submit_and_wait()
    while ring.in_flight:  # with a notification or without, as the kernel likes
        entries += ring.submit_and_wait()
    assert (entries[0].user_data, entries[0].res) == (7, -errno.EBADF)
    data.append(1)
