"""Copy a file with several reads and writes in flight, then compare source and copy.

python file_copy.py SOURCE TARGET [--block 1048576] [--depth 4]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import BinaryIO

import compl_core
from compl_core import Kind


class Block:
    """A buffer on its way from one place of the source to the same place of the target."""

    def __init__(self, size: int) -> None:
        self.buffer = memoryview(bytearray(size))
        self.offset = 0
        self.filled = self.written = 0


def copy(port: compl_core.CompletionPort, source: BinaryIO, target: BinaryIO, size: int, depth: int) -> int:
    """Copy everything; the number of bytes."""
    copied, next_offset, length = 0, 0, source.seek(0, 2)

    def read_next(block: Block) -> None:
        nonlocal next_offset
        if next_offset < length:
            block.offset, block.filled, block.written = next_offset, 0, 0
            next_offset += size
            port.read(source, block.buffer, block.offset, block)

    for _ in range(depth):
        read_next(Block(size))
    while port.in_flight:
        for done in port.wait():
            count, block = done.unwrap(), done.token
            assert isinstance(block, Block)
            if done.kind is Kind.READ:
                block.filled += count
                wanted = min(size, length - block.offset)
                if count and block.filled < wanted:  # a short read: the rest of this block
                    port.read(source, block.buffer[block.filled :], block.offset + block.filled, block)
                    continue
            else:
                block.written += count
                copied += count
            if block.written < block.filled:
                rest = block.buffer[block.written : block.filled]
                port.write(target, rest, block.offset + block.written, block)
            else:
                read_next(block)
    return copied


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--block", type=int, default=1 << 20, help="bytes")
    parser.add_argument("--depth", type=int, default=4, help="blocks in flight")
    options = parser.parse_args()
    with options.source.open("rb", 0) as source, options.target.open("w+b", 0) as target:
        with compl_core.open_port() as port:
            copied = copy(port, source, target, options.block, options.depth)
        source.seek(0)
        target.seek(0)
        digests = [hashlib.file_digest(file, "sha256").hexdigest() for file in (source, target)]
    if digests[0] != digests[1]:
        raise SystemExit(f"{options.target} differs from {options.source}")
    print(f"{copied} bytes, sha256 {digests[0]}")


if __name__ == "__main__":
    main()
