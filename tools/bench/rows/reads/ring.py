"""Row `reads` on compl_uring.Ring: entries with a number of ours, which says whose buffer it was."""

from __future__ import annotations

from bench.clock import timed
from bench.row import Values
from bench.rows.reads.blocks import BLOCK, check, offsets, opened, page


def read(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    from compl_uring import Ring, SetupFlags

    ring = Ring(256, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN)
    buffers = [page() for _ in range(depth)]
    source = opened(path, direct)
    file, read, wait = source.fileno(), ring.read, ring.submit_and_wait
    upcoming, owed = offsets(blocks), 0

    def rounds(count: int) -> None:
        nonlocal owed
        owed += count
        while owed > 0:
            finished = wait(1)
            owed -= len(finished)
            for entry, offset in zip(finished, upcoming, strict=False):
                if entry.res != BLOCK:
                    raise RuntimeError(f"a read gave {entry}")
                slot = entry.user_data
                read(file, buffers[slot], offset, slot)

    read(file, buffers[0], 5 * BLOCK, 0)
    wait(1)
    check(buffers[0], 5)
    for slot, buffer in enumerate(buffers):
        read(file, buffer, 0, slot)
    return timed(rounds, 1, seconds)
