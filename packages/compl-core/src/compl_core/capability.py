"""What a port can do beyond the contract that everyone keeps.

``register``, ``modify``, ``unregister``, ``post``, ``wait`` and ``close`` (with ``nop``, ``submit``, ``flush`` and
``statistics``, which need no kernel support) are the contract itself: every port has them.  All else is declared,
probed on the running kernel, never derived from a version number.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Capability(enum.Flag):
    """What a port declares; a method behind an undeclared one raises :class:`compl_core.NotSupported`."""

    NONE = 0
    #: ``register`` and ``modify`` with an interest, and ``poll``.
    READINESS = enum.auto()
    #: ``read``, ``write`` and ``fsync`` on files, pipes and terminals.
    FILE_IO = enum.auto()
    #: ``read_vectored`` and ``write_vectored``.
    VECTORED = enum.auto()
    #: ``recv``, ``send``, ``recv_exactly``, ``send_all``, ``accept`` and ``connect``.
    SOCKET_IO = enum.auto()
    #: ``recv_from`` and ``send_to``.
    DATAGRAM = enum.auto()
    #: ``timeout``.
    TIMEOUT = enum.auto()
    #: ``cancel``, ``cancel_all`` and ``close_file``.
    CANCEL = enum.auto()
    #: ``accept(multishot=True)``: one operation, many completions.
    MULTISHOT = enum.auto()
    #: Several threads may be in ``wait`` at once.
    MULTI_WAITER = enum.auto()
    #: Timeouts below a millisecond are kept as they are, not rounded up to one.
    SUB_MS_TIMEOUT = enum.auto()
    #: ``fileno`` gives a descriptor that another selector can watch.
    POLLABLE = enum.auto()
    #: File I/O is asynchronous in the kernel; absent, helper threads carry what would block.
    FILE_IO_KERNEL = enum.auto()
    #: ``buffer_pool`` and ``recv(pool=...)``: one receive, many arrivals, each in a buffer of the pool.
    POOLED = enum.auto()


#: The methods that a capability promises; a port that declares it overrides every one of them.
METHODS: Mapping[Capability, tuple[str, ...]] = MappingProxyType(
    {
        Capability.READINESS: ("poll",),
        Capability.FILE_IO: ("read", "write", "fsync"),
        Capability.VECTORED: ("read_vectored", "write_vectored"),
        Capability.SOCKET_IO: ("recv", "send", "recv_exactly", "send_all", "accept", "connect"),
        Capability.DATAGRAM: ("recv_from", "send_to"),
        Capability.TIMEOUT: ("timeout",),
        Capability.CANCEL: ("cancel", "cancel_all", "close_file"),
        Capability.MULTISHOT: ("accept",),
        Capability.POLLABLE: ("fileno",),
        Capability.POOLED: ("buffer_pool", "recv"),
    }
)

#: What the four backends of this project declare on every kernel that they open on.
FULL = (
    Capability.READINESS
    | Capability.FILE_IO
    | Capability.VECTORED
    | Capability.SOCKET_IO
    | Capability.DATAGRAM
    | Capability.TIMEOUT
    | Capability.CANCEL
)
