"""Real operations whose packets a completion port gets, each started as a program in C would start it."""

from __future__ import annotations

import ctypes
import errno
import socket
from typing import Any

import pytest

from compl_core.layout import Layout, select
from compl_iocp import Extension, Iocp, winsock
from compl_iocp.constants import SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, Status, TransmitFlags, WinError
from compl_iocp.layouts import LAYOUTS

KERNEL32 = ctypes.WinDLL("kernel32", use_last_error=True)
WS2 = ctypes.WinDLL("ws2_32", use_last_error=True)
PATIENCE = 30.0


def layout(name: str) -> Layout:
    (found,) = (each for each in select(LAYOUTS) if each.name == name)
    return found


def overlapped(offset: int = 0) -> Any:
    """An OVERLAPPED: keep it until its packet has come."""
    values = {"Offset": offset & 0xFFFF_FFFF, "OffsetHigh": offset >> 32}
    return ctypes.create_string_buffer(layout("OVERLAPPED").pack(values), layout("OVERLAPPED").size)


def address_of(memory: Any) -> int:
    return ctypes.addressof(memory)


def buffers(*memories: Any) -> Any:
    """An array of WSABUF."""
    packed = b"".join(layout("WSABUF").pack({"len": len(memory), "buf": address_of(memory)}) for memory in memories)
    return ctypes.create_string_buffer(packed, len(packed))


def pending(returned: int) -> bool:
    """The call has started, whether it is done or not."""
    return bool(returned) or ctypes.get_last_error() == WinError.IO_PENDING


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 5, 2**32 + 7])
def test_write_and_read_at_an_offset(iocp: Iocp, overlapped_file: int, offset: int) -> None:
    iocp.associate(overlapped_file, 0x11)
    handle = ctypes.c_void_p(overlapped_file)
    written, wrote = ctypes.create_string_buffer(b"hello", 5), overlapped(offset)
    assert pending(KERNEL32.WriteFile(handle, written, 5, None, wrote))
    (entry,) = iocp.get_many(timeout=PATIENCE)
    assert entry == (0x11, 5, address_of(wrote), Status.SUCCESS)
    read, reading = ctypes.create_string_buffer(10), overlapped(offset)
    assert pending(KERNEL32.ReadFile(handle, read, 10, None, reading))
    (entry,) = iocp.get_many(timeout=PATIENCE)
    assert (entry.nbytes, entry.overlapped) == (5, address_of(reading))
    assert read.raw == b"hello\0\0\0\0\0"
    unpacked = layout("OVERLAPPED").unpack(reading.raw)
    assert (unpacked["Internal"], unpacked["InternalHigh"]) == (0, 5)


def test_the_end_of_a_file(iocp: Iocp, overlapped_file: int) -> None:
    iocp.associate(overlapped_file, 1)
    read, reading = ctypes.create_string_buffer(10), overlapped(100)
    if pending(KERNEL32.ReadFile(ctypes.c_void_p(overlapped_file), read, 10, None, reading)):
        (entry,) = iocp.get_many(timeout=PATIENCE)
        assert (entry.nbytes, entry.status) == (0, Status.END_OF_FILE)
        assert entry.error is None
    else:  # Windows may say it at once, and then there is no packet
        assert ctypes.get_last_error() == 38
        assert iocp.status() == (0, 0)


def test_status_counts_real_operations(iocp: Iocp, overlapped_file: int) -> None:
    iocp.associate(overlapped_file, 1)
    data, records = ctypes.create_string_buffer(100), [overlapped(number * 100) for number in range(10)]
    for record in records:
        assert pending(KERNEL32.WriteFile(ctypes.c_void_p(overlapped_file), data, 100, None, record))
    completed = moved = 0
    while completed < 10:
        more, bytes_moved = iocp.status(PATIENCE)
        assert more
        completed, moved = completed + more, moved + bytes_moved
    assert (completed, moved) == (10, 1000)


# ---- sockets --------------------------------------------------------------------------------------------------------


def test_recv_with_several_buffers(iocp: Iocp, tcp: tuple[socket.socket, socket.socket]) -> None:
    iocp.associate(tcp[0], 7)
    first, second = ctypes.create_string_buffer(3), ctypes.create_string_buffer(10)
    vectors, record, flags = buffers(first, second), overlapped(), ctypes.c_ulong()
    failed = WS2.WSARecv(ctypes.c_void_p(tcp[0].fileno()), vectors, 2, None, ctypes.byref(flags), record, None)
    assert not failed or ctypes.get_last_error() == WinError.IO_PENDING
    assert iocp.get_many(timeout=0.01) == []
    tcp[1].sendall(b"abcdef")
    (entry,) = iocp.get_many(timeout=PATIENCE)
    assert entry == (7, 6, address_of(record), 0)
    assert (first.raw, second.raw[:3]) == (b"abc", b"def")


