"""Winsock's extension functions, which a socket's provider has to be asked for, and the socket below layered providers.

``load(sock, Extension.ACCEPT_EX)`` is a function that takes what Microsoft's page says: sockets, addresses and an
OVERLAPPED as numbers.  https://learn.microsoft.com/windows/win32/winsock/winsock-ioctls
"""

from __future__ import annotations

import enum
import struct
import sys
import uuid
from collections.abc import Callable
from typing import Any

from compl_core import FileLike
from compl_iocp.constants import (
    SIO_BASE_HANDLE,
    SIO_BSP_HANDLE,
    SIO_BSP_HANDLE_POLL,
    SIO_BSP_HANDLE_SELECT,
    SIO_GET_EXTENSION_FUNCTION_POINTER,
    WinError,
)

if sys.platform == "win32":
    from compl_iocp._native import ioctl
else:
    from compl_iocp.elsewhere import ioctl

#: ``ioctl(sock, code, data, room)``: WSAIoctl.
Ioctl = Callable[[FileLike, int, bytes, int], bytes]

#: Of an address or SOCKET.
_POINTER = struct.Struct("P")


class Extension(enum.Enum):
    """A function, by the GUID that it is asked for with (mswsock.h)."""

    ACCEPT_EX = uuid.UUID("b5367df1-cbac-11cf-95ca-00805f48a192")
    CONNECT_EX = uuid.UUID("25a207b9-ddf3-4660-8ee9-76e58c74063e")
    DISCONNECT_EX = uuid.UUID("7fda2e11-8630-436f-a031-f536a6eec157")
    GET_ACCEPT_EX_SOCKADDRS = uuid.UUID("b5367df2-cbac-11cf-95ca-00805f48a192")
    TRANSMIT_FILE = uuid.UUID("b5367df0-cbac-11cf-95ca-00805f48a192")
    TRANSMIT_PACKETS = uuid.UUID("d9689da0-1f90-11d3-9971-00c04f68c876")
    WSA_RECV_MSG = uuid.UUID("f689d7c8-6f1f-436b-8a53-e54fe351c322")
    WSA_SEND_MSG = uuid.UUID("a441e712-754f-43ca-84a7-0dee44cf606d")

    @property
    def guid(self) -> bytes:
        """The GUID as the struct of that name."""
        value: uuid.UUID = self.value
        return value.bytes_le


#: Parameters of each function: P an address, HANDLE or SOCKET, I a DWORD, i an int.  All return a BOOL or int.
PROTOTYPES = {
    Extension.ACCEPT_EX: "PPPIIIPP",  # listener, socket, buffer, room, local, remote, received, overlapped
    Extension.CONNECT_EX: "PPiPIPP",  # socket, name, its length, data, its length, sent, overlapped
    Extension.DISCONNECT_EX: "PPII",  # socket, overlapped, flags, 0
    Extension.GET_ACCEPT_EX_SOCKADDRS: "PIIIPPPP",
    Extension.TRANSMIT_FILE: "PPIIPPI",  # socket, file, bytes, per send, overlapped, head and tail, flags
    Extension.TRANSMIT_PACKETS: "PPIIPI",
    Extension.WSA_RECV_MSG: "PPPPP",  # socket, WSAMSG, received, overlapped, routine
    Extension.WSA_SEND_MSG: "PPIPPP",  # socket, WSAMSG, flags, sent, overlapped, routine
}


def address(sock: FileLike, extension: Extension, *, ask: Ioctl = ioctl) -> int:
    """Where the function is, for sockets of this one's provider.

    Raises OSError with winerror 10022 for a provider that does not have it, 10038 for what is no socket.
    """
    answer = ask(sock, SIO_GET_EXTENSION_FUNCTION_POINTER, extension.guid, _POINTER.size)
    found: int = _POINTER.unpack(answer)[0]
    return found


def available(sock: FileLike, *, ask: Ioctl = ioctl) -> dict[Extension, int]:
    """The functions that this socket's provider has, with their addresses; OSError for what is no socket."""
    found = {}
    for extension in Extension:
        try:
            found[extension] = address(sock, extension, ask=ask)
        except OSError as error:
            if getattr(error, "winerror", None) in (None, WinError.WSAENOTSOCK):
                raise
    return found


def load(sock: FileLike, extension: Extension) -> Callable[..., int]:
    """The function, for :mod:`ctypes`: it keeps GetLastError for ``ctypes.get_last_error()``.

    SAFETY: it follows the addresses that it is given; buffers and OVERLAPPED are the kernel's until their packet comes.
    """
    import ctypes  # only who calls it this way needs it

    kinds: dict[str, Any] = {"P": ctypes.c_void_p, "I": ctypes.c_ulong, "i": ctypes.c_int}
    place = address(sock, extension)
    function = getattr(ctypes, "WINFUNCTYPE")  # noqa: B009 - no attribute of it elsewhere, as type checkers know
    prototype = function(ctypes.c_int, *(kinds[kind] for kind in PROTOTYPES[extension]), use_last_error=True)
    loaded: Callable[..., int] = prototype(place)
    return loaded


def base_socket(sock: FileLike, *, ask: Ioctl = ioctl) -> int:
    """The socket of the system's own provider: the one that \\Device\\Afd and completion modes know.

    Without layered providers that is the socket itself.  Some layered providers answer SIO_BASE_HANDLE with an error,
    which Microsoft forbids them, but let the SIO_BSP_HANDLE requests through; what these answer is asked again.  Where
    none of them is known (Wine does not have the latter) the socket is the base.
    """
    number = sock if isinstance(sock, int) else sock.fileno()
    for _ in range(_LAYERS):
        below = _asked(number, SIO_BASE_HANDLE, ask)
        if below is not None:
            return below
        for code in (SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE):
            below = _asked(number, code, ask)
            if below is not None and below != number:
                break
        else:
            return number
        number = below
    return number


#: More providers than anybody has on top of each other; ends the search where two answer with each other.
_LAYERS = 16


def _asked(number: int, code: int, ask: Ioctl) -> int | None:
    try:
        found: int = _POINTER.unpack(ask(number, code, b"", _POINTER.size))[0]
    except OSError as error:
        if getattr(error, "winerror", None) in (None, WinError.WSAENOTSOCK):
            raise  # nobody was asked, or it is no socket
        return None
    return found
