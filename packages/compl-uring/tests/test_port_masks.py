"""Older kernels: with opcodes and features hidden one by one, and many at once, every operation works the same.

What a port hands to the kernel is found by probing; ``_native.hide`` takes away from what the probe finds.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import compl_core
from compl_core import Capability, Completion, CompletionFlags, Interest, Kind
from compl_uring import UringPort, _native, backend

OPCODES = {
    "READV": 1, "WRITEV": 2, "FSYNC": 3, "POLL_ADD": 6, "SENDMSG": 9, "RECVMSG": 10, "ACCEPT": 13, "ASYNC_CANCEL": 14,
    "CONNECT": 16, "READ": 22, "WRITE": 23, "SEND": 26, "RECV": 27, "SOCKET": 45, "SEND_ZC": 47,
}  # fmt: skip
FEATURES = {"NODROP": 2, "SUBMIT_STABLE": 4, "RW_CUR_POS": 8, "FAST_POLL": 32, "EXT_ARG": 256}
REQUIRED = ("POLL_ADD", "ASYNC_CANCEL", "NODROP", "SUBMIT_STABLE")
#: Newer than Linux 5.6: waiting with a timeout, 5.11; polling instead of blocking a kernel thread, 5.7; SOCKET with
#: multishot accept and CANCEL_ANY, 5.19; SEND_ZC with multishot receives, 6.0.
SINCE_5_6 = ("FAST_POLL", "EXT_ARG", "SOCKET", "SEND_ZC")
OPTIONAL = [name for name in [*OPCODES, *FEATURES] if name not in REQUIRED]

MASKS = {
    **{name: (name,) for name in OPTIONAL},
    "5.6": SINCE_5_6,
    "5.10": ("EXT_ARG", "SOCKET", "SEND_ZC"),
    "5.15": ("SOCKET", "SEND_ZC"),
    "5.19": ("SEND_ZC",),
    "nothing but what it needs": tuple(OPTIONAL),
}

EOF = CompletionFlags.EOF


@pytest.fixture
def hidden() -> Iterator[Callable[..., None]]:
    """``hidden("READ", "EXT_ARG")``: for ports opened from now on."""

    def hide(*names: str) -> None:
        opcodes = [OPCODES[name] for name in names if name in OPCODES]
        _native.hide(opcodes, sum(FEATURES[name] for name in names if name in FEATURES))

    yield hide
    _native.hide()


@pytest.fixture(params=MASKS)
def older(request: pytest.FixtureRequest, hidden: Callable[..., None]) -> Iterator[UringPort]:
    hidden(*MASKS[request.param])
    with UringPort() as port:
        yield port


def only(port: UringPort) -> Completion:
    (done,) = port.wait(timeout=30)
    return done


# ---- files ----------------------------------------------------------------------------------------------------------


def test_files(older: UringPort, tmp_path: Path) -> None:
    """At an offset, at the file's own position, in several buffers, and to the end."""
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        older.write(file, b"abcd", 4)
        older.write(file, b"0123")
        older.write_vectored(file, [b"ef", b"gh"], 8)
        older.fsync(file)
        older.fsync(file, data_only=True)
        ended: list[Completion] = []
        while len(ended) < 5:
            some = older.wait(timeout=30)
            assert some
            ended += some
        assert sorted(each.result for each in ended) == [0, 0, 4, 4, 4]
        assert file.tell() == 4
        buffer, first, second = bytearray(4), bytearray(3), bytearray(5)
        older.read(file, buffer)
        assert (only(older).result, bytes(buffer), file.tell()) == (4, b"abcd", 8)
        older.read_vectored(file, [first, second], 2)
        assert (only(older).result, first + second) == (8, bytearray(b"23abcdef"))
        older.read_vectored(file, [first, second])
        assert (only(older).result, first + second[:1], file.tell()) == (4, bytearray(b"efgh"), 12)
        older.read(file, buffer)
        done = older.wait(timeout=30)
        assert [(each.result, each.flags & EOF) for each in done] == [(0, EOF)]
        older.read(file, buffer, 100)
        assert only(older).eof


