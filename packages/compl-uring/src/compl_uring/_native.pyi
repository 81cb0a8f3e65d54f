import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Literal, Self, SupportsIndex, TypeVar, final

from typing_extensions import Buffer, disjoint_base

from compl_core import (
    Address,
    BufferPool,
    Completion,
    FileLike,
    Interest,
    Operation,
    OperationId,
    ReadableBuffer,
    WritableBuffer,
)
from compl_core.layout import Measured

_Class = TypeVar("_Class", bound=type)
_Put = TypeVar("_Put")
_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# ---- floor 1: the ring as it is (compl_uring.ring) ------------------------------------------------------------------

#: What compl_core.layout.check_all() takes: structs as this build lays them out.
URING_LAYOUT: Final[dict[str, Measured]]

def specialise(cls: _Class) -> _Class: ...

@final
class CompletionEntry:
    """``struct io_uring_cqe``: what a ring hands back.  Compares, unpacks and hashes as (user_data, res, flags)."""

    __match_args__: Final = ("user_data", "res", "flags")
    def __init__(self, user_data: int, res: int = 0, flags: int = 0, extra: bytes | None = None) -> None: ...
    #: The u64 that came with the submission.
    user_data: Final[int]
    #: The result; negative is an errno.
    res: Final[int]
    #: :class:`compl_uring.CqeFlags` bits, and from bit 16 on the id of a provided buffer.
    flags: Final[int]
    @property
    def extra(self) -> bytes | None:
        """The 16 further bytes of a CQE32 ring's entry."""
    @property
    def more(self) -> bool:
        """More completions of the same submission follow (IORING_CQE_F_MORE)."""
    @property
    def notification(self) -> bool:
        """A zero-copy send's second completion: its buffer is the sender's again (IORING_CQE_F_NOTIF)."""
    @property
    def buffer_id(self) -> int | None:
        """Which buffer of a :class:`BufferRing` was filled, if one was."""
    def __iter__(self) -> Iterator[int]: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class SubmissionEntry:
    """``struct io_uring_sqe``, 64 or 128 bytes, with all that it points to held for as long as the kernel may use it.

    Made by :class:`Prepare` with its buffers, or empty to be filled in by hand: then the addresses in it are the
    caller's to vouch for, and ``keep`` of :meth:`Ring.submit_raw` is what holds their owners.  Handed to a ring once.
    """

    def __new__(cls, data: Buffer | None = None, *, large: bool = False) -> Self: ...
    opcode: int
    flags: int
    ioprio: int
    fd: int
    #: Also addr2, cmd_op.
    off: int
    #: Also splice_off_in, level and optname.
    addr: int
    len: int
    #: rw_flags, msg_flags, poll32_events, accept_flags, cancel_flags, timeout_flags and the others of that union.
    op_flags: int
    user_data: int
    #: Also buf_group.
    buf_index: int
    personality: int
    #: Also splice_fd_in, optlen, addr_len; 0..2**32-1.
    file_index: int
    addr3: int
    #: Of a 128-byte entry: its 80 bytes for the command (they start where addr3 does).
    cmd: bytes
    @property
    def large(self) -> bool: ...
    @property
    def pushed(self) -> bool:
        """It was handed to a ring, which owns what it points to from then on."""
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...

@disjoint_base
class SocketAddress:
    """``struct sockaddr_storage``: an address to give, or the room for one that the kernel writes."""

    def __new__(cls, family: int = 0, address: Address | None = None) -> Self: ...
    @property
    def family(self) -> int: ...
    @property
    def value(self) -> Any:
        """As the socket module gives it; None while there is none."""
    def __bytes__(self) -> bytes: ...

@disjoint_base
class Message:
    """``struct msghdr``: the buffers of one recvmsg or sendmsg, ``address`` to send it to, ancillary data.

    Its buffers are exported while it lives.  One operation at a time; good for any number of them.
    """

    def __new__(
        cls,
        buffers: Sequence[Buffer],
        *,
        address: SocketAddress | None = None,
        control: Buffer | None = None,
        writable: bool = True,
    ) -> Self: ...
    @property
    def flags(self) -> int:
        """MSG_* of what was received: MSG_TRUNC, MSG_CTRUNC."""
    @property
    def control_length(self) -> int:
        """Bytes of ancillary data that were received."""
    @property
    def ancillary(self) -> list[tuple[int, int, bytes]]:
        """What was received of it: (level, type, data)."""
    @property
    def address(self) -> SocketAddress | None:
        """Of the sender, once something was received; before, where it is to be sent."""

