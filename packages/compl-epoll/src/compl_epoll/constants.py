"""The kernel's numbers for epoll (<sys/epoll.h>), by name."""

from __future__ import annotations

import enum


class EpollEvents(enum.IntFlag, boundary=enum.KEEP):
    """Event bits of epoll_ctl(2); bits without a name here survive as they are."""

    NONE = 0
    IN = 0x001
    PRI = 0x002
    OUT = 0x004
    ERR = 0x008
    HUP = 0x010
    RDNORM = 0x040
    RDBAND = 0x080
    WRNORM = 0x100
    WRBAND = 0x200
    MSG = 0x400
    RDHUP = 0x2000
    #: Wake one of several epoll sets that watch the same file; only with register().
    EXCLUSIVE = 1 << 28
    #: Keep the system awake while the event is handled (needs CAP_BLOCK_SUSPEND).
    WAKEUP = 1 << 29
    #: Disarm after one report, until modify().
    ONESHOT = 1 << 30
    #: Edge-triggered.
    ET = 1 << 31


class ControlOp(enum.IntEnum):
    """Operations of epoll_ctl(2)."""

    ADD = 1
    DEL = 2
    MOD = 3
