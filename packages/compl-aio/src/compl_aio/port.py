"""Linux AIO (io_submit(2)) as a :class:`compl_core.CompletionPort`.

Sockets and pipes are tried first and watched by IOCB_CMD_POLL once the kernel says EAGAIN, terminals and what else POLL
does not take by an inner epoll set.  Files opened with O_DIRECT are read and written by the kernel, and so is fsync;
buffered ones go through preadv2(2) with RWF_NOWAIT and, where that would block (as io_submit itself would), to helper
threads.  Timers are a heap and the wait's own deadline; posts are a queue and an eventfd.
"""

from __future__ import annotations

from typing import ClassVar

from compl_aio import _native
from compl_core import FULL, Capability, CompletionPort

#: What an AIO port does on every kernel that has IOCB_CMD_POLL.
CAPABILITIES = (
    FULL
    | Capability.MULTISHOT
    | Capability.MULTI_WAITER
    | Capability.SUB_MS_TIMEOUT
    | Capability.POLLABLE
    | Capability.POOLED
)


@_native.specialise
class AioPort(_native.Port, CompletionPort):
    """A completion port over one context of Linux AIO.

    Raises OSError when the context or its eventfds cannot be made: EAGAIN when fs.aio-max-nr is used up, EINVAL on a
    kernel without IOCB_CMD_POLL (older than 4.18), ENOSYS without AIO, EMFILE, ENFILE, ENOMEM.
    """

    __slots__ = ()

    name: ClassVar[str] = "aio"

    def __init__(self) -> None:
        super().__init__()

    @property
    def capabilities(self) -> Capability:
        return CAPABILITIES

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.in_flight} in flight"
        return f"<AioPort {state} at {id(self):#x}>"
