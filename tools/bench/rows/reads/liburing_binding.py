"""Row `reads` through PyPI's liburing.

It reads into a bytearray only; what O_DIRECT needs, an aligned buffer, it takes as a vector.
"""

from __future__ import annotations

from bench.clock import timed
from bench.liburing_ring import binding, open_ring
from bench.row import Values
from bench.rows.reads.blocks import BLOCK, check, offsets, opened, page


def read(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    liburing = binding()
    ring, cqe = open_ring(256), liburing.Cqe()
    get_sqe, enter, advance = liburing.io_uring_get_sqe, liburing.io_uring_submit_and_wait, liburing.io_uring_cq_advance
    ready = liburing.CqeIter
    pages = [page() for _ in range(depth)]
    plain = [bytearray(BLOCK) for _ in range(depth)]
    buffers = [liburing.Iovec([memoryview(each)]) for each in pages] if direct else plain
    prepare = liburing.io_uring_prep_readv if direct else liburing.io_uring_prep_read
    source = opened(path, direct)
    file, upcoming, owed = source.fileno(), offsets(blocks), 0

    def start(slot: int, offset: int) -> None:
        sqe = get_sqe(ring)
        prepare(sqe, file, buffers[slot], offset)
        sqe.user_data = slot

    def rounds(count: int) -> None:
        nonlocal owed
        owed += count
        while owed > 0:
            enter(ring, 1)
            seen = 0
            for _, offset in zip(ready(ring, cqe), upcoming, strict=False):
                entry = cqe[0]
                seen += 1
                if entry.res != BLOCK:
                    raise RuntimeError(f"a read gave {entry.res}")
                # start(), written out: the call would cost a tenth of the whole read
                sqe = get_sqe(ring)
                slot = entry.user_data
                prepare(sqe, file, buffers[slot], offset)
                sqe.user_data = slot
            owed -= seen
            advance(ring, seen)

    start(0, 5 * BLOCK)
    enter(ring, 1)
    for _ in ready(ring, cqe):
        cqe[0].res  # noqa: B018  raises what failed
    advance(ring, 1)
    check(pages[0] if direct else plain[0], 5)
    for slot in range(depth):
        start(slot, 0)
    return timed(rounds, 1, seconds)
