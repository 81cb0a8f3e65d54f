"""The kernel's numbers for io_uring (<linux/io_uring.h>), by name; bits without a name here survive as they are."""

from __future__ import annotations

import enum

#: As ``file_index``: any free one of the registered files (IORING_FILE_INDEX_ALLOC).
FILE_INDEX_ALLOC = 0xFFFFFFFF


class SetupFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_SETUP_*: what kind of ring, io_uring_setup(2)."""

    NONE = 0
    #: Poll the device for completions; O_DIRECT files on devices that can.
    IOPOLL = 1 << 0
    #: A kernel thread submits; ``sq_thread_idle`` and ``sq_thread_cpu`` imply it.
    SQPOLL = 1 << 1
    SQ_AFF = 1 << 2
    CQSIZE = 1 << 3
    #: Too many entries become as many as there may be.
    CLAMP = 1 << 4
    ATTACH_WQ = 1 << 5
    #: Nothing can be submitted until :meth:`Ring.enable`.
    R_DISABLED = 1 << 6
    #: An entry that is refused does not stop those behind it.
    SUBMIT_ALL = 1 << 7
    COOP_TASKRUN = 1 << 8
    TASKRUN_FLAG = 1 << 9
    #: Entries of 128 bytes.
    SQE128 = 1 << 10
    #: Completions of 32 bytes.
    CQE32 = 1 << 11
    #: One thread alone submits, all the ring's life.
    SINGLE_ISSUER = 1 << 12
    #: Completions are made only while that thread waits for them.
    DEFER_TASKRUN = 1 << 13
    NO_MMAP = 1 << 14
    REGISTERED_FD_ONLY = 1 << 15
    NO_SQARRAY = 1 << 16
    HYBRID_IOPOLL = 1 << 17
    #: Completions of either size (6.18).
    CQE_MIXED = 1 << 18


class Features(enum.IntFlag, boundary=enum.KEEP):
    """IORING_FEAT_*: what the kernel says of itself when a ring is made."""

    NONE = 0
    SINGLE_MMAP = 1 << 0
    NODROP = 1 << 1
    SUBMIT_STABLE = 1 << 2
    RW_CUR_POS = 1 << 3
    CUR_PERSONALITY = 1 << 4
    FAST_POLL = 1 << 5
    POLL_32BITS = 1 << 6
    SQPOLL_NONFIXED = 1 << 7
    EXT_ARG = 1 << 8
    NATIVE_WORKERS = 1 << 9
    RSRC_TAGS = 1 << 10
    CQE_SKIP = 1 << 11
    LINKED_FILE = 1 << 12
    REG_REG_RING = 1 << 13
    RECVSEND_BUNDLE = 1 << 14
    MIN_TIMEOUT = 1 << 15
    RW_ATTR = 1 << 16
    NO_IOWAIT = 1 << 17


class SqeFlags(enum.IntFlag, boundary=enum.KEEP):
    """IOSQE_*: how one entry is to be treated."""

    NONE = 0
    #: ``fd`` is an index of the registered files.
    FIXED_FILE = 1 << 0
    #: Not before everything submitted earlier has completed, and nothing later before this.
    IO_DRAIN = 1 << 1
    #: The next entry starts when this one has succeeded, and is cancelled if it has not (or came short).
    IO_LINK = 1 << 2
    #: The next entry starts when this one has completed, whatever its result.
    IO_HARDLINK = 1 << 3
    #: To a kernel thread at once, without trying first.
    ASYNC = 1 << 4
    #: Take a provided buffer; the builders that have a group set it.
    BUFFER_SELECT = 1 << 5
    #: Return a completion only for failure.  The ring sees to this itself, so that buffers are given back all the same;
    #: entries linked behind one that failed report ECANCELED, where the kernel would be silent.
    CQE_SKIP_SUCCESS = 1 << 6


class CqeFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_CQE_F_*: the low 16 bits of a completion's flags; a provided buffer's id stands above them."""

    NONE = 0
    BUFFER = 1 << 0
    #: More completions of the same entry follow.
    MORE = 1 << 1
    #: There is more to receive.
    SOCK_NONEMPTY = 1 << 2
    #: The second completion of a zero-copy send.
    NOTIF = 1 << 3
    BUF_MORE = 1 << 4
    SKIP = 1 << 5
    #: A completion of 32 bytes in a ring of both sizes.
    CQE_32 = 1 << 15


class RecvSendFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_RECVSEND_*, IORING_RECV_*, IORING_SEND_*: ``ioprio`` of receiving and sending."""

    NONE = 0
    #: Do not try first: there is nothing yet, most likely.
    POLL_FIRST = 1 << 0
    MULTISHOT = 1 << 1
    FIXED_BUF = 1 << 2
    #: A zero-copy send's notification says, in ``res``, whether it had to copy (1 << 31).
    ZC_REPORT_USAGE = 1 << 3
    BUNDLE = 1 << 4


class AcceptFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_ACCEPT_*: ``ioprio`` of accepting."""

    NONE = 0
    MULTISHOT = 1 << 0
    DONTWAIT = 1 << 1
    POLL_FIRST = 1 << 2


class TimeoutFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_TIMEOUT_*, of timeout(), link_timeout() and timeout_update()."""

    NONE = 0
    #: ``seconds`` is a point of the clock.
    ABS = 1 << 0
    UPDATE = 1 << 1
    #: The clock that goes on while the machine sleeps.
    BOOTTIME = 1 << 2
    REALTIME = 1 << 3
    #: timeout_update() of a link_timeout().
    LINK_TIMEOUT_UPDATE = 1 << 4
    #: The end of time is a success, so that a link goes on.
    ETIME_SUCCESS = 1 << 5
    #: Again and again, until removed.
    MULTISHOT = 1 << 6


class CancelFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_ASYNC_CANCEL_*; cancel(), cancel_fd() and cancel_any() set them."""

    NONE = 0
    ALL = 1 << 0
    FD = 1 << 1
    ANY = 1 << 2
    FD_FIXED = 1 << 3
    USERDATA = 1 << 4
    OP = 1 << 5


class SpliceFlags(enum.IntFlag, boundary=enum.KEEP):
    """SPLICE_F_*, with io_uring's own."""

    NONE = 0
    MOVE = 1 << 0
    NONBLOCK = 1 << 1
    MORE = 1 << 2
    GIFT = 1 << 3
    #: ``fd_in`` is an index of the registered files.
    FD_IN_FIXED = 1 << 31


class MsgRingFlags(enum.IntFlag, boundary=enum.KEEP):
    """IORING_MSG_RING_*."""

    NONE = 0
    #: With a file: the receiving ring gets no completion.
    CQE_SKIP = 1 << 0
    #: The completion has the flags given with it.
    FLAGS_PASS = 1 << 1
