"""Exports: flat views of whatever has a buffer, and when its owner is free again."""

from __future__ import annotations

import ctypes

import pytest

from compl_example.buffers import Exports


def test_views_are_bytes_whatever_the_items_are() -> None:
    items = (ctypes.c_uint32 * 3)()
    exports = Exports([items], writable=True)
    exports.views[0][4:8] = (7).to_bytes(4, "little")
    exports.release()
    assert int.from_bytes(bytes(items)[4:8], "little") == 7
    assert exports.length == 12


def test_exported_until_released() -> None:
    buffer = bytearray(4)
    exports = Exports([buffer], writable=True)
    with pytest.raises(BufferError):
        buffer.append(0)
    exports.release()
    exports.release()
    buffer.append(0)


def test_a_refused_buffer_frees_those_before_it() -> None:
    first = bytearray(4)
    with pytest.raises(BufferError, match="read-only"):
        Exports([first, b"bytes"], writable=True)
    first.append(0)


def test_rest() -> None:
    exports = Exports([bytearray(b"abcdef")], writable=False)
    assert bytes(exports.rest(2)) == b"cdef"
