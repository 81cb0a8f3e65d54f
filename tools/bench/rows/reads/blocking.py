"""Row `reads`, blocking calls: one after the other, and several by a pool of threads."""

from __future__ import annotations

import itertools
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from bench.clock import timed
from bench.row import Values
from bench.rows.reads.blocks import BLOCK, check, offsets, opened, page


def os_pread(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    del depth  # one
    source, pread, upcoming = opened(path, direct), os.pread, offsets(blocks)
    file = source.fileno()

    def rounds(count: int) -> None:
        for offset in itertools.islice(upcoming, count):
            pread(file, BLOCK, offset)

    check(pread(file, BLOCK, 5 * BLOCK), 5)
    return timed(rounds, 1, seconds)


def os_preadv(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    del depth  # one
    source, preadv, upcoming = opened(path, direct), os.preadv, offsets(blocks)
    file = source.fileno()
    buffer = page()
    buffers = [buffer]

    def rounds(count: int) -> None:
        for offset in itertools.islice(upcoming, count):
            preadv(file, buffers, offset)

    preadv(file, buffers, 5 * BLOCK)
    check(buffer, 5)
    return timed(rounds, 1, seconds)


def thread_pool(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    source, preadv, upcoming = opened(path, direct), os.preadv, offsets(blocks)
    file = source.fileno()
    submit = ThreadPoolExecutor().submit
    buffers = [[page()] for _ in range(depth)]

    def rounds(count: int) -> None:
        pending = deque((submit(preadv, file, buffer, 0), buffer) for buffer in buffers[: min(depth, count)])
        for offset in itertools.islice(upcoming, count - len(pending)):
            future, buffer = pending.popleft()
            future.result()
            pending.append((submit(preadv, file, buffer, offset), buffer))
        for future, _buffer in pending:
            future.result()

    submit(preadv, file, buffers[0], 5 * BLOCK).result()
    check(buffers[0][0], 5)
    return timed(rounds, 1, seconds)
