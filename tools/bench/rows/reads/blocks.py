"""Row `reads`: the file, the order in which its blocks are read, and the buffers."""

from __future__ import annotations

import io
import itertools
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence

from bench.environment import BUILD
from bench.process import run_anywhere
from bench.row import Values

BLOCK = 4096
BLOCKS = 16384
#: From one block to the next that is read: coprime to BLOCKS, so that all are read, and no neighbour is.
STRIDE = 7919
PATH = BUILD / "blocks.bin"


def run_with_file(command: Sequence[str], parameters: Mapping[str, object]) -> Values:
    """Make the file if it is not there (its blocks begin with their own numbers) and bring it into the cache.

    Reads past the cache (O_DIRECT) find nothing of it to be written first.
    """
    if not PATH.exists() or PATH.stat().st_size != BLOCK * BLOCKS:
        with PATH.open("wb") as file:
            for number in range(BLOCKS):
                file.write(number.to_bytes(8, "little") + os.urandom(BLOCK - 8))
            os.fsync(file.fileno())
    PATH.read_bytes()
    return run_anywhere(command, {**parameters, "path": PATH, "blocks": BLOCKS})


def opened(path: str, direct: int) -> io.FileIO:
    """A file object: a port knows it again without asking the kernel; the rest take its number."""
    return open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_DIRECT * direct))


def offsets(blocks: int) -> Iterator[int]:
    """Where to read next, without end; made beforehand, as the arithmetic would cost a tenth of a read."""
    return itertools.cycle([number * STRIDE % blocks * BLOCK for number in range(1, blocks + 1)])


def page() -> mmap.mmap:
    """A buffer for one block, aligned as O_DIRECT asks for."""
    return mmap.mmap(-1, BLOCK)


def check(block: bytes | bytearray | mmap.mmap, number: int) -> None:
    found = int.from_bytes(block[:8], "little")
    if len(block) != BLOCK or found != number:
        raise RuntimeError(f"asked for block {number}, read {len(block)} bytes of block {found}")
