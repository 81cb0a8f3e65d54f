"""Extension functions and base sockets, with a provider of our own making: Wine has no layered ones."""

from __future__ import annotations

import errno
import struct
import sys
import uuid
from collections.abc import Mapping

import pytest

from compl_core import BackendUnavailable, FileLike
from compl_iocp.constants import (
    SIO_BASE_HANDLE,
    SIO_BSP_HANDLE,
    SIO_BSP_HANDLE_POLL,
    SIO_BSP_HANDLE_SELECT,
    SIO_GET_EXTENSION_FUNCTION_POINTER,
)
from compl_iocp.errors import call_error
from compl_iocp.winsock import PROTOTYPES, Extension, address, available, base_socket

POINTER = struct.Struct("P")
NOT_A_SOCKET, UNKNOWN = 10038, 10045


class Provider:
    """Answers WSAIoctl as it was told: (socket, code) to a socket, or else WSAEOPNOTSUPP."""

    def __init__(self, below: Mapping[tuple[int, int], int], functions: Mapping[bytes, int] | None = None) -> None:
        self.below = below
        self.functions = functions or {}
        self.asked: list[tuple[int, int]] = []

    def __call__(self, sock: FileLike, code: int, data: bytes, room: int) -> bytes:
        assert isinstance(sock, int)
        self.asked.append((sock, code))
        if code == SIO_GET_EXTENSION_FUNCTION_POINTER:
            if data not in self.functions:
                raise call_error("WSAIoctl", 10022)
            return POINTER.pack(self.functions[data])[:room]
        if (sock, code) not in self.below:
            raise call_error("WSAIoctl", NOT_A_SOCKET if sock == 0 else UNKNOWN)
        return POINTER.pack(self.below[sock, code])[:room]


def test_no_layered_provider() -> None:
    provider = Provider({(7, SIO_BASE_HANDLE): 7})
    assert base_socket(7, ask=provider) == 7
    assert provider.asked == [(7, SIO_BASE_HANDLE)]


def test_a_layered_provider_that_does_as_it_should() -> None:
    assert base_socket(7, ask=Provider({(7, SIO_BASE_HANDLE): 3})) == 3


@pytest.mark.parametrize("code", [SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE])
def test_one_that_refuses_the_base_handle(code: int) -> None:
    """It lets a question for one call's socket through; what is below it answers for the base."""
    assert base_socket(7, ask=Provider({(7, code): 5, (5, SIO_BASE_HANDLE): 3})) == 3


def test_two_that_refuse() -> None:
    below = {(7, SIO_BSP_HANDLE_POLL): 6, (6, SIO_BSP_HANDLE_SELECT): 5, (5, SIO_BASE_HANDLE): 3}
    assert base_socket(7, ask=Provider(below)) == 3


def test_an_answer_that_leads_nowhere_is_not_taken() -> None:
    below = {(7, SIO_BSP_HANDLE_POLL): 7, (7, SIO_BSP_HANDLE_SELECT): 5, (5, SIO_BASE_HANDLE): 5}
    assert base_socket(7, ask=Provider(below)) == 5


def test_a_system_that_knows_none_of_it() -> None:
    assert base_socket(7, ask=Provider({})) == 7


def test_providers_that_answer_with_each_other() -> None:
    below = {(7, SIO_BSP_HANDLE_POLL): 6, (6, SIO_BSP_HANDLE_POLL): 7}
    assert base_socket(7, ask=Provider(below)) in (6, 7)


def test_what_is_no_socket() -> None:
    with pytest.raises(OSError, match="it is not a socket") as caught:
        base_socket(0, ask=Provider({}))
    assert caught.value.errno == errno.ENOTSOCK


def test_an_object_with_a_number() -> None:
    class Sock:
        def fileno(self) -> int:
            return 7

    assert base_socket(Sock(), ask=Provider({(7, SIO_BASE_HANDLE): 3})) == 3


# ---- extension functions --------------------------------------------------------------------------------------------


def test_guids_as_the_struct_has_them() -> None:
    assert Extension.ACCEPT_EX.guid == bytes.fromhex("f17d36b5accbcf1195ca00805f48a192")
    assert Extension.CONNECT_EX.guid == bytes.fromhex("b907a225f3dd60468ee976e58c74063e")
    assert len({extension.guid for extension in Extension}) == len(Extension)
    assert all(isinstance(extension.value, uuid.UUID) for extension in Extension)


def test_what_a_provider_has() -> None:
    provider = Provider({}, {Extension.ACCEPT_EX.guid: 0x1000, Extension.CONNECT_EX.guid: 0x2000})
    assert address(7, Extension.ACCEPT_EX, ask=provider) == 0x1000
    assert available(7, ask=provider) == {Extension.ACCEPT_EX: 0x1000, Extension.CONNECT_EX: 0x2000}
    with pytest.raises(OSError) as caught:
        address(7, Extension.TRANSMIT_PACKETS, ask=provider)
    assert caught.value.errno == errno.EINVAL


def test_every_function_has_a_prototype() -> None:
    assert set(PROTOTYPES) == set(Extension)
    assert all(set(kinds) <= set("PIi") for kinds in PROTOTYPES.values())


@pytest.mark.skipif(sys.platform == "win32", reason="what is tested is that others have no Winsock to ask")
def test_elsewhere_it_is_refused() -> None:
    for call in (base_socket, available):
        with pytest.raises(BackendUnavailable, match="part of Windows"):
            call(7)
