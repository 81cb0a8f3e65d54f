"""The structs as declared, against what the compiler of this very module made of them."""

from __future__ import annotations

import ctypes
import ctypes.wintypes

from compl_core.layout import check_all, select
from compl_iocp import _native
from compl_iocp.layouts import LAYOUTS


def test_this_build() -> None:
    declared = [layout for layout in select(LAYOUTS) if layout.name in _native.LAYOUTS]
    assert check_all(declared, _native.LAYOUTS) == []


def test_what_goes_to_the_kernel_was_measured() -> None:
    unmeasured = {layout.name for layout in select(LAYOUTS)} - set(_native.LAYOUTS)
    # Those that only callers of winsock.load() use, and of which this module makes none.
    assert unmeasured == {"FILE_COMPLETION_INFORMATION", "GUID", "TRANSMIT_FILE_BUFFERS", "WSACMSGHDR"}


def test_a_handle_is_a_pointer() -> None:
    assert ctypes.sizeof(ctypes.wintypes.HANDLE) == ctypes.sizeof(ctypes.c_void_p)
