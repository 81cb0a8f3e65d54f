"""What scenarios move about: bytes in which every position can be told apart, buffers that tell whether they are
held.
"""

from __future__ import annotations

import hashlib

from compl_conformance.expect import expect


def pattern(length: int, seed: int = 0) -> bytes:
    """``length`` bytes that repeat nowhere, so that a lost, doubled or moved one shows."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(length)


def expect_bytes(found: bytes | bytearray | memoryview, wanted: bytes, where: str = "the buffer") -> None:
    """Fail, showing the first difference, unless ``found`` is ``wanted``."""
    found = bytes(found)
    if found == wanted:
        return
    common = min(len(found), len(wanted))
    first = next((at for at in range(common) if found[at] != wanted[at]), common)
    expect(
        False,
        f"{where} to hold {len(wanted)} bytes, {wanted[first : first + 16]!r} at {first}",
        f"{len(found)} bytes, {found[first : first + 16]!r} at {first}",
    )


def exported(buffer: bytearray) -> bool:
    """Somebody holds the buffer, so that it cannot be resized."""
    try:
        buffer.append(0)
    except BufferError:
        return True
    buffer.pop()
    return False


def expect_exported(buffer: bytearray, when: str) -> None:
    expect(exported(buffer), f"the buffer to be held (BufferError on a resize) {when}", "it can be resized")


def expect_released(buffer: bytearray, when: str) -> None:
    expect(not exported(buffer), f"the buffer to be released {when}", "BufferError on a resize: it is still held")
