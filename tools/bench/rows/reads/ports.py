"""Row `reads` through a port: each completion's buffer goes out again with the next block."""

from __future__ import annotations

from typing import Any

from bench.clock import timed
from bench.ports import open_port
from bench.row import Values
from bench.rows.reads.blocks import BLOCK, check, offsets, opened, page

#: Fields of a completion: by position they cost a third of what names cost on Python 3.11.
RESULT, TOKEN = 1, 2


def read(backend: str, path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    port = open_port(backend)
    buffers = [page() for _ in range(depth)]
    file, read, wait = opened(path, direct), port.read, port.wait
    upcoming, owed = offsets(blocks), 0

    def rounds(count: int) -> None:
        """Take so many completions; each is followed by the next read, so that the depth stays what it is."""
        nonlocal owed
        done: Any
        owed += count
        while owed > 0:
            finished = wait(depth)
            owed -= len(finished)
            for done, offset in zip(finished, upcoming, strict=False):
                if done[RESULT] != BLOCK:
                    raise RuntimeError(f"a read gave {done}")
                buffer = done[TOKEN]
                read(file, buffer, offset, buffer)

    read(file, buffers[0], 5 * BLOCK)
    wait(1)[0].unwrap()
    check(buffers[0], 5)
    for buffer in buffers:
        read(file, buffer, 0, buffer)
    return timed(rounds, 1, seconds)
