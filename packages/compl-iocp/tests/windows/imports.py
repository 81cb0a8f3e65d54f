"""Replace what the native module imports: a function of the test's own stands where one of Windows' stood.

An import table is a list of addresses that calls go through, in the image as it is in memory (Microsoft's "PE Format").
"""

from __future__ import annotations

import contextlib
import ctypes
import struct
from collections.abc import Callable, Iterator
from typing import Any

from compl_iocp import _native

KERNEL32 = ctypes.WinDLL("kernel32", use_last_error=True)
KERNEL32.GetModuleHandleW.restype = ctypes.c_void_p
_READ_AND_WRITE = 4

_INT, _DWORD, _POINTER = ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p
#: What the tests replace, as the headers declare it.
PROTOTYPES = {
    "setsockopt": ctypes.WINFUNCTYPE(_INT, _POINTER, _INT, _INT, _POINTER, _INT),
    "WSAIoctl": ctypes.WINFUNCTYPE(
        _INT, _POINTER, _DWORD, _POINTER, _DWORD, _POINTER, _DWORD, _POINTER, _POINTER, _POINTER
    ),
    "GetQueuedCompletionStatusEx": ctypes.WINFUNCTYPE(_INT, _POINTER, _POINTER, _DWORD, _POINTER, _DWORD, _INT),
    "SetFileCompletionNotificationModes": ctypes.WINFUNCTYPE(_INT, _POINTER, ctypes.c_ubyte),
    "NtSetInformationFile": ctypes.WINFUNCTYPE(ctypes.c_long, _POINTER, _POINTER, _POINTER, _DWORD, _INT),
}


@contextlib.contextmanager
def replaced(name: str, fake: Callable[..., int]) -> Iterator[None]:
    """Calls of ``name`` by the module go to ``fake``, which is given the original before the call's own arguments."""
    prototype = PROTOTYPES[name]
    slot = _slot(name)
    before = ctypes.c_size_t.from_address(slot).value
    original = prototype(before)

    def call(*arguments: Any) -> int:
        return fake(original, *arguments)

    callback = prototype(call)
    _write(slot, ctypes.cast(callback, _POINTER).value or 0)
    try:
        yield
    finally:
        _write(slot, before)


def _slot(name: str) -> int:
    """The address of the address of an imported function."""
    base = KERNEL32.GetModuleHandleW(_native.__file__)
    assert base, f"{_native.__file__} is not loaded"

    def numbers(code: str, offset: int) -> tuple[int, ...]:
        return struct.unpack(code, ctypes.string_at(base + offset, struct.calcsize(code)))

    (header,) = numbers("<I", 0x3C)
    (descriptor,) = numbers("<I", header + 24 + 112 + 8)
    while True:
        lookup, _, _, library, addresses = numbers("<5I", descriptor)
        if library == 0:
            raise LookupError(f"{_native.__file__} does not import {name}")
        for index in range(0x10000):
            (place,) = numbers("<Q", lookup + 8 * index)
            if place == 0:
                break
            if not place >> 63 and ctypes.string_at(base + place + 2) == name.encode():
                return int(base + addresses + 8 * index)
        descriptor += 20


def _write(slot: int, address: int) -> None:
    before = _DWORD()
    assert KERNEL32.VirtualProtect(_POINTER(slot), ctypes.c_size_t(8), _READ_AND_WRITE, ctypes.byref(before))
    # SAFETY: an aligned address, written at once: a call in another thread goes to the one or the other
    ctypes.c_size_t.from_address(slot).value = address
    assert KERNEL32.VirtualProtect(_POINTER(slot), ctypes.c_size_t(8), before, ctypes.byref(before))
