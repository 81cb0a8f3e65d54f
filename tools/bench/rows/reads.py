"""Row `reads`: 4 KiB blocks of a file in the page cache, 32 reads in flight where an implementation can."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.clock import timed
from bench.environment import BUILD
from bench.ports import on_ports, open_port
from bench.process import run_anywhere
from bench.row import Case, Implementation, Metric, Native, Row, Values

BLOCK = 4096
BLOCKS = 16384
#: From one block to the next that is read: coprime to BLOCKS, so that all are read, and no neighbour is.
STRIDE = 7919
DEPTH = 32
PATH = BUILD / "blocks.bin"


def run_with_file(command: Sequence[str], parameters: Mapping[str, object]) -> Values:
    """Make the file if it is not there (its blocks begin with their own numbers) and bring it into the cache."""
    if not PATH.exists() or PATH.stat().st_size != BLOCK * BLOCKS:
        with PATH.open("wb") as file:
            for number in range(BLOCKS):
                file.write(number.to_bytes(8, "little") + os.urandom(BLOCK - 8))
    PATH.read_bytes()
    return run_anywhere(command, {**parameters, "path": PATH, "blocks": BLOCKS})


def check(block: bytes | bytearray, number: int) -> None:
    found = int.from_bytes(block[:8], "little")
    if len(block) != BLOCK or found != number:
        raise RuntimeError(f"asked for block {number}, read {len(block)} bytes of block {found}")


def os_pread(seconds: float, path: str, blocks: int) -> Values:
    file, pread, at = os.open(path, os.O_RDONLY), os.pread, 0

    def rounds(count: int) -> None:
        nonlocal at
        for _ in range(count):
            at = (at + STRIDE) % blocks
            pread(file, BLOCK, at * BLOCK)

    check(pread(file, BLOCK, 5 * BLOCK), 5)
    return timed(rounds, 1, seconds)


def os_preadv(seconds: float, path: str, blocks: int) -> Values:
    file, preadv, at = os.open(path, os.O_RDONLY), os.preadv, 0
    buffer = bytearray(BLOCK)
    buffers = [buffer]

    def rounds(count: int) -> None:
        nonlocal at
        for _ in range(count):
            at = (at + STRIDE) % blocks
            preadv(file, buffers, at * BLOCK)

    preadv(file, buffers, 5 * BLOCK)
    check(buffer, 5)
    return timed(rounds, 1, seconds)


def thread_pool(seconds: float, path: str, blocks: int) -> Values:
    file, pread, at = os.open(path, os.O_RDONLY), os.pread, 0
    submit = ThreadPoolExecutor().submit

    def rounds(count: int) -> None:
        nonlocal at
        pending = deque(submit(pread, file, BLOCK, 0) for _ in range(min(DEPTH, count)))
        for _ in range(count - len(pending)):
            pending.popleft().result()
            at = (at + STRIDE) % blocks
            pending.append(submit(pread, file, BLOCK, at * BLOCK))
        for future in pending:
            future.result()

    check(submit(pread, file, BLOCK, 5 * BLOCK).result(), 5)
    return timed(rounds, 1, seconds)


def port_read(backend: str, seconds: float, path: str, blocks: int) -> Values:
    port = open_port(backend)
    buffers = [bytearray(BLOCK) for _ in range(DEPTH)]
    file, read, wait, at = os.open(path, os.O_RDONLY), port.read, port.wait, 0

    def rounds(count: int) -> None:
        nonlocal at
        started = min(DEPTH, count)
        for buffer in buffers[:started]:
            read(file, buffer, 0, buffer)
        finished = 0
        while finished < count:
            for done in wait(DEPTH):
                finished += done.result == BLOCK
                if started < count:
                    started += 1
                    at = (at + STRIDE) % blocks
                    free: Any = done.token
                    read(file, free, at * BLOCK, free)

    read(file, buffers[0], 5 * BLOCK)
    wait(1)[0].unwrap()
    check(buffers[0], 5)
    return timed(rounds, 1, seconds)


ROW = Row(
    name="reads",
    title="cached file reads",
    description=(
        f"4 KiB blocks of a {BLOCK * BLOCKS >> 20} MiB file that is in the page cache, {DEPTH} in flight; C pread, "
        "os.pread and os.preadv: one. CPU of all threads, which may use all cores."
    ),
    cases=(Case(f"cached, depth {DEPTH}", {}),),
    metrics=(Metric("cpu", "CPU time, all threads", "ns per read"), Metric("wall", "wall time", "ns per read")),
    implementations=(
        Implementation("C pread", Native("pread")),
        Implementation("os.pread", os_pread),
        Implementation("os.preadv", os_preadv),
        Implementation("ThreadPoolExecutor", thread_pool),
        *on_ports(port_read),
    ),
    observe=run_with_file,
)
