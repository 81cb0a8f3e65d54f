"""One completion packet, as GetQueuedCompletionStatusEx takes it from the queue."""

from __future__ import annotations

from typing import NamedTuple

from compl_core.error_table import Domain, translate
from compl_iocp.errors import status_error


class OverlappedEntry(NamedTuple):
    """OVERLAPPED_ENTRY."""

    #: lpCompletionKey: what the handle was associated with, or what was posted.
    key: int
    #: dwNumberOfBytesTransferred.
    nbytes: int
    #: lpOverlapped: the address that the operation was started with, or whatever was posted.  Never followed here.
    overlapped: int = 0
    #: Internal: the operation's NTSTATUS, unsigned; 0 for a posted packet.
    status: int = 0

    @property
    def error(self) -> OSError | None:
        """Why the operation failed, or None.  A warning (more data than room) and the end of a file are no failures."""
        if translate(Domain.NTSTATUS, self.status).errno == 0:
            return None
        return status_error("completion packet", self.status, f"key {self.key:#x}")
