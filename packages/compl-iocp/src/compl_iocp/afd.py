r"""Readiness of sockets, told through a completion port: IOCTL_AFD_POLL, the request that select() is made of.

A request on a handle of ``\Device\Afd`` names a socket and events, is answered once, by a packet, and then forgotten:
level-triggered readiness is asking again.  The driver searches the requests of one handle one after the other, so
:class:`Afd` spreads them over several handles.

Microsoft documents none of this; libuv, wepoll and mio rest on it as well, and it has not changed since Windows 2000.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

from compl_core import FileLike, Interest
from compl_iocp.constants import AfdEvents, Status
from compl_iocp.entry import OverlappedEntry
from compl_iocp.iocp import Iocp

if sys.platform == "win32":
    from compl_iocp._native import AfdHandle
else:
    from compl_iocp.elsewhere import AfdHandle

#: Requests that one handle carries.
GROUP = 32

_READING = AfdEvents.RECEIVE | AfdEvents.ACCEPT | AfdEvents.DISCONNECT
_WRITING = AfdEvents.SEND
_FAILED = AfdEvents.ABORT | AfdEvents.CONNECT_FAIL
#: Asked for always: RECEIVE and SEND do not tell of a reset or of a failed connect.
_ALWAYS = _FAILED | AfdEvents.LOCAL_CLOSE


def events(interest: Interest) -> AfdEvents:
    """What to poll for, so that nothing of ``interest`` is missed."""
    wanted = _ALWAYS
    if Interest.READABLE in interest:
        wanted |= _READING
    if Interest.WRITABLE in interest:
        wanted |= _WRITING
    return wanted


def readiness(found: AfdEvents, interest: Interest) -> Interest:
    """What of ``interest`` is so, with ERROR and HANGUP: after these, nothing would block any more."""
    asked = interest & (Interest.READABLE | Interest.WRITABLE)
    if found & _FAILED:
        return Interest.ERROR | Interest.HANGUP | asked
    ready = Interest.NONE
    if found & _READING:
        ready |= Interest.READABLE
    if found & _WRITING:
        ready |= Interest.WRITABLE
    return ready & asked


class Handle(Protocol):
    """One handle of the driver."""

    def poll(self, sock: FileLike, events: int, hundreds: int | None = None) -> int: ...
    def take(self, address: int) -> int | None: ...
    def cancel(self, address: int) -> bool: ...
    def close(self) -> None: ...
    def __len__(self) -> int: ...


class Polled(NamedTuple):
    """What a request came to."""

    #: As :meth:`Afd.poll` returned it.
    request: int
    events: AfdEvents
    #: The driver's NTSTATUS: TIMEOUT and CANCELLED come with no events.
    status: int

    @property
    def timed_out(self) -> bool:
        return self.status == Status.TIMEOUT


class Afd:
    """Requests to the socket driver whose packets go to ``port`` with ``key``; one thread at a time.

    Poll the base socket (:func:`compl_iocp.winsock.base_socket`): the driver does not know those of layered providers.
    """

    def __init__(self, port: Iocp, key: int = 0, *, opened: Callable[[Iocp, int], Handle] = AfdHandle) -> None:
        self._open: Callable[[], Handle] = lambda: opened(port, key)
        self._handles: list[Handle] = []
        self._out: dict[int, Handle] = {}
        self._closed = False

    def poll(self, sock: FileLike, events: AfdEvents, timeout: float | None = None) -> int:
        """Ask once; the packet will have what this returns as its ``overlapped``.

        ``timeout`` in seconds, None for ever.  Raises OSError (EBADF, ENOTSOCK) for what is no open socket.
        """
        if self._closed:
            raise ValueError("Afd.poll(): closed; make another one")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"Afd.poll(): timeout must be at least 0, not {timeout}")
        hundreds = None if timeout is None else -int(-timeout * 1e7 // 1)
        handle = self._handle()
        request = handle.poll(sock, int(events), hundreds)
        self._out[request] = handle
        return request

    def complete(self, entry: OverlappedEntry) -> Polled | None:
        """What the packet says of a request; None for a packet of something else."""
        handle = self._out.pop(entry.overlapped, None)
        if handle is None:
            return None
        found = handle.take(entry.overlapped) or 0
        # A request that was cancelled still holds what it asked for.
        return Polled(entry.overlapped, AfdEvents(found if entry.status == Status.SUCCESS else 0), entry.status)

    def cancel(self, request: int) -> bool:
        """Whether it was still waiting.  Its packet comes in any case."""
        handle = self._out.get(request)
        return handle is not None and handle.cancel(request)

    @property
    def in_flight(self) -> int:
        """Requests whose packet :meth:`complete` has not seen."""
        return len(self._out)

    @property
    def handles(self) -> int:
        """Handles of the driver that are open."""
        return len(self._handles)

    def close(self) -> None:
        """End every request; go on giving packets to :meth:`complete` until ``in_flight`` is 0."""
        self._closed = True
        for handle in self._handles:
            handle.close()
        self._handles.clear()

    def _handle(self) -> Handle:
        for handle in self._handles:
            if len(handle) < GROUP:
                return handle
        self._handles.append(self._open())
        return self._handles[-1]
