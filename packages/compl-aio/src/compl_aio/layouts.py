"""Where the kernel puts the fields of ``struct iocb``, ``struct io_event`` and ``struct aio_ring``, by architecture.

<linux/aio_abi.h> pads pointers to 64 bits, so that sizes and offsets are the same everywhere.  Two things differ: i386
aligns 64-bit integers to 4 bytes, and on big-endian machines ``aio_key`` and ``aio_rw_flags`` swap places, because they
were once the two halves of one 64-bit field.
"""

from __future__ import annotations

from compl_core.architecture import ARCHITECTURES
from compl_core.layout import Field, Layout, Table

#: What a C probe of these layouts includes.
HEADERS = ("linux/aio_abi.h",)

_LINUX = (
    "i386",
    "x86_64",
    "x32",
    "aarch64",
    "arm",
    "riscv64",
    "loongarch64",
    "ppc64le",
    "ppc64",
    "s390x",
)


def _layouts(align: int, *, big_endian: bool) -> tuple[Layout, ...]:
    halves = (Field("aio_key", 12 if big_endian else 8, 4), Field("aio_rw_flags", 8 if big_endian else 12, 4, "i"))
    iocb = (
        Field("aio_data", 0, 8),
        *sorted(halves, key=lambda field: field.offset),
        Field("aio_lio_opcode", 16, 2),
        Field("aio_reqprio", 18, 2, "h"),
        Field("aio_fildes", 20, 4),
        Field("aio_buf", 24, 8),
        Field("aio_nbytes", 32, 8),
        Field("aio_offset", 40, 8, "q"),
        Field("aio_reserved2", 48, 8),
        Field("aio_flags", 56, 4),
        Field("aio_resfd", 60, 4),
    )
    event = (Field("data", 0, 8), Field("obj", 8, 8), Field("res", 16, 8, "q"), Field("res2", 24, 8, "q"))
    return (Layout("struct iocb", 64, align, iocb), Layout("struct io_event", 32, align, event))


LAYOUTS: Table = {
    name: _layouts(4 if name == "i386" else 8, big_endian=ARCHITECTURES[name].byteorder == "big") for name in _LINUX
}

#: The head of the completion ring, which no header of the kernel shows (fs/aio.c): native 32-bit numbers everywhere.
#: The events follow at ``header_length``.
RING = Layout(
    "struct aio_ring",
    32,
    4,
    tuple(
        Field(name, 4 * place, 4)
        for place, name in enumerate(
            ("id", "nr", "head", "tail", "magic", "compat_features", "incompat_features", "header_length")
        )
    ),
)
#: ``magic`` of a ring that is laid out so.
RING_MAGIC = 0xA10A10A1
