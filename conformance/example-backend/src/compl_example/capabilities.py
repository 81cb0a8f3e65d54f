"""What this backend declares, and why not more."""

from __future__ import annotations

import sys

from compl_core import Capability

#: Not FILE_IO_KERNEL: file I/O is done by helper threads.
CAPABILITIES = (
    Capability.READINESS
    | Capability.SOCKET_IO
    | Capability.DATAGRAM
    | Capability.TIMEOUT
    | Capability.CANCEL
    | Capability.MULTISHOT
    | Capability.MULTI_WAITER
    | Capability.POOLED
)
if sys.platform != "win32":
    # Windows: for the first two see file_operations.py; waiting is on a lock, and locks there count milliseconds; what
    # can be watched there is a HANDLE that gets signalled, and the standard library has none to give.
    CAPABILITIES |= Capability.FILE_IO | Capability.VECTORED | Capability.SUB_MS_TIMEOUT | Capability.POLLABLE
