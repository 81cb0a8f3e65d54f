"""Copy a file with several reads and writes in flight, and read the copy back to compare.

    python file_copy.py source target --block 1048576 --depth 8

Each of the ``depth`` workers is a generator: it yields the operation that it needs next and is sent the completion,
whose token it is.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import compl_core
from compl_core import Completion, CompletionPort, Fsync, Operation, Read, Write

Worker: TypeAlias = Generator[Operation, Completion, None]


def whole(view: memoryview, operation: Callable[[memoryview, int], Operation], offset: int) -> Worker:
    """Read or write all of ``view``: an operation may move less than it was asked to."""
    while view:
        done = yield operation(view, offset)
        if done.unwrap() == 0:
            raise EOFError(f"nothing moved at {offset}: the file became shorter while it was copied")
        view, offset = view[done.result :], offset + done.result


def copy(source: BinaryIO, target: BinaryIO, pieces: Iterator[tuple[int, int]], block: int) -> Worker:
    """Piece after piece, as long as there are some: read, write, read back, compare."""
    wanted, found = memoryview(bytearray(block)), memoryview(bytearray(block))
    for offset, size in pieces:
        yield from whole(wanted[:size], lambda view, at: Read(source, view, at), offset)
        yield from whole(wanted[:size], lambda view, at: Write(target, view, at), offset)
        yield from whole(found[:size], lambda view, at: Read(target, view, at), offset)
        if wanted[:size] != found[:size]:
            raise OSError(f"{target.name}: not what was written, between {offset} and {offset + size}")
    yield Fsync(target)


def run(port: CompletionPort, workers: list[Worker]) -> None:
    """Start every worker, and go on with each as its operations complete, until all have ended."""
    for worker in workers:
        port.submit(next(worker), token=worker)
    while port.in_flight:
        for done in port.wait():
            done.unwrap()
            assert isinstance(done.token, Generator)
            try:
                port.submit(done.token.send(done), token=done.token)
            except StopIteration:
                pass  # this worker has ended


def main() -> None:
    parser = argparse.ArgumentParser(description="Copy a file, and check the copy.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--block", type=int, default=1 << 20, help="bytes of one read or write")
    parser.add_argument("--depth", type=int, default=8, help="reads and writes in flight")
    parser.add_argument("--backend", help="epoll, uring ...; the best one if left out")
    options = parser.parse_args()
    if options.target.exists() and options.target.samefile(options.source):
        parser.error("source and target are one file")
    with options.source.open("rb", buffering=0) as source, options.target.open("w+b", buffering=0) as target:
        size = os.fstat(source.fileno()).st_size
        pieces = ((offset, min(options.block, size - offset)) for offset in range(0, size, options.block))
        with compl_core.open_port(options.backend) as port:
            run(port, [copy(source, target, pieces, options.block) for _ in range(options.depth)])
            print(f"copied and compared {size} bytes ({port.name}, {port.statistics()['submitted']} operations)")


if __name__ == "__main__":
    main()