def test_errors_of_files(older: UringPort, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb", buffering=0) as file:
        unused = os.dup(file.fileno())
        os.close(unused)
        older.write(file, b"y", 0, "read-only")
        assert only(older).result == -errno.EBADF
        older.read(unused, bytearray(1), 0)
        assert only(older).result == -errno.EBADF
        older.read(file, bytearray(1), 0)
        assert only(older).result == 1


def test_a_file_larger_than_one_call(older: UringPort, tmp_path: Path) -> None:
    data = bytes(n % 251 for n in range(1 << 18)) * 4
    path = tmp_path / "file"
    with path.open("w+b", buffering=0) as file:
        for at in range(0, len(data), 1 << 18):
            older.write(file, data[at : at + (1 << 18)], at)
        assert sum(each.result for _ in range(4) for each in older.wait(1, timeout=30)) == len(data)
        buffer = bytearray(len(data) + 1)
        older.read(file, buffer, 0)
        assert only(older).result == len(data)
    assert buffer[:-1] == data


# ---- sockets --------------------------------------------------------------------------------------------------------


def test_streams(older: UringPort, tcp: tuple[socket.socket, socket.socket]) -> None:
    client, server = tcp
    buffer, exact = bytearray(8), bytearray(6)
    older.recv(client, buffer, 0, "recv")
    older.recv_exactly(client, exact, "exactly")
    assert older.wait(timeout=0) == []
    older.send(server, b"short", 0, "send")
    found = {each.token: each.result for each in older.wait(timeout=30, min_completions=2)}
    assert (found, bytes(buffer[:5])) == ({"recv": 5, "send": 5}, b"short")
    server.send(b"exa")
    assert older.wait(timeout=0.01) == []
    server.send(b"ctly")
    assert (only(older).result, bytes(exact)) == (6, b"exactl")
    older.recv(client, buffer, socket.MSG_PEEK)
    assert (only(older).result, bytes(buffer[:1])) == (1, b"y")
    older.recv(client, buffer)
    assert only(older).result == 1
    older.recv(client, buffer, 0, "end")
    server.shutdown(socket.SHUT_WR)
    done = only(older)
    assert (done.result, done.eof) == (0, True)


def test_a_large_send_all(older: UringPort, tcp: tuple[socket.socket, socket.socket]) -> None:
    client, server = tcp
    data = bytes(n % 251 for n in range(1 << 22))
    received = bytearray(len(data))
    older.send_all(client, data, "sent")
    older.recv_exactly(server, received, "received")
    found: dict[object, int] = {}
    while len(found) < 2:
        some = older.wait(timeout=30)
        assert some
        found |= {each.token: each.result for each in some}
    assert found == {"sent": len(data), "received": len(data)}
    assert received == data


def test_a_send_all_that_is_cancelled(older: UringPort, pair: tuple[socket.socket, socket.socket]) -> None:
    """The count is what the peer gets."""
    left, right = pair
    older.send_all(left, bytes(1 << 22))
    older.wait(timeout=0)
    older.cancel_all(left)
    done = only(older)
    left.shutdown(socket.SHUT_WR)
    count = 0
    while some := right.recv(1 << 16):
        count += len(some)
    assert done.result == count > 0


def test_a_reset(older: UringPort, tcp: tuple[socket.socket, socket.socket]) -> None:
    client, server = tcp
    older.recv(client, bytearray(1))
    assert older.wait(timeout=0) == []
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    assert isinstance(only(older).error, ConnectionResetError)
    older.send(client, b"x")
    assert isinstance(only(older).error, BrokenPipeError)


def test_connections(older: UringPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client, socket.socket() as refused:
        older.accept(listener, "accept")
        assert older.wait(timeout=0) == []
        older.connect(client, listener.getsockname(), "connect")
        found = {each.token: each for each in older.wait(timeout=30, min_completions=2)}
        assert [found["accept"].result, found["connect"].result] == [0, 0]
        with found["accept"].value as server:
            assert server.getpeername() == client.getsockname()
            assert not server.get_inheritable()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            older.connect(refused, unused.getsockname())
            assert isinstance(only(older).error, ConnectionRefusedError)


def test_multishot_accept(older: UringPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        identity = older.accept(listener, multishot=True)
        for _ in range(5):
            with socket.create_connection(listener.getsockname()) as client:
                done = only(older)
                with done.value as server:
                    assert (done.more, server.getpeername()) == (True, client.getsockname())
        older.cancel(identity)
        done = only(older)
        assert (done.result, done.more) == (-errno.ECANCELED, False)


def test_datagrams(older: UringPort) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        buffer = bytearray(4)
        older.recv_from(one, buffer)
        assert older.wait(timeout=0) == []
        older.send_to(other, b"too long", one.getsockname())
        found = {each.kind: each for each in older.wait(timeout=30, min_completions=2)}
        sent, received = found[Kind.SEND_TO], found[Kind.RECV_FROM]
        assert (sent.result, received.result, received.value) == (8, 4, other.getsockname())
        assert (received.flags, bytes(buffer)) == (CompletionFlags.TRUNCATED, b"too ")
        older.recv(one, buffer)
        other.sendto(b"too long", one.getsockname())
        done = only(older)
        assert (done.result, done.flags) == (4, CompletionFlags.TRUNCATED)
        older.recv(one, buffer)
        other.sendto(b"", one.getsockname())
        done = only(older)
        assert (done.result, done.flags) == (0, CompletionFlags.NONE)


def test_pooled_receives(older: UringPort, tcp: tuple[socket.socket, socket.socket]) -> None:
    client, server = tcp
    pool = older.buffer_pool(2, 4)
    older.recv(client, pool=pool)
    assert older.wait(timeout=0) == []
    server.send(b"abcdefghij")
    received = b""
    while len(received) < 10:
        some = older.wait(timeout=30)
        assert some and all(each.more for each in some)
        received += b"".join(each.value for each in some)
        some.clear()  # the buffers are free again
    assert (received, pool.available) == (b"abcdefghij", 2)
    server.close()
    done = only(older)
    assert (done.result, done.eof, done.more, done.value) == (0, True, False, None)


# ---- readiness, cancelling, closing ---------------------------------------------------------------------------------


def test_readiness(older: UringPort, pair: tuple[socket.socket, socket.socket], pipe: tuple[int, int]) -> None:
    left, right = pair
    older.poll(left, Interest.READABLE, "poll")
    older.register(right, 5, Interest.READABLE)
    buffer = bytearray(4)
    older.read(pipe[0], buffer, None, "pipe")
    assert older.wait(timeout=0) == []
    os.write(pipe[1], b"real")
    right.send(b"x")
    found = {each.token: each.result for each in older.wait(timeout=30, min_completions=2)}
    assert found == {"poll": Interest.READABLE, "pipe": 4}
    left.send(b"y")
    for _ in range(3):
        done = only(older)
        assert (done.key, done.readiness) == (5, Interest.READABLE)
    older.modify(right, interest=Interest.WRITABLE)
    assert only(older).readiness == Interest.WRITABLE
    older.unregister(right)
    assert older.wait(timeout=0.01) == []


def test_half_closed(older: UringPort, tcp: tuple[socket.socket, socket.socket]) -> None:
    """Room to write was asked for: that the peer has stopped sending is no answer, and no reason to spin."""
    left, right = tcp
    left.setblocking(False)
    try:
        while True:
            left.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    right.shutdown(socket.SHUT_WR)
    older.poll(left, Interest.WRITABLE)
    older.wait(timeout=0)
    before = older.statistics()["kernel_waits"]
    found = older.wait(timeout=0.1)
    assert older.statistics()["kernel_waits"] - before < 150
    right.setblocking(False)
    while not found:
        try:
            while right.recv(1 << 20):
                pass
        except BlockingIOError:
            found = older.wait(timeout=0.05)
    assert [each.readiness for each in found] == [Interest.WRITABLE]


def test_cancelling(older: UringPort, pair: tuple[socket.socket, socket.socket], pipe: tuple[int, int]) -> None:
    left, right = pair
    with socket.create_server(("127.0.0.1", 0)) as listener:
        identities = [
            older.recv(left, bytearray(1)),
            older.recv_exactly(left, bytearray(1)),
            older.poll(right, Interest.READABLE),
            older.accept(listener),
            older.read(pipe[0], bytearray(1)),
            older.timeout(60),
            older.recv(right, pool=older.buffer_pool(1, 1)),
        ]
        assert older.wait(timeout=0) == []
        assert all(older.cancel(identity) for identity in identities)
        done = older.wait(timeout=30, min_completions=len(identities))
        assert {each.result for each in done} == {-errno.ECANCELED}
        assert older.in_flight == 0


def test_close_file(older: UringPort, pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    older.register(left, 5, Interest.READABLE)
    older.recv(left, bytearray(1))
    older.poll(left, Interest.READABLE)
    assert older.wait(timeout=0) == []
    older.close_file(left)
    found: list[Completion] = []
    while len(found) < 3:
        some = older.wait(timeout=30)
        assert some
        found += some
    assert [each.kind for each in found][-1] is Kind.CLOSE
    assert [each.result for each in found] == [-errno.ECANCELED, -errno.ECANCELED, 0]
    assert right.recv(1) == b""


def test_timeouts_and_posts(older: UringPort) -> None:
    older.timeout(0.02, "timer")
    older.nop("nop")
    older.post(7)
    assert [each.kind for each in older.wait(timeout=30)] == [Kind.NOP, Kind.POSTED]
    assert only(older).token == "timer"
    assert older.wait(timeout=0.001) == []


def test_closed_with_all_in_flight(older: UringPort, pair: tuple[socket.socket, socket.socket]) -> None:
    buffers = [bytearray(8) for _ in range(500)]
    for buffer in buffers:
        older.recv(pair[0], buffer)
        older.poll(pair[0], Interest.READABLE)
    older.register(pair[1], 1, Interest.READABLE)
    older.wait(timeout=0)
    older.close()
    pair[1].send(b"xxxxxxxx")
    for buffer in buffers:
        buffer.append(1)  # nothing is exported any more
        assert buffer == bytes(8) + b"\1"


# ---- what is said of it ---------------------------------------------------------------------------------------------


def test_capabilities(hidden: Callable[..., None]) -> None:
    """Only file I/O by the kernel is not the same when it is emulated."""
    full = backend.capabilities
    for name in OPTIONAL:
        hidden(name)
        with UringPort() as port:
            lacks = name in ("READ", "WRITE", "RW_CUR_POS")
            assert port.capabilities == (full & ~Capability.FILE_IO_KERNEL if lacks else full), name
            assert compl_core.FULL in port.capabilities


@pytest.mark.parametrize(
    ("name", "ability"),
    [
        ("READV", "files"),
        ("SENDMSG", "sockets"),
        ("CONNECT", "connections"),
        ("FAST_POLL", "sockets"),
        ("SOCKET", "multishot accept"),
        ("SEND_ZC", "multishot receive"),
        ("EXT_ARG", "wait with a timeout"),
    ],
)
def test_abilities(hidden: Callable[..., None], name: str, ability: str) -> None:
    with UringPort() as port:
        before = port.abilities()
    hidden(name)
    with UringPort() as port:
        after = port.abilities()
    assert after[ability].startswith("no")
    assert before.keys() == after.keys()
    assert backend.probe().details == after


@pytest.mark.parametrize("name", REQUIRED)
def test_what_a_port_needs(hidden: Callable[..., None], name: str) -> None:
    hidden(name)
    found = backend.probe()
    assert not found.available
    assert "ENOSYS" in found.reason
    assert "Linux 5.6" in found.fix and "compl-epoll" in found.fix
    with pytest.raises(compl_core.BackendUnavailable) as refused:
        backend.open()
    assert (refused.value.errno, refused.value.reason) == (errno.ENOSYS, found.reason)
    with pytest.raises(OSError, match=r"POLL_ADD|drop completions"):
        UringPort()
    hidden()
    assert backend.probe().available


def test_hidden_from_those_that_come_only(hidden: Callable[..., None], port: UringPort) -> None:
    before = port.abilities()
    hidden("RECV")
    assert port.abilities() == before
