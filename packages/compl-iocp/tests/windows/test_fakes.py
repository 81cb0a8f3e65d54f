"""What Windows does and Wine does not, by functions in Windows' place; docs/windows.md says which and why."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compl_core import Interest, Kind
from compl_iocp import Iocp, IocpPort
from compl_iocp.constants import SIO_BASE_HANDLE, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, CompletionModes

from .imports import replaced

Pair = tuple[socket.socket, socket.socket]
PATIENCE = 30.0


@pytest.fixture
def port() -> Iterator[IocpPort]:
    with IocpPort() as port:
        yield port


class Options:
    """Remembers what setsockopt was called with: socket, name, value."""

    def __init__(self) -> None:
        self.set: list[tuple[int, int, int]] = []

    def __call__(self, original: Any, sock: int, level: int, name: int, value: int | None, length: int) -> int:
        given = ctypes.string_at(value, length) if value else b""
        self.set.append((sock, name, int.from_bytes(given, "little")))
        return int(original(sock, level, name, value, length))


def test_an_accepted_socket_is_given_its_context(port: IocpPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, replaced("setsockopt", options := Options()):
        port.accept(listener)
        with socket.create_connection(listener.getsockname()):
            (done,) = port.wait(timeout=PATIENCE)
            with done.value as accepted:
                assert (accepted.fileno(), SO_UPDATE_ACCEPT_CONTEXT, listener.fileno()) in options.set


def test_a_connected_socket_is_given_its_context(port: IocpPort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        with replaced("setsockopt", options := Options()):
            port.connect(client, listener.getsockname())
            (done,) = port.wait(timeout=PATIENCE)
        assert done.unwrap() == 0
        assert (client.fileno(), SO_UPDATE_CONNECT_CONTEXT, 0) in options.set


def test_an_accept_outlives_a_client_that_reset(port: IocpPort) -> None:
    """STATUS_NETWORK_NAME_DELETED for the first packet: the peer's trouble, not the listener's."""
    left = [0xC00000C9]

    def dequeue(original: Any, handle: int, entries: int, room: int, removed: int, *rest: int) -> int:
        found = int(original(handle, entries, room, removed, *rest))
        if found and left:
            key, overlapped = (ctypes.c_size_t.from_address(entries + place).value for place in (0, 8))
            if key and overlapped:
                ctypes.c_size_t.from_address(entries + 16).value = left.pop()
        return found

    with socket.create_server(("127.0.0.1", 0)) as listener:
        with replaced("GetQueuedCompletionStatusEx", dequeue):
            port.accept(listener, "accept")
            with socket.create_connection(listener.getsockname()) as reset:
                assert port.wait(timeout=0.2) == []
                assert left == []
                reset.settimeout(PATIENCE)
                try:
                    assert reset.recv(1) == b""  # nobody has it
                except ConnectionError:
                    pass
            with socket.create_connection(listener.getsockname()) as client:
                (done,) = port.wait(timeout=PATIENCE)
                assert done.token == "accept"
                with done.value as accepted:
                    assert accepted.getpeername() == client.getsockname()


def test_a_provider_that_does_not_skip(port: IocpPort) -> None:
    """Every success then comes by its packet, once."""
    asked = []

    def refuse(_original: Any, handle: int, modes: int) -> int:
        asked.append((handle, modes & CompletionModes.SKIP_COMPLETION_PORT_ON_SUCCESS))
        return 0

    with socket.create_server(("127.0.0.1", 0)) as listener, replaced("SetFileCompletionNotificationModes", refuse):
        port.accept(listener)
        with socket.create_connection(listener.getsockname()) as right:
            (done,) = port.wait(timeout=PATIENCE)
            with done.value as left:
                port.register(left, 7)
                for number in range(20):
                    right.sendall(b"x")
                    port.recv(left, bytearray(10), 0, number)
                    port.send(left, b"y", 0, number)
                    found = port.wait(timeout=PATIENCE, min_completions=2)
                    assert sorted((each.kind, each.result, each.token, each.key) for each in found) == [
                        (Kind.RECV, 1, number, 7),
                        (Kind.SEND, 1, number, 7),
                    ]
                assert (left.fileno(), 1) in asked
                assert port.wait(timeout=0) == []
                assert port.in_flight == 0


def test_a_system_without_base_handles(port: IocpPort, tcp: Pair) -> None:
    asked = []

    def ioctl(original: Any, sock: int, code: int, *rest: Any) -> int:
        if code != SIO_BASE_HANDLE:
            return int(original(sock, code, *rest))
        asked.append(sock)
        ctypes.windll.ws2_32.WSASetLastError(10045)
        return -1

    left, right = tcp
    with replaced("WSAIoctl", ioctl):
        port.register(left, 7, Interest.READABLE)
        assert port.wait(timeout=0) == []
        right.sendall(b"x")
        (done,) = port.wait(timeout=PATIENCE)
        assert (done.kind, done.key, done.readiness) == (Kind.READY, 7, Interest.READABLE)
        assert left.fileno() in asked


REPLACED = """
    import ctypes, runpy, socket
    replaced = runpy.run_path({imports!r})["replaced"]
    from compl_iocp import IocpPort

    calls = []

    def set_information(original, handle, status, information, length, number):
        if number != 61:
            return original(handle, status, information, length, number)
        calls.append((handle, ctypes.string_at(information, length)))
        return 0

    left, right = socket.socketpair()
    with IocpPort() as port, replaced("NtSetInformationFile", set_information):
        port.register(left, 1)
        port.unregister(left)
        assert calls == [(left.fileno(), bytes(16))], calls
        port.recv(left, bytearray(10), 0, "still works")
        right.send(b"x")
        (done,) = port.wait(timeout=30)
        assert (done.token, done.result, done.key) == ("still works", 1, 0), done
    print("as it should")
"""


def test_a_handle_is_taken_from_the_port(child: Callable[[str], str]) -> None:
    """FileReplaceCompletionInformation, of Windows 8.1; in a process of its own, which has not been refused it yet."""
    assert child(REPLACED.format(imports=str(Path(__file__).with_name("imports.py")))) == "as it should"


def test_what_is_not_imported_cannot_be_replaced() -> None:
    from .imports import PROTOTYPES

    PROTOTYPES["NoSuchFunction"] = PROTOTYPES["setsockopt"]
    try:
        with pytest.raises(LookupError, match="does not import NoSuchFunction"):
            with replaced("NoSuchFunction", lambda *_: 0):
                pass
    finally:
        del PROTOTYPES["NoSuchFunction"]


def test_the_original_is_put_back(iocp: Iocp) -> None:
    calls = []

    def dequeue(original: Any, *arguments: Any) -> int:
        calls.append(arguments)
        return int(original(*arguments))

    with replaced("GetQueuedCompletionStatusEx", dequeue):
        iocp.status()
    iocp.status()
    assert len(calls) == 1
