"""Row `reads`: 4 KiB blocks of a file, from the page cache and past it, 32 in flight where an implementation can."""

from __future__ import annotations

from bench.ports import BOUND, PORTS, on_ports
from bench.row import Case, Goal, Implementation, Metric, Native, Row
from bench.rows.reads import blocking, kernel_aio, liburing_binding, ports, ring
from bench.rows.reads.blocks import BLOCK, BLOCKS, run_with_file

DEPTH = 32
CACHED = f"cached, depth {DEPTH}"
DIRECT = f"O_DIRECT, depth {DEPTH}"
#: For what has no way to give an aligned buffer, or only one read in flight, which says nothing of the device.
ONLY_CACHED = frozenset({CACHED})

ROW = Row(
    name="reads",
    title="file reads",
    description=(
        f"4 KiB blocks of a {BLOCK * BLOCKS >> 20} MiB file, {DEPTH} in flight (C pread, os.pread and os.preadv: one): "
        "from the page cache, and past it into aligned buffers. CPU of all threads, which may use all cores."
    ),
    cases=(Case(CACHED, {"direct": 0, "depth": DEPTH}), Case(DIRECT, {"direct": 1, "depth": DEPTH})),
    metrics=(Metric("cpu", "CPU time, all threads", "ns per read"), Metric("wall", "wall time", "ns per read")),
    implementations=(
        Implementation("C io_uring", Native("uring_read")),
        Implementation("C Linux AIO", Native("aio_read")),
        Implementation("C pread", Native("pread"), cases=ONLY_CACHED),
        Implementation("os.pread", blocking.os_pread, cases=ONLY_CACHED),
        Implementation("os.preadv", blocking.os_preadv, cases=ONLY_CACHED),
        Implementation("ThreadPoolExecutor", blocking.thread_pool),
        Implementation("liburing", liburing_binding.read, needs=("liburing",)),
        Implementation("caio", kernel_aio.caio, needs=("caio",), cases=ONLY_CACHED),
        Implementation("aiofile", kernel_aio.aiofile, needs=("aiofile",), cases=ONLY_CACHED),
        *on_ports(ports.read, ports=(*PORTS, *BOUND)),
        Implementation("compl Ring", ring.read, needs=("compl_core", "compl_uring"), ours=True),
        Implementation("compl IoContext", kernel_aio.io_context, needs=("compl_aio",), ours=True),
    ),
    goals=(
        Goal("compl AioPort", "caio", "cpu", (CACHED,), 0.75),
        Goal("compl AioPort", "C Linux AIO", "cpu", (CACHED,), 1.3),
        Goal("compl AioPort", "C Linux AIO", "cpu", (DIRECT,), 1.08),
        Goal("compl AioPort", "aiofile", "wall", (CACHED,), 1 / 3),
        Goal("compl Ring", "liburing", "cpu", (CACHED,), 0.9),
        Goal("compl Ring", "C io_uring", "cpu", (CACHED,), 1.3),
        Goal("compl Ring", "C io_uring", "cpu", (DIRECT,), 1.08),
        Goal("compl UringPort", "liburing", "cpu", (CACHED,), 0.9),
        Goal("compl UringPort", "C io_uring", "cpu", (CACHED,), 1.3),
        Goal("compl UringPort", "C io_uring", "cpu", (DIRECT,), 1.08),
    ),
    observe=run_with_file,
)
