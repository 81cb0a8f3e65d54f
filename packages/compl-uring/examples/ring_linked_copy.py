"""Copy a file on the raw ring: each block is a read with a write linked to it, which starts when the read is done.

    python ring_linked_copy.py source target --block 1048576 --depth 8

No Python code runs between the two.  The number of the block is the user_data of its read; its write has WRITE added.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import BinaryIO

from compl_uring import Ring, SqeFlags

WRITE = 1 << 32


def copy(ring: Ring, source: BinaryIO, target: BinaryIO, size: int, block: int, depth: int) -> None:
    spare = [memoryview(bytearray(block)) for _ in range(depth)]  # blocks complete in any order
    flying: dict[int, tuple[memoryview, int]] = {}  # by number: the buffer, and how many bytes of it
    following = 0
    while flying or following * block < size:
        while spare and following * block < size:
            offset, length = following * block, min(block, size - following * block)
            buffer = spare.pop()
            ring.read(source, buffer[:length], offset, user_data=following, flags=SqeFlags.IO_LINK)
            ring.write(target, buffer[:length], offset, user_data=WRITE | following)
            flying[following] = buffer, length
            following += 1
        for entry in ring.submit_and_wait():
            number = entry.user_data & ~WRITE
            buffer, length = flying[number]
            if entry.res < 0:
                raise OSError(-entry.res, os.strerror(-entry.res))
            if entry.res < length:
                raise EOFError(f"{entry.res} of {length} bytes moved: the file became shorter, or the disk is full")
            if entry.user_data & WRITE:
                del flying[number]
                spare.append(buffer)
    ring.fsync(target)
    if ring.submit_and_wait()[0].res < 0:
        raise OSError(f"{target.name} could not be written to the disk")


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy a file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--block", type=int, default=1 << 20, help="bytes of one read and write")
    parser.add_argument("--depth", type=int, default=8, help="blocks in flight")
    options = parser.parse_args()
    if options.target.exists() and options.target.samefile(options.source):
        parser.error("source and target are one file")
    with options.source.open("rb", buffering=0) as source, options.target.open("wb", buffering=0) as target:
        size = os.fstat(source.fileno()).st_size
        with Ring(2 * options.depth) as ring:
            copy(ring, source, target, size, options.block, options.depth)
        print(f"copied {size} bytes in linked reads and writes")


if __name__ == "__main__":
    main()
