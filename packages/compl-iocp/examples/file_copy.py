"""Copy a file with several reads and writes in flight in the kernel: its handles are opened for overlapped operations.

    python file_copy.py source target --block 1048576 --depth 8

What open() gives works on a completion port as well, but Windows makes every call on such a handle wait, so helper
threads carry them.  Each block is the token of its operations: read, then written, then used again for the next piece.
"""

from __future__ import annotations

import _winapi
import argparse
from pathlib import Path

import compl_core
from compl_core import CompletionPort, Kind

FILE_FLAG_OVERLAPPED = 0x4000_0000
CREATE_ALWAYS = 2


class Block:
    def __init__(self, size: int) -> None:
        self.buffer = bytearray(size)
        self.offset = self.start = self.end = 0  # of the file; what of the buffer is still to be written

    def rest(self) -> memoryview:
        return memoryview(self.buffer)[self.start : self.end]


def copy(port: CompletionPort, source: int, target: int, size: int, block_size: int, depth: int) -> int:
    """The operations that the kernel, and no helper thread, has done."""
    in_kernel = position = 0
    idle = [Block(block_size) for _ in range(depth)]
    while True:
        while idle and position < size:
            block = idle.pop()
            block.offset, block.start, block.end = position, 0, min(block_size, size - position)
            port.read(source, block.rest(), block.offset, block)
            position += block.end
        if len(idle) == depth:
            return in_kernel
        for done in port.wait():
            block, moved = done.token, done.unwrap()
            assert isinstance(block, Block)
            if done.kind is Kind.READ:
                block.end = moved  # the file may have become shorter meanwhile
            else:
                block.start += moved
            in_kernel += not done.flags & compl_core.CompletionFlags.VIA_THREAD
            if block.start < block.end:
                port.write(target, block.rest(), block.offset + block.start, block)
            else:
                idle.append(block)


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy a file.")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--block", type=int, default=1 << 20, help="bytes of one read or write")
    parser.add_argument("--depth", type=int, default=8, help="blocks in flight")
    options = parser.parse_args()
    overlapped = (FILE_FLAG_OVERLAPPED, 0)
    source = _winapi.CreateFile(options.source, _winapi.GENERIC_READ, 1, 0, _winapi.OPEN_EXISTING, *overlapped)
    target = _winapi.CreateFile(options.target, _winapi.GENERIC_WRITE, 0, 0, CREATE_ALWAYS, *overlapped)
    size = Path(options.source).stat().st_size
    with compl_core.open_port("compl_iocp:backend") as port:
        done = copy(port, source, target, size, options.block, options.depth)
        print(f"copied {size} bytes, {done} operations in the kernel")
    for handle in (source, target):
        _winapi.CloseHandle(handle)


if __name__ == "__main__":
    main()
