"""Copy a file on a completion port over io_uring that one thread has to itself, several blocks in flight.

    python port_file_copy.py source target --block 1048576 --depth 8

Each block is the token of its operations: it is read, then written, then the next one of the file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from compl_core import CompletionPort, Kind
from compl_uring import UringPort


class Block:
    def __init__(self, size: int) -> None:
        self.memory = memoryview(bytearray(size))

    def begin(self, offset: int, size: int) -> None:
        """What is left to be read or written, and where."""
        self.offset, self.size, self.place, self.rest = offset, size, offset, self.memory[:size]


def copy(port: CompletionPort, source: BinaryIO, target: BinaryIO, blocks: list[Block], size: int) -> None:
    def read_next(block: Block) -> None:
        for offset in offsets:
            block.begin(offset, min(len(block.memory), size - offset))
            port.read(source, block.rest, block.place, block)
            return

    offsets: Iterator[int] = iter(range(0, size, len(blocks[0].memory)))
    for block in blocks:
        read_next(block)
    while port.in_flight:
        for done in port.wait():
            block = done.token  # type: ignore[assignment]
            if done.unwrap() == 0:
                raise EOFError(f"nothing moved at {block.place}: the file became shorter while it was copied")
            block.place, block.rest = block.place + done.result, block.rest[done.result :]
            if block.rest:  # an operation may move less than it was asked to
                again = port.read if done.kind is Kind.READ else port.write
                again(source if done.kind is Kind.READ else target, block.rest, block.place, block)
            elif done.kind is Kind.READ:
                block.begin(block.offset, block.size)
                port.write(target, block.rest, block.place, block)
            else:
                read_next(block)
    port.fsync(target)
    port.wait()[0].unwrap()


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy a file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--block", type=int, default=1 << 20, help="bytes of one read or write")
    parser.add_argument("--depth", type=int, default=8, help="reads and writes in flight")
    options = parser.parse_args()
    if options.target.exists() and options.target.samefile(options.source):
        parser.error("source and target are one file")
    with options.source.open("rb", buffering=0) as source, options.target.open("wb", buffering=0) as target:
        with UringPort(single_thread=True) as port:
            size = os.fstat(source.fileno()).st_size
            copy(port, source, target, [Block(options.block) for _ in range(options.depth)], size)
            print(f"copied {size} bytes ({port.name}, {port.statistics()['submitted']} operations)")


if __name__ == "__main__":
    main()
