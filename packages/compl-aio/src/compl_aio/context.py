"""Linux AIO as it is: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2) and io_destroy(2).

* :class:`IoControlBlock` is a ``struct iocb`` with the buffers that it points to.  They stay exported, and the block
  may not change, from its submission until its event has been got.  Blocks can be submitted again and again.
* :class:`IoContext` submits them and gets their events.  ``submit`` gives the kernel's own count, which may be smaller
  than what was asked: what is wrong with a block is told when it is the first one of a call.
* Events are taken from the completion ring in user space, without a system call, where its layout is the known one and
  no other thread is in io_getevents.

What to know: only O_DIRECT transfers, FSYNC, FDSYNC and POLL are asynchronous.  io_submit of a buffered read blocks
until the data is there (the GIL is released meanwhile).  io_cancel works for POLL alone: it raises OSError with
EINPROGRESS, and the event follows, with a result of 0.  For anything else it raises EINVAL.  NOOP is defined, and
refused by the kernel.
"""

from __future__ import annotations

from typing import NamedTuple

from compl_aio import _native
from compl_aio._native import EventArray, IoContext, IoControlBlock
from compl_aio.constants import MAX_REQUESTS, IocbCmd, IocbFlags


@_native.events_are
class IoEvent(NamedTuple):
    """``struct io_event``: that a control block is done."""

    #: ``aio_data`` of the control block.
    data: int
    #: Address of the control block, :attr:`IoControlBlock.address`.
    obj: int
    #: Bytes, poll bits or 0; negative: an errno.
    res: int
    #: 0.
    res2: int


__all__ = ["MAX_REQUESTS", "EventArray", "IoContext", "IoControlBlock", "IoEvent", "IocbCmd", "IocbFlags"]
