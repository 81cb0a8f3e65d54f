"""A port seen from another selector: whether its descriptor is readable."""

from __future__ import annotations

import select
import sys

from compl_conformance.expect import expect, expect_nothing, patience
from compl_core import CompletionPort


def is_readable(port: CompletionPort, timeout: float) -> bool:
    """Whether ``fileno()`` becomes readable (on Windows: the HANDLE signalled) within ``timeout`` seconds."""
    if sys.platform == "win32":
        import _winapi

        return _winapi.WaitForSingleObject(port.fileno(), int(timeout * 1000)) == _winapi.WAIT_OBJECT_0
    watch = select.poll()
    watch.register(port.fileno(), select.POLLIN)
    return bool(watch.poll(timeout * 1000))


def expect_readable(port: CompletionPort, what: str) -> None:
    seconds = patience()
    expect(is_readable(port, seconds), f"fileno() to become readable by {what}", f"it did not within {seconds:g} s")


def expect_quiet(port: CompletionPort) -> None:
    """Nothing to return, and, since a wait of 0 s has settled that, nothing readable either."""
    expect_nothing(port, 0)
    expect(not is_readable(port, 0), "fileno() not readable after wait(timeout=0) returned []", "it is readable")
