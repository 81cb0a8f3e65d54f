"""Row `copy` through a port: vectored reads, each followed by the write of the same buffers, several at once."""

from __future__ import annotations

import mmap
from typing import Any

from bench.ports import open_port
from bench.row import Values
from bench.rows.copy.files import measured

PIECE, PIECES, DEPTH = 1 << 17, 4, 4


class Slot:
    """The token of a read and of the write after it."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [mmap.mmap(-1, PIECE) for _ in range(PIECES)]
        self.offset = 0


def vectored(backend: str, source: str, target: str, copies: int, cold: int, seconds: float) -> Values:
    from compl_core import Kind

    del seconds
    port = open_port(backend)

    def copy(reading: int, writing: int, size: int) -> None:
        if size % (PIECE * PIECES):
            raise ValueError(f"{size} bytes are no multiple of {PIECE * PIECES}")
        upcoming = iter(range(0, size, PIECE * PIECES))
        for slot, offset in zip([Slot() for _ in range(DEPTH)], upcoming, strict=False):
            slot.offset = offset
            port.read_vectored(reading, slot.buffers, offset, slot)
        while port.in_flight:
            for done in port.wait():
                token: Any = done.token
                if done.unwrap() != PIECE * PIECES:
                    raise RuntimeError(f"a piece was short: {done}")
                if done.kind is Kind.READ:
                    port.write_vectored(writing, token.buffers, token.offset, token)
                elif (following := next(upcoming, None)) is not None:
                    token.offset = following
                    port.read_vectored(reading, token.buffers, following, token)

    return measured(copy, source, target, copies, cold)
