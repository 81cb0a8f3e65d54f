"""epoll(7) as a :class:`compl_core.CompletionPort`.

Sockets, pipes and terminals are tried first and watched, edge-triggered, once the kernel says EAGAIN; files go through
preadv2(2) with RWF_NOWAIT and, where that would block, to helper threads; timers are a heap and the wait's own deadline
(epoll_pwait2(2)); posts are a queue and an eventfd.  All of it is native code in ``_native``.
"""

from __future__ import annotations

from typing import ClassVar

from compl_core import FULL, Capability, CompletionPort
from compl_epoll import _native

#: What an epoll port does on every kernel.
CAPABILITIES = FULL | Capability.MULTISHOT | Capability.MULTI_WAITER | Capability.POLLABLE | Capability.POOLED


@_native.specialise
class EpollPort(_native.Port, CompletionPort):
    """A completion port over one epoll set.

    Raises OSError (EMFILE, ENFILE, ENOMEM) when the epoll set or its eventfd cannot be made.
    """

    __slots__ = ()

    name: ClassVar[str] = "epoll"

    def __init__(self) -> None:
        super().__init__()

    @property
    def capabilities(self) -> Capability:
        if _native.has_pwait2():
            return CAPABILITIES | Capability.SUB_MS_TIMEOUT
        return CAPABILITIES

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.in_flight} in flight"
        return f"<EpollPort {state} at {id(self):#x}>"
