"""Copy a file past the page cache, with many reads and writes in flight.

    python direct_copy.py source target --depth 32

O_DIRECT wants aligned buffers, offsets and lengths: anonymous memory maps are aligned to a page.  The last block is
written whole, and the copy cut to its length afterwards.
"""

from __future__ import annotations

import argparse
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import compl_core
from compl_core import CompletionPort, Kind

BLOCK = 256 * 1024


def copy(port: CompletionPort, source: int, target: int, size: int, depth: int) -> None:
    """Each buffer goes round: read, written, free for the next block.  Its token is the buffer and the offset."""
    offsets: Iterator[int] = iter(range(0, size, BLOCK))

    def read_into(buffer: mmap.mmap) -> None:
        for offset in offsets:
            port.read(source, buffer, offset, (buffer, offset))
            return

    for _ in range(depth):
        read_into(mmap.mmap(-1, BLOCK))
    while port.in_flight:
        for done in port.wait():
            moved = done.unwrap()
            assert isinstance(done.token, tuple)
            buffer, offset = done.token
            if done.kind is Kind.READ:
                if moved != min(BLOCK, size - offset):
                    raise EOFError(f"{moved} bytes at {offset}: the file changed while it was copied")
                port.write(target, buffer, offset, (buffer, offset))
            elif moved != BLOCK:
                raise OSError(f"{moved} of {BLOCK} bytes written at {offset}")
            else:
                read_into(buffer)
    os.truncate(target, size)
    port.fsync(target)
    port.wait()[0].unwrap()


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy a file past the page cache.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--depth", type=int, default=32, help="reads and writes in flight")
    parser.add_argument("--backend", default="aio", help="aio, uring ...")
    options = parser.parse_args()
    if options.target.exists() and options.target.samefile(options.source):
        parser.error("source and target are one file")
    source = os.open(options.source, os.O_RDONLY | os.O_DIRECT)
    target = os.open(options.target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DIRECT, 0o666)
    try:
        size = os.fstat(source).st_size
        os.truncate(target, -(-size // BLOCK) * BLOCK)
        with compl_core.open_port(options.backend) as port:
            copy(port, source, target, size, options.depth)
            print(f"copied {size} bytes ({port.name}, {port.statistics()['submitted']} operations)")
    finally:
        os.close(source)
        os.close(target)


if __name__ == "__main__":
    main()