def test_cancelled(iocp: Iocp, tcp: tuple[socket.socket, socket.socket]) -> None:
    iocp.associate(tcp[0], 7)
    data, record, flags = ctypes.create_string_buffer(10), overlapped(), ctypes.c_ulong()
    sock = ctypes.c_void_p(tcp[0].fileno())
    vectors = buffers(data)
    WS2.WSARecv(sock, vectors, 1, None, ctypes.byref(flags), record, None)
    assert KERNEL32.CancelIoEx(sock, record)
    (entry,) = iocp.get_many(timeout=PATIENCE)
    assert (entry.overlapped, entry.status) == (address_of(record), Status.CANCELLED)
    assert entry.error is not None
    assert entry.error.errno == errno.ECANCELED


def test_the_socket_closed_under_its_operation(iocp: Iocp, tcp: tuple[socket.socket, socket.socket]) -> None:
    iocp.associate(tcp[0], 7)
    data, record, flags = ctypes.create_string_buffer(10), overlapped(), ctypes.c_ulong()
    vectors = buffers(data)
    WS2.WSARecv(ctypes.c_void_p(tcp[0].fileno()), vectors, 1, None, ctypes.byref(flags), record, None)
    tcp[0].close()
    (entry,) = iocp.get_many(timeout=PATIENCE)
    assert entry.status in (Status.CANCELLED, Status.HANDLES_CLOSED)  # Windows, Wine
    assert entry.error is not None
    assert entry.error.errno == errno.ECANCELED


# ---- extension functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [each for each in Extension if each is not Extension.TRANSMIT_PACKETS])
def test_sockets_have_the_extension_functions(extension: Extension) -> None:
    kind = socket.SOCK_DGRAM if extension in (Extension.WSA_RECV_MSG, Extension.WSA_SEND_MSG) else socket.SOCK_STREAM
    with socket.socket(type=kind) as sock:
        assert winsock.address(sock, extension) > 0
        assert extension in winsock.available(sock)


def test_accept_and_connect(iocp: Iocp) -> None:
    """AcceptEx and ConnectEx with their context updates: both ends are sockets like any other then."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as server, socket.socket() as client:
        iocp.associate(listener, 1)
        iocp.associate(client, 2)
        accept_ex = winsock.load(listener, Extension.ACCEPT_EX)
        connect_ex = winsock.load(client, Extension.CONNECT_EX)
        room, accepting, connecting = ctypes.create_string_buffer(64), overlapped(), overlapped()
        count = ctypes.c_ulong()
        arguments = (address_of(room), 0, 32, 32, ctypes.addressof(count), address_of(accepting))
        assert pending(accept_ex(listener.fileno(), server.fileno(), *arguments))
        client.bind(("127.0.0.1", 0))
        values: dict[str, int | float | bytes] = {
            "sin_family": 2,
            "sin_port": socket.htons(listener.getsockname()[1]),
            "sin_addr": socket.inet_aton("127.0.0.1"),
        }
        name = ctypes.create_string_buffer(layout("SOCKADDR_IN").pack(values), 16)
        sent = ctypes.addressof(count)
        assert pending(connect_ex(client.fileno(), address_of(name), 16, 0, 0, sent, address_of(connecting)))
        entries = iocp.get_many(timeout=PATIENCE)
        while len(entries) < 2:
            entries += iocp.get_many(timeout=PATIENCE)
        assert {entry.key: (entry.overlapped, entry.status) for entry in entries} == {
            1: (address_of(accepting), 0),
            2: (address_of(connecting), 0),
        }
        server.setsockopt(socket.SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, listener.fileno().to_bytes(8, "little"))
        client.setsockopt(socket.SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, b"")
        assert client.getpeername() == listener.getsockname()
        assert server.getpeername() == client.getsockname()
        client.sendall(b"hello")
        assert server.recv(10) == b"hello"


def test_transmit_a_file(iocp: Iocp, tcp: tuple[socket.socket, socket.socket], overlapped_file: int) -> None:
    data = ctypes.create_string_buffer(b"x" * 1000, 1000)
    writing = overlapped()
    iocp.associate(overlapped_file, 3)
    iocp.associate(tcp[0], 4)
    assert pending(KERNEL32.WriteFile(ctypes.c_void_p(overlapped_file), data, 1000, None, writing))
    assert [entry.nbytes for entry in iocp.get_many(timeout=PATIENCE)] == [1000]
    transmit = winsock.load(tcp[0], Extension.TRANSMIT_FILE)
    record = overlapped(100)
    flags = int(TransmitFlags.USE_KERNEL_APC)
    assert pending(transmit(tcp[0].fileno(), overlapped_file, 0, 0, address_of(record), 0, flags))
    found = b""
    while len(found) < 900:
        found += tcp[1].recv(1000)
    assert found == b"x" * 900
    entries = [entry for entry in iocp.get_many(timeout=PATIENCE) if entry.key == 4]
    assert [(entry.nbytes, entry.overlapped) for entry in entries] == [(900, address_of(record))]


def test_the_base_of_a_plain_socket_is_itself() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as sock:
            assert winsock.base_socket(sock) == sock.fileno()
            assert winsock.base_socket(sock.fileno()) == sock.fileno()
