"""Arrivals of pooled receives: what a completion that carries a view must look like, and their bytes in a row."""

from __future__ import annotations

from typing import Any

from compl_conformance.expect import expect, expect_completion, patience, until, wait_for
from compl_core import BufferPool, Completion, CompletionPort, Kind


def arrival(done: Completion, **asked: Any) -> memoryview:
    """The view of a completion that is one of several; ``asked`` as of expect_completion()."""
    expect_completion(done, kind=Kind.RECV, error=None, more=True, eof=False, **asked)
    view = done.value
    expect(isinstance(view, memoryview), "value to be a memoryview", done)
    expect(view.nbytes == done.result, f"a view of the {done.result} bytes", f"{view.nbytes} bytes")
    found: memoryview = view
    return found


def taken(done: Completion, **asked: Any) -> bytes:
    """The bytes of an arrival, whose buffer is given back."""
    with arrival(done, **asked) as view:
        return bytes(view)


def gather(port: CompletionPort, count: int, **asked: Any) -> bytes:
    """``count`` bytes of one stream, whose buffers are given back as they come."""
    found = bytearray()
    while len(found) < count:
        found += taken(wait_for(port, 1, patience())[0], **asked)
    return bytes(found)


def expect_over(done: Completion, *, error: int | None = None, eof: bool = False, **asked: Any) -> None:
    """The last completion of a pooled receive: without MORE, without a view."""
    expect_completion(done, kind=Kind.RECV, error=error, more=False, eof=eof, value=None, **asked)


def expect_available(pool: BufferPool, count: int, when: str) -> None:
    """So many buffers in the pool, now or a moment later when a thread of the port's has let go of one."""
    until(lambda: pool.available == count, what=f"{count} of {pool.count} buffers available {when}")