@disjoint_base
class RegisteredBuffers:
    """Buffers that a ring has mapped for good; see :meth:`Ring.register_buffers`."""

    def __len__(self) -> int: ...
    def size(self, index: int) -> int: ...

class _Entries(Generic[_Put]):
    """The builders.  On a :class:`Ring` each fills the next entry of its queue; on :class:`Prepare` it returns one.

    ``user_data`` is any u64; it comes back in the completion.  ``flags`` are :class:`compl_uring.SqeFlags`.  A file is
    a descriptor or an object with ``fileno()``, and must stay open until the entry was submitted; with FIXED_FILE it is
    an index of the ring's registered files.  Buffers stay exported until the operation's last completion is taken.
    ``file_index`` puts a new file into the registered files: an index, or FILE_INDEX_ALLOC.
    """

    # ---- files
    def read(
        self, fd: FileLike, buffer: WritableBuffer, offset: int = -1, user_data: int = 0, flags: int = 0,
        rw_flags: int = 0, ioprio: int = 0,
    ) -> _Put:  # fmt: skip
        """pread2(2); offset -1 is the file's own position, and what pipes and sockets take."""
    def write(
        self, fd: FileLike, buffer: ReadableBuffer, offset: int = -1, user_data: int = 0, flags: int = 0,
        rw_flags: int = 0, ioprio: int = 0,
    ) -> _Put: ...  # fmt: skip
    def readv(
        self, fd: FileLike, buffers: Sequence[WritableBuffer], offset: int = -1, user_data: int = 0, flags: int = 0,
        rw_flags: int = 0, ioprio: int = 0,
    ) -> _Put: ...  # fmt: skip
    def writev(
        self, fd: FileLike, buffers: Sequence[ReadableBuffer], offset: int = -1, user_data: int = 0, flags: int = 0,
        rw_flags: int = 0, ioprio: int = 0,
    ) -> _Put: ...  # fmt: skip
    def read_fixed(
        self, fd: FileLike, buffers: RegisteredBuffers, index: int, offset: int = -1, user_data: int = 0,
        flags: int = 0, *, start: int = 0, length: int | None = None, rw_flags: int = 0,
    ) -> _Put:  # fmt: skip
        """Into ``length`` bytes from ``start`` of a registered buffer; None is up to its end."""
    def write_fixed(
        self, fd: FileLike, buffers: RegisteredBuffers, index: int, offset: int = -1, user_data: int = 0,
        flags: int = 0, *, start: int = 0, length: int | None = None, rw_flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def read_provided(
        self, fd: FileLike, group: int, offset: int = -1, user_data: int = 0, flags: int = 0, *, length: int = 0
    ) -> _Put:
        """Into a buffer of a :class:`BufferRing`; length 0 is the buffer's own."""
    def read_multishot(
        self, fd: FileLike, group: int, offset: int = -1, user_data: int = 0, flags: int = 0
    ) -> _Put: ...
    def fsync(
        self, fd: FileLike, user_data: int = 0, flags: int = 0, *, data_only: bool = False, offset: int = 0,
        length: int = 0,
    ) -> _Put: ...  # fmt: skip
    def sync_file_range(
        self, fd: FileLike, offset: int, length: int, sync_flags: int, user_data: int = 0, flags: int = 0
    ) -> _Put: ...
    def fallocate(
        self, fd: FileLike, mode: int, offset: int, length: int, user_data: int = 0, flags: int = 0
    ) -> _Put: ...
    def ftruncate(self, fd: FileLike, length: int, user_data: int = 0, flags: int = 0) -> _Put: ...
    def fadvise(
        self, fd: FileLike, offset: int, length: int, advice: int, user_data: int = 0, flags: int = 0
    ) -> _Put: ...
    def madvise(self, buffer: Buffer, advice: int, user_data: int = 0, flags: int = 0) -> _Put: ...
    def openat(
        self, path: _Path, open_flags: int, mode: int = 0, user_data: int = 0, flags: int = 0, *, dir_fd: int = -100,
        file_index: int | None = None,
    ) -> _Put:  # fmt: skip
        """The result is the descriptor, close-on-exec only if ``open_flags`` says so."""
    def openat2(
        self, path: _Path, open_flags: int, mode: int = 0, user_data: int = 0, flags: int = 0, *, resolve: int = 0,
        dir_fd: int = -100, file_index: int | None = None,
    ) -> _Put: ...  # fmt: skip
    def close_file(self, fd: FileLike, user_data: int = 0, flags: int = 0) -> _Put:
        """close(2) of a descriptor; a Python object around it does not learn of it."""
    def close_direct(self, index: int, user_data: int = 0, flags: int = 0) -> _Put:
        """Take a file out of the registered files."""
    def statx(
        self, path: _Path, buffer: WritableBuffer, user_data: int = 0, flags: int = 0, *, dir_fd: int = -100,
        statx_flags: int = 0, mask: int = 0x7FF,
    ) -> _Put:  # fmt: skip
        """Into 256 bytes or more; :meth:`compl_uring.Statx.from_bytes` reads them."""
    def unlinkat(
        self, path: _Path, user_data: int = 0, flags: int = 0, *, dir_fd: int = -100, at_flags: int = 0
    ) -> _Put: ...
    def renameat(
        self, old: _Path, new: _Path, user_data: int = 0, flags: int = 0, *, old_dir_fd: int = -100,
        new_dir_fd: int = -100, rename_flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def mkdirat(
        self, path: _Path, mode: int = 0o777, user_data: int = 0, flags: int = 0, *, dir_fd: int = -100
    ) -> _Put: ...
    def symlinkat(
        self, target: _Path, path: _Path, user_data: int = 0, flags: int = 0, *, dir_fd: int = -100
    ) -> _Put: ...
    def linkat(
        self, old: _Path, new: _Path, user_data: int = 0, flags: int = 0, *, old_dir_fd: int = -100,
        new_dir_fd: int = -100, at_flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def getxattr(
        self, path: _Path | None, name: str | bytes, buffer: WritableBuffer, user_data: int = 0, flags: int = 0, *,
        fd: FileLike | None = None,
    ) -> _Put: ...  # fmt: skip
    def setxattr(
        self, path: _Path | None, name: str | bytes, buffer: ReadableBuffer, user_data: int = 0, flags: int = 0, *,
        fd: FileLike | None = None, xattr_flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def splice(
        self, fd_in: FileLike, offset_in: int, fd_out: FileLike, offset_out: int, length: int, user_data: int = 0,
        flags: int = 0, *, splice_flags: int = 0,
    ) -> _Put:  # fmt: skip
        """Offsets are -1 for pipes.  With SPLICE_F_FD_IN_FIXED ``fd_in`` is an index of the registered files."""
    def tee(
        self, fd_in: FileLike, fd_out: FileLike, length: int, user_data: int = 0, flags: int = 0, *,
        splice_flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def pipe(
        self, buffer: WritableBuffer, pipe_flags: int = 0, user_data: int = 0, flags: int = 0, *,
        file_index: int | None = None,
    ) -> _Put:  # fmt: skip
        """The two descriptors are written to 8 bytes of ``buffer``, as native ints."""
    def files_update(self, start: int, fds: Sequence[int], user_data: int = 0, flags: int = 0) -> _Put:
        """Put descriptors (-1 for none) into the registered files, from ``start`` on."""
    def fixed_fd_install(self, index: int, user_data: int = 0, flags: int = 0, *, install_flags: int = 0) -> _Put:
        """A descriptor for a registered file."""

    # ---- sockets
    def socket(
        self, family: int, kind: int, protocol: int = 0, user_data: int = 0, flags: int = 0, *,
        file_index: int | None = None,
    ) -> _Put: ...  # fmt: skip
    def bind(self, fd: FileLike, address: SocketAddress | Address, user_data: int = 0, flags: int = 0) -> _Put: ...
    def listen(self, fd: FileLike, backlog: int, user_data: int = 0, flags: int = 0) -> _Put: ...
    def connect(self, fd: FileLike, address: SocketAddress | Address, user_data: int = 0, flags: int = 0) -> _Put:
        """An address that is no :class:`SocketAddress` is read by the socket's family, so ``fd`` is a real one then."""
    def accept(
        self, fd: FileLike, user_data: int = 0, flags: int = 0, *, address: SocketAddress | None = None,
        accept_flags: int = 0o2000000, file_index: int | None = None, ioprio: int = 0,
    ) -> _Put:  # fmt: skip
        """The result is the new descriptor (close-on-exec unless ``accept_flags`` says otherwise)."""
    def accept_multishot(
        self, fd: FileLike, user_data: int = 0, flags: int = 0, *, accept_flags: int = 0o2000000,
        file_index: int | None = None, ioprio: int = 0,
    ) -> _Put: ...  # fmt: skip
    def recv(
        self, fd: FileLike, buffer: WritableBuffer, user_data: int = 0, flags: int = 0, msg_flags: int = 0,
        ioprio: int = 0,
    ) -> _Put:  # fmt: skip
        """``ioprio`` takes :class:`compl_uring.RecvSendFlags`: POLL_FIRST and others."""
    def send(
        self, fd: FileLike, buffer: ReadableBuffer, user_data: int = 0, flags: int = 0, msg_flags: int = 0,
        ioprio: int = 0, *, address: SocketAddress | None = None,
    ) -> _Put: ...  # fmt: skip
    def recv_provided(
        self, fd: FileLike, group: int, user_data: int = 0, flags: int = 0, msg_flags: int = 0, ioprio: int = 0, *,
        length: int = 0,
    ) -> _Put: ...  # fmt: skip
    def recv_multishot(
        self, fd: FileLike, group: int, user_data: int = 0, flags: int = 0, msg_flags: int = 0, ioprio: int = 0
    ) -> _Put: ...
    def send_zc(
        self, fd: FileLike, buffer: ReadableBuffer, user_data: int = 0, flags: int = 0, msg_flags: int = 0,
        ioprio: int = 0, *, address: SocketAddress | None = None,
    ) -> _Put:  # fmt: skip
        """Without copying.  Two completions: the result (with MORE), then a notification, which frees the buffer."""
    def send_zc_fixed(
        self, fd: FileLike, buffers: RegisteredBuffers, index: int, user_data: int = 0, flags: int = 0,
        msg_flags: int = 0, ioprio: int = 0, *, start: int = 0, length: int | None = None,
    ) -> _Put: ...  # fmt: skip
    def recvmsg(
        self, fd: FileLike, message: Message, user_data: int = 0, flags: int = 0, msg_flags: int = 0, ioprio: int = 0
    ) -> _Put: ...
    def sendmsg(
        self, fd: FileLike, message: Message, user_data: int = 0, flags: int = 0, msg_flags: int = 0, ioprio: int = 0
    ) -> _Put: ...
    def sendmsg_zc(
        self, fd: FileLike, message: Message, user_data: int = 0, flags: int = 0, msg_flags: int = 0, ioprio: int = 0
    ) -> _Put: ...
    def shutdown(self, fd: FileLike, how: int, user_data: int = 0, flags: int = 0) -> _Put: ...

    # ---- everything else
    def nop(self, user_data: int = 0, flags: int = 0) -> _Put: ...
    def poll_add(
        self, fd: FileLike, events: int, user_data: int = 0, flags: int = 0, *, multishot: bool = False,
        level: bool = False,
    ) -> _Put:  # fmt: skip
        """poll(2)'s event bits in and, as the result, out."""
    def poll_remove(self, target: int, user_data: int = 0, flags: int = 0) -> _Put:
        """``target`` is the user_data of a poll_add()."""
    def poll_update(
        self, target: int, events: int, user_data: int = 0, flags: int = 0, *, multishot: bool = False
    ) -> _Put: ...
    def timeout(
        self, seconds: float, user_data: int = 0, flags: int = 0, *, count: int = 0, timeout_flags: int = 0
    ) -> _Put:
        """Completes with -ETIME after that long, or with 0 once ``count`` other completions have come."""
    def timeout_remove(self, target: int, user_data: int = 0, flags: int = 0) -> _Put: ...
    def timeout_update(
        self, target: int, seconds: float, user_data: int = 0, flags: int = 0, *, timeout_flags: int = 0
    ) -> _Put: ...
    def link_timeout(self, seconds: float, user_data: int = 0, flags: int = 0, *, timeout_flags: int = 0) -> _Put:
        """Limits the entry before it, which must have IO_LINK."""
    def cancel(self, target: int, user_data: int = 0, flags: int = 0, *, all: bool = False) -> _Put:
        """Cancel by user_data, the oldest of that one or all of them; the result with ``all`` is how many."""
    def cancel_fd(
        self, fd: FileLike, user_data: int = 0, flags: int = 0, *, all: bool = True, fixed: bool = False
    ) -> _Put: ...
    def cancel_any(self, user_data: int = 0, flags: int = 0, *, all: bool = True) -> _Put: ...
    def msg_ring(
        self, ring: FileLike, res: int, message: int, user_data: int = 0, flags: int = 0, *,
        cqe_flags: int | None = None, msg_flags: int = 0,
    ) -> _Put:  # fmt: skip
        """Post a completion of user_data ``message`` and that ``res`` to another ring, which need not expect it."""
    def msg_ring_fd(
        self, ring: FileLike, source: int, message: int, user_data: int = 0, flags: int = 0, *,
        target: int | None = None, msg_flags: int = 0,
    ) -> _Put:  # fmt: skip
        """Send a registered file to another ring's registered files; target None takes a free index."""
    def futex_wait(
        self, word: WritableBuffer, value: int, user_data: int = 0, flags: int = 0, *, mask: int = 0xFFFFFFFF,
        futex_flags: int = 0x82,
    ) -> _Put:  # fmt: skip
        """Until the u32 at the start of ``word`` is woken; -EAGAIN if it is not ``value``."""
    def futex_wake(
        self, word: WritableBuffer, count: int, user_data: int = 0, flags: int = 0, *, mask: int = 0xFFFFFFFF,
        futex_flags: int = 0x82,
    ) -> _Put: ...  # fmt: skip
    def waitid(
        self, id_type: int, id: int, options: int, user_data: int = 0, flags: int = 0, *,
        info: WritableBuffer | None = None,
    ) -> _Put:  # fmt: skip
        """``info`` takes the 128 bytes of siginfo_t."""
    def epoll_ctl(
        self, epoll: FileLike, operation: int, fd: FileLike, events: int = 0, data: int = 0, user_data: int = 0,
        flags: int = 0,
    ) -> _Put: ...  # fmt: skip
    def epoll_wait(self, epoll: FileLike, buffer: WritableBuffer, user_data: int = 0, flags: int = 0) -> _Put:
        """As many ``struct epoll_event`` as the buffer has room for; the result says how many came."""

@disjoint_base
class Prepare(_Entries[SubmissionEntry]):
    """The builders, each returning an entry with what it points to: for backlogs, and for entries changed by hand."""

    def __new__(cls, *, large: bool = False) -> Self: ...

class Ring(_Entries[None]):
    """One io_uring instance.  See :class:`compl_uring.Ring`, which this becomes."""

    def __init__(
        self,
        entries: int,
        *,
        cq_entries: int | None = None,
        flags: int = 0,
        sq_thread_idle: int | None = None,
        sq_thread_cpu: int | None = None,
        attach: FileLike | None = None,
    ) -> None: ...
    def submit_raw(
        self, entry: SubmissionEntry | Buffer, user_data: int | None = None, flags: int | None = None, *,
        keep: object = None,
    ) -> None:  # fmt: skip
        """Queue an entry of :class:`Prepare`, or 64 or 128 bytes of one; user_data and flags replace those in it.

        What the addresses in it point to must stay until its last completion: ``keep`` is held so long.  Cancels,
        poll_remove and timeout_remove name their target by user_data, as everywhere.  ValueError for an entry that was
        queued before, and for what no ``keep`` can hold: PROVIDE_BUFFERS, and polls that change their user_data.
        """
    def submit(self) -> int:
        """Hand over all that is queued, without waiting; how many entries the kernel took.  io_uring_enter(2).

        OSError as there, BlockingIOError where it takes none for want of memory or room; they stay queued.
        """
    def submit_and_wait(
        self, minimum: int = 1, timeout: float | None = None, maximum: int | None = None
    ) -> list[CompletionEntry]:
        """Hand over all that is queued and return at least ``minimum`` completions, oldest first, in one system call.

        Fewer only after ``timeout`` seconds (None: never); more if there are, up to ``maximum``.  Signal handlers run
        meanwhile, and the deadline stays; what was reaped before one raised comes with the next call.
        """
    def reap(self, maximum: int | None = None) -> list[CompletionEntry]:
        """The completions that there are.  Enters the kernel only where it holds some back: after an overflow, with
        DEFER_TASKRUN and with IOPOLL."""
    @property
    def features(self) -> int:
        """:class:`compl_uring.Features` bits."""
    @property
    def flags(self) -> int:
        """:class:`compl_uring.SetupFlags` bits, those of other arguments included."""
    @property
    def sq_entries(self) -> int: ...
    @property
    def cq_entries(self) -> int: ...
    @property
    def room(self) -> int:
        """Entries that can be filled before the queue is submitted."""
    @property
    def unsubmitted(self) -> int:
        """Entries filled that the kernel has not taken."""
    @property
    def in_flight(self) -> int:
        """Operations filled whose last completion was not taken."""
    @property
    def closed(self) -> bool: ...
    def fileno(self) -> int:
        """Readable in poll(2) while there are completions."""
    def statistics(self) -> Mapping[str, int]:
        """Counts since the ring was made.

        ``submitted`` entries the kernel took, ``completed`` completions, ``in_flight`` operations now, ``foreign``
        completions that came by MSG_RING, ``skipped`` successes not returned (CQE_SKIP_SUCCESS), ``resubmitted``
        entries handed over again after a short or refused submission, ``overflowed`` times that completions had to be
        fetched for which the queue had had no room.
        """
    def opcodes(self) -> frozenset[int]:
        """Numbers of the operations that the kernel knows."""
    def enable(self) -> None:
        """Start a ring made with R_DISABLED; with SINGLE_ISSUER it belongs to the calling thread from then on."""
    def close(self, timeout: float = 10.0) -> None:
        """Cancel everything, wait until it has ended, then unmap and close.  Completions not taken are dropped.

        Threads that wait get PortClosedError.  What has not ended after ``timeout`` seconds keeps its buffers for good,
        with a ResourceWarning: the kernel may still write to them.  Called again, it does nothing.
        """
    def __del__(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def register(self, opcode: int, argument: Buffer | None = None, count: int = 0) -> int:
        """io_uring_register(2) of anything that is over with the call; ValueError for what has a method of its own."""
    def register_buffers(self, buffers: Iterable[Buffer]) -> RegisteredBuffers:
        """Map buffers for read_fixed(), write_fixed() and send_zc_fixed(): 1 to 1024 writable ones, held exported."""
    def unregister_buffers(self) -> None:
        """Operations in flight hold theirs until they complete."""
    def register_files(self, fds: Sequence[int]) -> None:
        """Open files by index, for FIXED_FILE; -1 leaves one free.  The ring keeps them open."""
    def register_files_sparse(self, count: int) -> None:
        """That many free indices, for ``file_index`` (Linux 5.19)."""
    def update_files(self, start: int, fds: Sequence[int]) -> int:
        """Put others (-1: none) in from ``start`` on; how many were put."""
    def unregister_files(self) -> None: ...
    def register_eventfd(self, fd: FileLike) -> None:
        """Each completion adds one to this eventfd(2)."""
    def unregister_eventfd(self) -> None: ...
    def cancel_sync(
        self, target: int | None = None, *, fd: FileLike | None = None, all: bool = True, timeout: float | None = None
    ) -> None:
        """Cancel by user_data, by file, or everything, and wait until it has ended (Linux 6.0).

        OSError (ETIME) if that takes longer than ``timeout``.  The completions are still to be reaped.
        """
    def buffer_ring(self, group: int, count: int, size: int) -> BufferRing:
        """``count`` (a power of two up to 32768) buffers of ``size`` bytes for the kernel to take from (Linux 5.19).

        ``group`` (0..65535) names them to recv_provided(), recv_multishot(), read_provided() and read_multishot().
        """

@disjoint_base
class BufferRing:
    """``count`` buffers of ``size`` bytes that the kernel takes from by itself; made by :meth:`Ring.buffer_ring`."""

    @property
    def group(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def available(self) -> int:
        """Buffers that the kernel can take from now."""
    @property
    def closed(self) -> bool: ...
    def take(self, entry: CompletionEntry) -> ProvidedBuffer:
        """What a completion brought; the kernel gets the buffer back when that is recycled or collected."""
    def copy(self, entry: CompletionEntry) -> bytes:
        """What a completion brought, as bytes; the kernel gets the buffer back at once."""
    def close(self) -> None:
        """Unregister the group.  Operations that use it must have completed."""
    def __len__(self) -> int: ...

@final
class ProvidedBuffer(Buffer):
    """The bytes that one completion brought into one buffer of a :class:`BufferRing`."""

    @property
    def buffer_id(self) -> int: ...
    def recycle(self) -> None:
        """Give it back.  BufferError while a memoryview of it exists."""
    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

# ---- floor 2: the port (compl_uring.port) -------------------------------------------------------------------------

def hide(opcodes: Iterable[int] = (), features: int = 0) -> None:
    """For tests: ports opened from now on see an older kernel, without these opcodes and features."""

@disjoint_base
class Port:
    def __init__(self, entries: int = 256, *, single_thread: bool = False) -> None: ...
    @property
    def pollable(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def single_thread(self) -> bool: ...
    @property
    def kernel_files(self) -> bool: ...
    def abilities(self) -> dict[str, str]: ...
    def fileno(self) -> int: ...
    def statistics(self) -> Mapping[str, int]: ...
    def register(
        self, file: FileLike, key: int, interest: Interest | Literal[0] = 0, *, oneshot: bool = False
    ) -> None: ...
    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None: ...
    def unregister(self, file: FileLike) -> None: ...
    def post(self, key: int, result: int = 0, token: object = None) -> None: ...
    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]: ...
    def close(self) -> None: ...
    def __del__(self) -> None: ...
    def nop(self, token: object = None) -> OperationId: ...
    def timeout(self, seconds: float, token: object = None) -> OperationId: ...
    def read(
        self, file: FileLike, buffer: WritableBuffer, offset: int | None = None, token: object = None
    ) -> OperationId: ...
    def write(
        self, file: FileLike, buffer: ReadableBuffer, offset: int | None = None, token: object = None
    ) -> OperationId: ...
    def read_vectored(
        self, file: FileLike, buffers: Sequence[WritableBuffer], offset: int | None = None, token: object = None
    ) -> OperationId: ...
    def write_vectored(
        self, file: FileLike, buffers: Sequence[ReadableBuffer], offset: int | None = None, token: object = None
    ) -> OperationId: ...
    def fsync(self, file: FileLike, token: object = None, *, data_only: bool = False) -> OperationId: ...
    def recv(
        self,
        sock: FileLike,
        buffer: WritableBuffer | None = None,
        flags: int = 0,
        token: object = None,
        *,
        pool: BufferPool | None = None,
    ) -> OperationId: ...
    def buffer_pool(self, count: int, size: int) -> BufferPool: ...
    def send(self, sock: FileLike, buffer: ReadableBuffer, flags: int = 0, token: object = None) -> OperationId: ...
    def send_all(self, sock: FileLike, buffer: ReadableBuffer, token: object = None) -> OperationId: ...
    def recv_exactly(self, sock: FileLike, buffer: WritableBuffer, token: object = None) -> OperationId: ...
    def recv_from(
        self, sock: FileLike, buffer: WritableBuffer, flags: int = 0, token: object = None
    ) -> OperationId: ...
    def send_to(
        self, sock: FileLike, buffer: ReadableBuffer, address: Address, flags: int = 0, token: object = None
    ) -> OperationId: ...
    def accept(self, sock: FileLike, token: object = None, *, multishot: bool = False) -> OperationId: ...
    def connect(self, sock: FileLike, address: Address, token: object = None) -> OperationId: ...
    def poll(self, file: FileLike, interest: Interest, token: object = None) -> OperationId: ...
    def cancel(self, operation_id: OperationId) -> bool: ...
    def cancel_all(self, file: FileLike) -> int: ...
    def close_file(self, file: FileLike, token: object = None) -> OperationId: ...
    def submit(self, operation: Operation, *, token: object = None) -> OperationId: ...
    def flush(self) -> int: ...
