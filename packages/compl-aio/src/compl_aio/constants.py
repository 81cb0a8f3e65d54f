"""The kernel's numbers for AIO (<linux/aio_abi.h>), by name."""

from __future__ import annotations

import enum

#: The most requests that a context is set up for here.
MAX_REQUESTS = 0x10000


class IocbCmd(enum.IntEnum):
    """What a control block asks for: ``aio_lio_opcode``."""

    PREAD = 0
    PWRITE = 1
    FSYNC = 2
    FDSYNC = 3
    #: Linux 4.18.
    POLL = 5
    #: Defined by the kernel, and refused by it (EINVAL).
    NOOP = 6
    PREADV = 7
    PWRITEV = 8


class IocbFlags(enum.IntFlag, boundary=enum.KEEP):
    """``aio_flags``; the kernel lets unknown bits pass, and so they survive here."""

    NONE = 0
    #: Count each event in the eventfd ``aio_resfd``.
    RESFD = 1
    #: ``aio_reqprio`` is an I/O priority (ioprio_set(2)); Linux 4.18.
    IOPRIO = 2
