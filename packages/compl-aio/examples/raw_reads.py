"""AIO as it is: read a file block by block, several in flight, and add up its bytes.

    python raw_reads.py large.bin --depth 32

Control blocks are made once and submitted again and again, each with its number as `aio_data`.  Where the file system
knows O_DIRECT the reads are asynchronous; else io_submit reads, and every event is there when it returns.
"""

from __future__ import annotations

import argparse
import mmap
import os
from pathlib import Path

from compl_aio import EventArray, IocbCmd, IoContext, IoControlBlock

BLOCK = 64 * 1024


def opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return os.open(path, os.O_RDONLY)


def total(context: IoContext, file: int, depth: int) -> tuple[int, int]:
    """The bytes of the file, and their sum."""
    size = os.fstat(file).st_size
    buffers = [mmap.mmap(-1, BLOCK) for _ in range(depth)]
    blocks = [IoControlBlock(IocbCmd.PREAD, file, buffer, aio_data=slot) for slot, buffer in enumerate(buffers)]
    events = EventArray(depth)
    offset = read = summed = 0
    free = list(blocks)
    while read < size:
        batch = []
        while free and offset < size:
            block = free.pop()
            block.aio_offset = offset
            offset += BLOCK
            batch.append(block)
        while batch:  # the kernel may take fewer than it is given
            batch = batch[context.submit(batch) :]
        context.get_events(1, events)
        for event in events:
            if event.res <= 0:
                raise OSError(-event.res, os.strerror(-event.res)) if event.res else EOFError("the file became shorter")
            read += event.res
            summed += sum(buffers[event.data][: event.res])
            free.append(blocks[event.data])
    return read, summed


def main() -> None:
    parser = argparse.ArgumentParser(description="Add up the bytes of a file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--depth", type=int, default=32, help="reads in flight")
    options = parser.parse_args()
    file = opened(options.file)
    try:
        with IoContext(options.depth) as context:
            read, summed = total(context, file, options.depth)
            print(f"{read} bytes, their sum is {summed} (ring read in user space: {context.reads_ring})")
    finally:
        os.close(file)


if __name__ == "__main__":
    main()
