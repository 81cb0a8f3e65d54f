"""io_uring(7) as it is: the kernel's own names and results, u64 user_data, one native call for each operation.

A :class:`Ring` has a builder method for each operation that makes sense from Python; it fills the next entry of the
submission queue.  :meth:`Ring.submit_and_wait` hands the queue over, waits without the GIL, and returns completions::

    with Ring(64) as ring:
        buffer = bytearray(4096)
        ring.read(file, buffer, 0, user_data=7)
        for entry in ring.submit_and_wait():
            print(entry.user_data, entry.res)

Results are the kernel's: ``entry.res`` is negative for an errno, and nothing raises because an operation failed.

What differs from the bare system calls, for memory's sake: the ring exports each buffer (no resizing, no freeing) from
the call until the operation's last completion has been taken, a zero-copy send's notification included; and
:meth:`Ring.close` cancels everything and sees it end before it unmaps, as closing the descriptor alone would let the
kernel go on writing.  The kernel is given numbers of the ring's own in place of ``user_data``, so any u64 may be used
for any number of operations at once; :meth:`Ring.cancel` and its like take user_data all the same, and mean the oldest
operation of that number.

Any thread may use a ring, also while another waits on it, except one made with SINGLE_ISSUER.  The kernel cancels what
a thread has submitted when that thread ends (such a completion has ECANCELED without anybody's asking): submit from
threads that stay.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from compl_uring import _native
from compl_uring._native import (
    BufferRing,
    CompletionEntry,
    Message,
    Prepare,
    ProvidedBuffer,
    RegisteredBuffers,
    SocketAddress,
    SubmissionEntry,
)
from compl_uring.constants import (
    FILE_INDEX_ALLOC,
    AcceptFlags,
    CancelFlags,
    CqeFlags,
    Features,
    MsgRingFlags,
    RecvSendFlags,
    SetupFlags,
    SpliceFlags,
    SqeFlags,
    TimeoutFlags,
)
from compl_uring.opcodes import Opcode

__all__ = [
    "FILE_INDEX_ALLOC",
    "AcceptFlags",
    "BufferRing",
    "CancelFlags",
    "CompletionEntry",
    "CqeFlags",
    "Features",
    "Message",
    "MsgRingFlags",
    "Opcode",
    "Prepare",
    "ProvidedBuffer",
    "RecvSendFlags",
    "RegisteredBuffers",
    "Ring",
    "RingProbe",
    "SetupFlags",
    "SocketAddress",
    "SpliceFlags",
    "SqeFlags",
    "Statx",
    "SubmissionEntry",
    "TimeoutFlags",
]


class RingProbe(NamedTuple):
    """What the kernel of a ring can do: asked, never guessed from its version."""

    #: Operations that it knows, those without a name in :class:`Opcode` left out.
    opcodes: frozenset[Opcode]
    features: Features


@_native.specialise
class Ring(_native.Ring):
    """One io_uring instance.

    ``entries``         slots of the submission queue; the kernel rounds up to a power of two
    ``cq_entries``      slots of the completion queue; twice ``entries`` if not given
    ``flags``           :class:`SetupFlags`
    ``sq_thread_idle``  milliseconds after which the kernel's submission thread sleeps; makes the ring one with SQPOLL
    ``sq_thread_cpu``   the processor that this thread stays on
    ``attach``          another ring, whose kernel threads are shared

    Raises OSError as io_uring_setup(2) does: EINVAL for flags the kernel does not know, ENOMEM, EPERM or ENOSYS where
    io_uring is switched off (sysctl kernel.io_uring_disabled, seccomp).  Other methods raise
    :class:`compl_core.PortClosedError` on a closed ring, :class:`compl_core.ForkedPortError` in a forked child, and
    :class:`compl_core.WrongThreadError` where a ring made with SINGLE_ISSUER is used by another thread.

    A builder that finds the queue full submits what is in it first; BlockingIOError when that is not possible, because
    a chain of linked entries would be cut in two (EAGAIN) or the kernel takes no more for now (EBUSY).
    """

    __slots__ = ()

    def probe(self) -> RingProbe:
        """Ask the kernel what it can do (IORING_REGISTER_PROBE)."""
        known = {int(code) for code in Opcode}
        return RingProbe(frozenset(Opcode(code) for code in self.opcodes() & known), Features(self.features))

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd {self.fileno()}, {self.in_flight} in flight"
        return f"<Ring {state} at {id(self):#x}>"


class Statx(NamedTuple):
    """``struct statx``, statx(2).  Times are (seconds, nanoseconds)."""

    mask: int
    block_size: int
    attributes: int
    links: int
    uid: int
    gid: int
    mode: int
    inode: int
    size: int
    blocks: int
    attributes_mask: int
    accessed: tuple[int, int]
    born: tuple[int, int]
    changed: tuple[int, int]
    modified: tuple[int, int]
    device: tuple[int, int]
    #: Of what a device file stands for.
    stands_for: tuple[int, int]

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Statx:
        """Read what :meth:`Ring.statx` wrote."""
        v = struct.unpack_from("=IIQIIIHxxQQQQ qIxxxx qIxxxx qIxxxx qIxxxx IIII", data)
        pairs = [(v[i], v[i + 1]) for i in (11, 13, 15, 17, 21, 19)]
        return cls._make([*v[:11], *pairs])
