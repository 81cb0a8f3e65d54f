"""A bell that wakes a thread out of ``select``: a pair of sockets, since Windows' select() takes nothing else."""

from __future__ import annotations

import contextlib
import socket

#: How long a byte that was sent may be under way to the other end of a loopback connection (seconds).
_UNDER_WAY = 1.0


class Doorbell:
    """Ringing makes :meth:`fileno` readable until :meth:`clear`.  Ring and clear with the port's lock held."""

    __slots__ = ("_inside", "_outside", "_rung")

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._outside.setblocking(False)
        self._rung = False

    def fileno(self) -> int:
        return self._inside.fileno()

    def ring(self) -> None:
        if not self._rung:
            # The flag comes second: a signal handler that rings in between sends a second byte, which does no harm.
            with contextlib.suppress(BlockingIOError):
                self._outside.send(b"\0")
            self._rung = True

    def nudge(self) -> None:
        """Ring without the lock, from a destructor: :attr:`_rung` is not for such callers to change."""
        with contextlib.suppress(OSError):  # full, so it rings anyway; or closed, so nobody listens
            self._outside.send(b"\0")

    def clear(self) -> None:
        if self._rung:
            self._rung = False
            # Where the pair is a TCP connection (Windows) the byte may not have come yet; it would ring later.
            self._inside.settimeout(_UNDER_WAY)
            with contextlib.suppress(TimeoutError):
                self._inside.recv(1)
        self._inside.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._inside.recv(64):
                pass

    def close(self) -> None:
        self._inside.close()
        self._outside.close()
