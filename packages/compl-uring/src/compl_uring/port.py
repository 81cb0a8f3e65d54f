"""io_uring(7) as a :class:`compl_core.CompletionPort`.

Operations on sockets and regular files are entries of the submission queue.  What the running kernel does not take as
such (found by probing, never by its version), and pipes, terminals and devices, are tried first, then waited for with
POLL_ADD.  Any thread may prepare entries; the thread that waits enters the kernel, which takes and waits in one call.
Receives into a pool are multishot, on a ring of buffers that the kernel takes from by itself.  All of it is native
code in ``_native``.
"""

from __future__ import annotations

from typing import ClassVar

from compl_core import FULL, Capability, CompletionPort
from compl_uring import _native

#: What a port does on every kernel that it opens on (Linux 5.6 and later).
CAPABILITIES = (
    FULL
    | Capability.MULTISHOT
    | Capability.MULTI_WAITER
    | Capability.SUB_MS_TIMEOUT
    | Capability.POLLABLE
    | Capability.FILE_IO_KERNEL
    | Capability.POOLED
)


@_native.specialise
class UringPort(_native.Port, CompletionPort):
    """A completion port over one io_uring instance.

    ``entries``, 1..32768, is the size of the submission queue: how much is handed to the kernel in one call.  It is no
    limit of what may be in flight; what does not fit waits in memory.

    ``single_thread`` binds the port to the thread that opens it, which saves the kernel some work
    (IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN; Linux 6.1, without effect before): every call from another
    thread is WrongThreadError.

    Raises OSError: EPERM or ENOSYS where io_uring is switched off or filtered, ENOMEM, EMFILE, ENFILE; ValueError for
    ``entries`` out of range.  See io_uring_setup(2).
    """

    __slots__ = ()

    name: ClassVar[str] = "uring"

    def __init__(self, entries: int = 256, *, single_thread: bool = False) -> None:
        super().__init__(entries, single_thread=single_thread)

    @property
    def capabilities(self) -> Capability:
        capabilities = CAPABILITIES
        if self.single_thread:
            capabilities &= ~Capability.MULTI_WAITER
        if not self.kernel_files:
            capabilities &= ~Capability.FILE_IO_KERNEL
        return capabilities

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.in_flight} in flight"
        return f"<UringPort {state} at {id(self):#x}>"
