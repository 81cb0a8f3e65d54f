"""Row `copy` on compl_uring.Ring: pairs of linked operations, several at once."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.row import Values
from bench.rows.copy.files import measured

if TYPE_CHECKING:
    from compl_uring import Ring

DEPTH = 4
#: Bytes of a pair: of the buffers, what stays in the processor's cache; of the mapping, what keeps the disk busy.
BUFFER, MAPPED = 1 << 19, 1 << 21
#: MADV_POPULATE_READ of madvise(2), Linux 5.14; the mmap module does not name it.
POPULATE_READ = 22


def registered(source: str, target: str, copies: int, cold: int, seconds: float) -> Values:
    """A read into a registered buffer, linked to the write of it.  One that is short breaks the link."""
    from compl_uring import Ring, SetupFlags, SqeFlags

    del seconds  # the work is fixed
    ring = Ring(4 * DEPTH, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN)
    buffers = ring.register_buffers([mmap.mmap(-1, BUFFER) for _ in range(DEPTH)])

    def copy(reading: int, writing: int, size: int) -> None:
        def pair(slot: int, offset: int, length: int) -> None:
            ring.read_fixed(reading, buffers, slot, offset, slot + DEPTH, SqeFlags.IO_LINK, length=length)
            ring.write_fixed(writing, buffers, slot, offset, slot, length=length)

        in_pairs(ring, pair, size, BUFFER)

    return measured(copy, source, target, copies, cold)


def mapped(source: str, target: str, copies: int, cold: int, seconds: float) -> Values:
    """A piece of the mapped source is brought in, linked to the write of it, which copies once, from cache to cache."""
    from compl_uring import Ring, SetupFlags, SqeFlags

    del seconds
    ring = Ring(4 * DEPTH, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN)

    def copy(reading: int, writing: int, size: int) -> None:
        with mmap.mmap(reading, size, prot=mmap.PROT_READ) as mapping, memoryview(mapping) as view:

            def pair(slot: int, offset: int, length: int) -> None:
                piece = view[offset : offset + length]
                ring.madvise(piece, POPULATE_READ, slot + DEPTH, SqeFlags.IO_LINK)
                ring.write(writing, piece, offset, slot)

            in_pairs(ring, pair, size, MAPPED)

    return measured(copy, source, target, copies, cold)


def in_pairs(ring: Ring, pair: Callable[[int, int, int], None], size: int, piece: int) -> None:
    """Call ``pair(slot, offset, length)`` for one piece after the other, as soon as the slot's second entry is done."""
    offset = in_flight = 0
    free = list(range(DEPTH))
    while free or in_flight:
        while free and offset < size:
            pair(free.pop(), offset, min(piece, size - offset))
            offset, in_flight = min(offset + piece, size), in_flight + 2
        if not in_flight:
            return
        for entry in ring.submit_and_wait(1):
            if entry.res < 0:
                raise OSError(-entry.res, f"entry {entry.user_data} failed")
            in_flight -= 1
            if entry.user_data < DEPTH:
                free.append(entry.user_data)
