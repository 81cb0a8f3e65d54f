"""Values at the edges of what the contract allows, and just beyond them."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Final

from compl_conformance.expect import until

#: Legal keys: the ends of the range, and where narrower or signed or floating types would give way.
KEYS: Final = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
#: Legal results of a post.
RESULTS: Final = (0, 1, 0xFF, 0x1_0000, 2**31 - 1, 2**31, 2**32 - 1)
#: What is no integer, though it may look like one.
NOT_INTEGERS: Final[tuple[Any, ...]] = (None, "1", b"1", 1.0, True, [], object())
#: What is no number of seconds.
NOT_SECONDS: Final[tuple[Any, ...]] = ("1", b"1", [], 1j, object())
#: What is no file at all.
NOT_FILES: Final[tuple[Any, ...]] = (None, "1", b"1", 1.5, [], object())


class Index:
    """An integer that is not an int, as numpy's are."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


class Token:
    """An object that a weak reference can watch, which a plain ``object()`` does not allow."""


def expect_freed(reference: weakref.ref[Any], what: str) -> None:
    """Nothing refers to the object any more, now or a moment later when a thread of the port's has let go of it."""
    until(lambda: gc.collect() >= 0 and reference() is None, what=what)
