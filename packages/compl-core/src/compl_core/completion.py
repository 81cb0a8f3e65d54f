"""What :meth:`CompletionPort.wait` returns: completions, their kinds and flags.

Plain data.  Native backends build :class:`Completion` objects in C (a tuple with no storage of its own), so the fields
and their order are part of the contract.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from compl_core.errors import operation_error


class Kind(enum.IntEnum):
    """What completed.  The numbers are stable: native code indexes by them."""

    POSTED = 0  #: a packet of :meth:`CompletionPort.post`
    READY = 1  #: a registered file became (or still is) ready
    READ = 2  #: ``read`` and ``read_vectored``
    WRITE = 3  #: ``write`` and ``write_vectored``
    FSYNC = 4
    RECV = 5  #: ``recv`` and ``recv_exactly``
    SEND = 6  #: ``send`` and ``send_all``
    RECV_FROM = 7
    SEND_TO = 8
    ACCEPT = 9
    CONNECT = 10
    POLL = 11
    TIMEOUT = 12
    CLOSE = 13  #: ``close_file``
    NOP = 14


class Interest(enum.IntFlag):
    """Readiness to ask for, and readiness reported.  ERROR and HANGUP are only ever reported."""

    NONE = 0
    READABLE = 1
    WRITABLE = 2
    ERROR = 4
    HANGUP = 8


class CompletionFlags(enum.IntFlag):
    """What more there is to say of a completion."""

    NONE = 0
    #: Not the last completion of its operation (multishot).
    MORE = 1
    #: The datagram was longer than the buffer; the rest is gone.
    TRUNCATED = 2
    #: A helper thread did the work, because the kernel would have blocked.
    VIA_THREAD = 4
    #: End of file: a non-empty read of a stream or file gave nothing.  See :attr:`Completion.eof`.
    EOF = 8


class Completion(NamedTuple):
    """One finished operation, readiness report or posted packet."""

    #: u64: the key of the registered file, or of the post; 0 when there is neither.
    key: int
    #: >= 0: bytes moved, readiness bits, the posted value; < 0: ``-errno``.
    result: int
    #: Whatever the caller attached, by identity; None if nothing.
    token: object
    kind: Kind
    flags: CompletionFlags
    #: accept: the new ``socket.socket``; recv_from: the peer's address; ``recv`` with a pool: the bytes, as a view;
    #: ``send_all`` and ``recv_exactly`` that failed half-way: the bytes moved before the error; else None.
    value: Any

    @property
    def error(self) -> OSError | None:
        """The failure as the right builtin subclass of OSError, or None.  A new object each time."""
        if self.result >= 0 or self.kind is Kind.POSTED:
            return None
        if isinstance(self.value, OSError):  # a backend whose system has error numbers of its own (winerror)
            return self.value
        return operation_error(-self.result, self.kind.name.lower(), self.key)

    @property
    def ok(self) -> bool:
        """No error."""
        return self.result >= 0

    @property
    def more(self) -> bool:
        """More completions of the same operation follow."""
        return bool(self.flags & CompletionFlags.MORE)

    @property
    def eof(self) -> bool:
        """End of file: a stream or file read with a non-empty buffer moved nothing.  Never true of a datagram."""
        return bool(self.flags & CompletionFlags.EOF)

    @property
    def readiness(self) -> Interest:
        """The readiness bits of a READY or POLL completion; NONE for every other kind or a failure."""
        if self.result < 0 or self.kind not in (Kind.READY, Kind.POLL):
            return Interest.NONE
        return Interest(self.result)

    def unwrap(self) -> int:
        """The result; raises :attr:`error` if there is one."""
        error = self.error
        if error is not None:
            raise error
        return self.result
