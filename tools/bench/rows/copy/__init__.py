"""Row `copy`: one file of a GiB to another, from the page cache and from the disk."""

from __future__ import annotations

from bench.ports import on_ports
from bench.row import Case, Goal, Implementation, Metric, Native, Row
from bench.rows.copy import ports, ring, stdlib
from bench.rows.copy.files import COPIES, SIZE, run_with_file

CASES = ("cached", "cold")

ROW = Row(
    name="copy",
    title="file copy",
    description=(
        f"A file of {SIZE >> 30} GiB to another, into the page cache; the source is in the cache, or has to come from "
        f"the disk. The fastest of {COPIES} copies. io_uring: four pairs of linked operations at once, each a read "
        "into a registered buffer and the write of it, or a piece of the source's mapping brought in and written. "
        "Ports: four vectored reads, each followed by its write. CPU of all threads, the kernel's workers included."
    ),
    cases=tuple(Case(name, {"cold": int(name == "cold")}) for name in CASES),
    metrics=(Metric("rate", "rate", "MB/s", more_is_better=True), Metric("cpu", "CPU time, all threads", "µs per MiB")),
    implementations=(
        Implementation("C io_uring", Native("copy")),
        Implementation("shutil.copyfile", stdlib.copyfile),
        Implementation("os.readv, os.write", stdlib.read_and_write),
        Implementation("compl Ring, registered", ring.registered, needs=("compl_core", "compl_uring"), ours=True),
        Implementation("compl Ring, mapped", ring.mapped, needs=("compl_core", "compl_uring"), ours=True),
        *on_ports(ports.vectored, "vectored"),
    ),
    goals=(
        Goal("compl Ring, mapped", "shutil.copyfile", "rate", CASES, 1.0),
        Goal("compl UringPort, vectored", "shutil.copyfile", "rate", CASES, 1.0),
    ),
    observe=run_with_file,
)
