"""I/O completion ports as a :class:`compl_core.CompletionPort`.

Sockets, pipes and overlapped files are the kernel's work, one packet for each operation; AcceptEx and ConnectEx come
with the context updates that make their sockets whole.  Files opened without FILE_FLAG_OVERLAPPED (all that Python
opens) would block, so helper threads read and write them.  Readiness of sockets is \\Device\\Afd's, timers are a heap
and the wait's own deadline, posts are a queue.  All of it is native code in ``_native``.
"""

from __future__ import annotations

from typing import ClassVar

from compl_core import Capability, CompletionPort
from compl_iocp import _native
from compl_iocp.constants import CAPABILITIES


@_native.specialise
class IocpPort(_native.Port, CompletionPort):
    """A completion port over one of the kernel's.

    ``file`` as an int is a HANDLE or SOCKET, never a number of the C runtime.  An object's ``fileno()`` may be either:
    that of the ``io`` module's files is translated.  A handle belongs to the first port that it is given to; a port
    that comes later uses it all the same, at the price of an event for each operation.

    Raises OSError when the port cannot be made.
    """

    __slots__ = ()

    name: ClassVar[str] = "iocp"

    def __init__(self) -> None:
        super().__init__()

    @property
    def capabilities(self) -> Capability:
        return CAPABILITIES

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.in_flight} in flight"
        return f"<IocpPort {state} at {id(self):#x}>"
