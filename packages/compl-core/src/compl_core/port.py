"""The contract: :class:`CompletionPort`, one typed interface over completion queues.

A port is a queue of completions.  Work is handed to it (operations, readiness to watch, packets posted by threads), and
:meth:`CompletionPort.wait` gives back what finished.  What holds on every port:

* A call that returns an id gives **exactly one terminal completion**; a multishot operation gives any number with the
  flag MORE before it.  A call that raises gives none and leaves nothing behind.
* Programming errors raise at the call.  What the kernel says of an operation is data, :attr:`Completion.error`, also
  when it was known at once.  ``wait`` never raises for a failed operation.  EAGAIN, EINTR and SIGPIPE never come out.
* No user code runs inside any call.
* A buffer is exported from submission until its terminal completion is returned by ``wait``: resizing it raises
  BufferError until then, dropping the last reference to it is safe.
* Operations in one direction of one stream complete in the order of submission; directions are independent.
* Any thread may call any method; the thread that submitted may exit.

``file`` and ``sock`` are an int descriptor (a HANDLE or SOCKET on Windows) or an object with ``fileno()``.  Passing the
object is safer and faster: the port knows it again, where a number may have been closed and reused.

Every operation takes ``token`` by position or by keyword, and gives it back by identity in its completions.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from compl_core.capability import Capability
from compl_core.completion import Completion, Interest
from compl_core.errors import NotSupported

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer  # typing only: collections.abc has it from 3.12

    from compl_core.buffers import BufferPool
    from compl_core.operations import Operation

#: The version of the contract that this module states.
CONTRACT = "1.0"


class HasFileno(Protocol):
    """An open file, as ``selectors`` and ``select`` take it."""

    def fileno(self) -> int: ...


FileLike: TypeAlias = "int | HasFileno"
#: Never reused while the port lives; of no meaning beyond that.
OperationId: TypeAlias = int
#: As ``socket.socket`` takes and gives it: ``(host, port)``, ``(host, port, flowinfo, scope_id)``, a path.
Address: TypeAlias = "tuple[Any, ...] | str | bytes"
ReadableBuffer: TypeAlias = "Buffer"
#: Writable and C-contiguous.
WritableBuffer: TypeAlias = "Buffer"


class CompletionPort(abc.ABC):
    """A queue of completions: see the module's docstring for the rules that hold for all methods.

    Every method raises :class:`PortClosedError` on a closed port and :class:`ForkedPortError` in a forked child
    (``close`` excepted: there it only drops the child's copies).
    """

    __slots__ = ()

    #: The backend's name, as :func:`compl_core.open_port` takes it.
    name: ClassVar[str]

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capability:
        """What this port, on this kernel, really does."""

    @property
    @abc.abstractmethod
    def in_flight(self) -> int:
        """Submitted operations whose terminal completion ``wait`` has not returned yet.  Posts do not count."""

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """``close`` was called."""

    def fileno(self) -> int:
        """A descriptor that is readable when ``wait`` would return something (Windows: the port's HANDLE).

        For watching the port from another selector.  It may be readable with nothing to return; ``wait(timeout=0)``
        settles that.  Needs POLLABLE.
        """
        raise NotSupported(Capability.POLLABLE, self.name, "fileno")

    @abc.abstractmethod
    def statistics(self) -> Mapping[str, int]:
        """Counters since the port was opened: at least ``submitted``, ``in_flight``, ``ready`` (finished, not yet
        returned), ``posted``, ``via_thread`` and ``resubmitted``; a backend may add its own."""

    # ---- registration -----------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def register(self, file: FileLike, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        """Give ``file`` a ``key`` (0..2**64-1), which its completions carry, and watch it for ``interest``.

        ``Interest.NONE`` watches nothing.  Otherwise every ``wait`` reports the file at most once, as ``Kind.READY``,
        as long as the condition holds (level-triggered); with ``oneshot`` once, until :meth:`modify`.  The port keeps a
        file object alive until ``unregister`` or ``close``.  A number that was closed and now is another file counts
        as new.

        Raises :class:`AlreadyRegistered`, OSError(EBADF) for a file that is not open, PermissionError for an interest
        in a file that is always ready (regular file, directory, /dev/null), OverflowError for a key outside the range,
        ValueError for an interest in ERROR or HANGUP, NotSupported for an interest without READINESS.
        """

    @abc.abstractmethod
    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None:
        """Change what is given; what is not given stays.  Re-arms a file registered with ``oneshot``.

        Takes effect at once, also for a thread that is in ``wait``.  Raises :class:`NotRegistered`, and as
        ``register``.
        """

    @abc.abstractmethod
    def unregister(self, file: FileLike) -> None:
        """Forget the file.  No READY for it comes afterwards, not even one already queued.  Its operations go on.

        Raises :class:`NotRegistered`.
        """

    # ---- posting and waiting ----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def post(self, key: int, result: int = 0, token: object = None) -> None:
        """Queue a packet: ``Completion(key, result, token, Kind.POSTED, ...)``.

        Keys 0..2**64-1 and results 0..2**32-1 are legal (else OverflowError).  Packets of one thread keep their order,
        are never merged and never lost, and each wakes one blocked waiter.  Safe in a Python signal handler.
        """

    @abc.abstractmethod
    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        """Return 1..``max_completions`` completions as soon as ``min_completions`` are there, fewer on timeout.

        ``timeout`` in seconds is the whole budget: 0 never blocks, None blocks; never early, and a positive one is
        never rounded to 0.  What does not fit comes next time, in order; posts and I/O do not starve one another.
        Signals run their Python handlers and do not move the deadline; an exception of a handler comes out within
        100 ms and loses nothing.

        Raises ValueError for max_completions < 1, min_completions outside 1..max_completions, a negative or NaN
        timeout; PortClosedError when the port is closed meanwhile.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Wake every waiter with PortClosedError, cancel what is in flight, and return when the kernel has let go of
        every buffer.  Idempotent.  Does not close registered files; closes accepted sockets that nobody took.

        What cannot be drained in bounded time is leaked on purpose, with a ResourceWarning, never freed.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- operations -------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def nop(self, token: object = None) -> OperationId:
        """Complete with result 0."""

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        """Complete with result 0 after ``seconds`` (monotonic clock; 0 at once).  ValueError if negative or NaN."""
        raise NotSupported(Capability.TIMEOUT, self.name, "timeout")

    def read(
        self, file: FileLike, buffer: WritableBuffer, offset: int | None = None, token: object = None
    ) -> OperationId:
        """Read into ``buffer``; the result is the number of bytes, 0 with :attr:`Completion.eof` at the end.

        ``offset=None`` uses and advances the file's own position; such operations on one file run one after the other.
        An offset on a pipe, socket or terminal is ValueError, so is a negative one.
        """
        raise NotSupported(Capability.FILE_IO, self.name, "read")

    def write(
        self, file: FileLike, buffer: ReadableBuffer, offset: int | None = None, token: object = None
    ) -> OperationId:
        """Write from ``buffer``; may be short.  See :meth:`read` for ``offset``."""
        raise NotSupported(Capability.FILE_IO, self.name, "write")

    def read_vectored(
        self, file: FileLike, buffers: Sequence[WritableBuffer], offset: int | None = None, token: object = None
    ) -> OperationId:
        """:meth:`read` into 1..1024 buffers in turn (more or none: ValueError)."""
        raise NotSupported(Capability.VECTORED, self.name, "read_vectored")

    def write_vectored(
        self, file: FileLike, buffers: Sequence[ReadableBuffer], offset: int | None = None, token: object = None
    ) -> OperationId:
        """:meth:`write` from 1..1024 buffers in turn (more or none: ValueError)."""
        raise NotSupported(Capability.VECTORED, self.name, "write_vectored")

    def fsync(self, file: FileLike, token: object = None, *, data_only: bool = False) -> OperationId:
        """Make what was written durable; ``data_only`` leaves metadata that is not needed to read it back."""
        raise NotSupported(Capability.FILE_IO, self.name, "fsync")

    def recv(
        self,
        sock: FileLike,
        buffer: WritableBuffer | None = None,
        flags: int = 0,
        token: object = None,
        *,
        pool: BufferPool | None = None,
    ) -> OperationId:
        """Receive at least one byte.  End of stream: result 0 and :attr:`Completion.eof`.

        An empty buffer: 0, at once.

        With a ``pool`` in place of the buffer it goes on: each arrival is a completion with MORE whose ``value`` is a
        writable ``memoryview`` of its ``result`` bytes, the caller's until it is let go of (see :class:`BufferPool`).
        A datagram is one arrival, an empty one too; what does not fit is dropped: flag TRUNCATED.  The last completion,
        without MORE and with no value, is the end of the stream, an error, or ECANCELED after all that was received.
        While the pool has no buffer left the receive pauses, and the bytes wait in the kernel.  Needs POOLED.

        Raises TypeError for both or neither of buffer and pool, ValueError for the pool of another port.
        """
        raise NotSupported(Capability.SOCKET_IO if pool is None else Capability.POOLED, self.name, "recv")

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        """Make ``count`` (1..32768) buffers of ``size`` (1..2**31-1) bytes for receives of this port to share.

        Raises ValueError outside these ranges, MemoryError.
        """
        raise NotSupported(Capability.POOLED, self.name, "buffer_pool")

    def send(self, sock: FileLike, buffer: ReadableBuffer, flags: int = 0, token: object = None) -> OperationId:
        """Send some of ``buffer``; may be short.  Never raises SIGPIPE."""
        raise NotSupported(Capability.SOCKET_IO, self.name, "send")

    def send_all(self, sock: FileLike, buffer: ReadableBuffer, token: object = None) -> OperationId:
        """Send all of ``buffer``, with one completion.

        Cancelled half-way, the result is the bytes sent so far; failed half-way, ``value`` is.
        """
        raise NotSupported(Capability.SOCKET_IO, self.name, "send_all")

    def recv_exactly(self, sock: FileLike, buffer: WritableBuffer, token: object = None) -> OperationId:
        """Fill ``buffer``, with one completion; end of stream before that gives the bytes received, then 0 and eof.

        Cancelled half-way, the result is the bytes received so far; failed half-way, ``value`` is.
        """
        raise NotSupported(Capability.SOCKET_IO, self.name, "recv_exactly")

    def recv_from(self, sock: FileLike, buffer: WritableBuffer, flags: int = 0, token: object = None) -> OperationId:
        """Receive one datagram; ``value`` is the sender's address.  What does not fit is dropped: flag TRUNCATED."""
        raise NotSupported(Capability.DATAGRAM, self.name, "recv_from")

    def send_to(
        self, sock: FileLike, buffer: ReadableBuffer, address: Address, flags: int = 0, token: object = None
    ) -> OperationId:
        """Send one datagram to ``address``, whose host is numeric (ValueError for a name: resolving would block)."""
        raise NotSupported(Capability.DATAGRAM, self.name, "send_to")

    def accept(self, sock: FileLike, token: object = None, *, multishot: bool = False) -> OperationId:
        """Accept one connection: ``value`` is the new ``socket.socket`` (not inheritable, blocking unless
        ``socket.setdefaulttimeout`` says otherwise), ``result`` 0.

        ``multishot`` goes on, with MORE, until it is cancelled or fails.  A backend that can
        only try and wait makes a blocking listener non-blocking, and leaves it so.
        """
        raise NotSupported(Capability.SOCKET_IO, self.name, "accept")

    def connect(self, sock: FileLike, address: Address, token: object = None) -> OperationId:
        """Connect; result 0.  The host is numeric (ValueError for a name: resolving would block)."""
        raise NotSupported(Capability.SOCKET_IO, self.name, "connect")

    def poll(self, file: FileLike, interest: Interest, token: object = None) -> OperationId:
        """Complete once when ``file`` is ready for ``interest``, at once if it is now; :attr:`Completion.readiness`.

        Independent of any registration.  A file that is always ready completes at once.
        """
        raise NotSupported(Capability.READINESS, self.name, "poll")

    def cancel(self, operation_id: OperationId) -> bool:
        """Ask for the operation to end; whether it was still in flight.

        Never blocks; may be repeated.  The operation completes once all the same: with its real result, or with
        OperationCancelled (ECANCELED) and nothing done.  False for an id that has finished or that this port never
        gave.
        """
        raise NotSupported(Capability.CANCEL, self.name, "cancel")

    def cancel_all(self, file: FileLike) -> int:
        """:meth:`cancel` every operation on ``file``; how many were in flight."""
        raise NotSupported(Capability.CANCEL, self.name, "cancel_all")

    def close_file(self, file: FileLike, token: object = None) -> OperationId:
        """Cancel all operations on ``file``, let them end, unregister it, close it: ``Kind.CLOSE`` comes after the last
        completion of every other operation on it, and the number is free then.

        A socket object is detached at once, so that nobody else can close or use the number meanwhile.
        """
        raise NotSupported(Capability.CANCEL, self.name, "close_file")

    def submit(self, operation: Operation, *, token: object = None) -> OperationId:
        """Start an operation given as data."""
        return operation.start(self, token)

    @abc.abstractmethod
    def flush(self) -> int:
        """Hand prepared operations to the kernel now, without waiting; how many were handed over."""
