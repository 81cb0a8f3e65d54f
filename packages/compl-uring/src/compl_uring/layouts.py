"""Where the kernel puts the fields of io_uring's structs, for every architecture, as data.

<linux/io_uring.h> orders its fields so that all architectures share the offsets; what differs is the alignment of a
64-bit integer (4 on i386, 8 elsewhere), and of course the order of the bytes.  ``union`` arms are overlays.
"""

from __future__ import annotations

from collections.abc import Iterable

from compl_core.layout import Field, Layout, Table

#: What a C probe of these layouts includes.
HEADERS = ("linux/io_uring.h", "linux/time_types.h", "linux/stat.h")

#: Submission queue entry.  ``off`` is addr2 of operations with two addresses; ``rw_flags`` has an arm for each of them.
_SQE = (
    Field("opcode", 0, 1), Field("flags", 1, 1), Field("ioprio", 2, 2), Field("fd", 4, 4, "i"),
    Field("off", 8, 8), Field("addr2", 8, 8, overlay=True),
    Field("addr", 16, 8), Field("splice_off_in", 16, 8, overlay=True),
    Field("len", 24, 4),
    Field("rw_flags", 28, 4), Field("fsync_flags", 28, 4, overlay=True), Field("poll_events", 28, 2, overlay=True),
    Field("poll32_events", 28, 4, overlay=True), Field("sync_range_flags", 28, 4, overlay=True),
    Field("msg_flags", 28, 4, overlay=True), Field("timeout_flags", 28, 4, overlay=True),
    Field("accept_flags", 28, 4, overlay=True), Field("cancel_flags", 28, 4, overlay=True),
    Field("open_flags", 28, 4, overlay=True), Field("statx_flags", 28, 4, overlay=True),
    Field("fadvise_advice", 28, 4, overlay=True), Field("splice_flags", 28, 4, overlay=True),
    Field("rename_flags", 28, 4, overlay=True), Field("unlink_flags", 28, 4, overlay=True),
    Field("hardlink_flags", 28, 4, overlay=True), Field("xattr_flags", 28, 4, overlay=True),
    Field("msg_ring_flags", 28, 4, overlay=True),
    Field("user_data", 32, 8),
    Field("buf_index", 40, 2), Field("buf_group", 40, 2, overlay=True), Field("personality", 42, 2),
    Field("splice_fd_in", 44, 4, "i"), Field("file_index", 44, 4, overlay=True), Field("addr_len", 44, 2, overlay=True),
    Field("addr3", 48, 8),
)  # fmt: skip

_CQE = (Field("user_data", 0, 8), Field("res", 8, 4, "i"), Field("flags", 12, 4))

_PARAMS = (
    Field("sq_entries", 0, 4), Field("cq_entries", 4, 4), Field("flags", 8, 4), Field("sq_thread_cpu", 12, 4),
    Field("sq_thread_idle", 16, 4), Field("features", 20, 4), Field("wq_fd", 24, 4), Field("sq_off", 40, 40, "40s"),
    Field("cq_off", 80, 40, "40s"),
)  # fmt: skip

_SQ_OFFSETS = (
    Field("head", 0, 4), Field("tail", 4, 4), Field("ring_mask", 8, 4), Field("ring_entries", 12, 4),
    Field("flags", 16, 4), Field("dropped", 20, 4), Field("array", 24, 4),
)  # fmt: skip

_CQ_OFFSETS = (
    Field("head", 0, 4), Field("tail", 4, 4), Field("ring_mask", 8, 4), Field("ring_entries", 12, 4),
    Field("overflow", 16, 4), Field("cqes", 20, 4), Field("flags", 24, 4),
)  # fmt: skip

_GETEVENTS_ARG = (Field("sigmask", 0, 8), Field("sigmask_sz", 8, 4), Field("ts", 16, 8))

#: A provided buffer.  ``resv`` of the first in a ring is the ring's tail.
_BUF = (Field("addr", 0, 8), Field("len", 8, 4), Field("bid", 12, 2), Field("resv", 14, 2))

_BUF_REG = (Field("ring_addr", 0, 8), Field("ring_entries", 8, 4), Field("bgid", 12, 2))

_PROBE = (Field("last_op", 0, 1), Field("ops_len", 1, 1))

_PROBE_OP = (Field("op", 0, 1), Field("flags", 2, 2))

_SYNC_CANCEL = (Field("addr", 0, 8), Field("fd", 8, 4, "i"), Field("flags", 12, 4), Field("timeout", 16, 16, "16s"))

_FILES_UPDATE = (Field("offset", 0, 4), Field("fds", 8, 8))

_RSRC_REGISTER = (Field("nr", 0, 4), Field("flags", 4, 4), Field("data", 16, 8), Field("tags", 24, 8))

_TIMESPEC = (Field("tv_sec", 0, 8, "q"), Field("tv_nsec", 8, 8, "q"))


def _time(name: str, offset: int) -> Iterable[Field]:
    return Field(f"{name}.tv_sec", offset, 8, "q"), Field(f"{name}.tv_nsec", offset + 8, 4)


_STATX = (
    Field("stx_mask", 0, 4), Field("stx_blksize", 4, 4), Field("stx_attributes", 8, 8), Field("stx_nlink", 16, 4),
    Field("stx_uid", 20, 4), Field("stx_gid", 24, 4), Field("stx_mode", 28, 2), Field("stx_ino", 32, 8),
    Field("stx_size", 40, 8), Field("stx_blocks", 48, 8), Field("stx_attributes_mask", 56, 8),
    *_time("stx_atime", 64), *_time("stx_btime", 80), *_time("stx_ctime", 96), *_time("stx_mtime", 112),
    Field("stx_rdev_major", 128, 4), Field("stx_rdev_minor", 132, 4), Field("stx_dev_major", 136, 4),
    Field("stx_dev_minor", 140, 4),
)  # fmt: skip


def _layouts(wide: int) -> tuple[Layout, ...]:
    """With 64-bit integers aligned so."""
    return (
        Layout("struct io_uring_sqe", 64, wide, _SQE),
        Layout("struct io_uring_cqe", 16, wide, _CQE),
        Layout("struct io_uring_params", 120, wide, _PARAMS),
        Layout("struct io_sqring_offsets", 40, wide, _SQ_OFFSETS),
        Layout("struct io_cqring_offsets", 40, wide, _CQ_OFFSETS),
        Layout("struct io_uring_getevents_arg", 24, wide, _GETEVENTS_ARG),
        Layout("struct io_uring_buf", 16, wide, _BUF),
        Layout("struct io_uring_buf_reg", 40, wide, _BUF_REG),
        Layout("struct io_uring_probe", 16, 4, _PROBE),
        Layout("struct io_uring_probe_op", 8, 4, _PROBE_OP),
        Layout("struct io_uring_sync_cancel_reg", 64, wide, _SYNC_CANCEL),
        Layout("struct io_uring_files_update", 16, 8, _FILES_UPDATE),  # __aligned_u64
        Layout("struct io_uring_rsrc_register", 32, 8, _RSRC_REGISTER),
        Layout("struct __kernel_timespec", 16, wide, _TIMESPEC),
        Layout("struct statx", 256, wide, _STATX),
    )


LAYOUTS: Table = {
    name: _layouts(4 if name == "i386" else 8)
    for name in ("x86_64", "x32", "i386", "aarch64", "arm", "riscv64", "loongarch64", "ppc64le", "ppc64", "s390x")
}
