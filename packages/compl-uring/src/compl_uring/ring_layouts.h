/* Where this build has the fields of the structs in uring_abi.h, under the names that <linux/io_uring.h> gives them. */
#ifndef COMPL_RING_LAYOUTS_H
#define COMPL_RING_LAYOUTS_H
#include <stddef.h>
#include "uring_abi.h"

typedef struct {
    const char *type, *field;  /* field NULL: the struct itself, with its alignment as offset */
    size_t offset, size;
} MeasuredField;

#define WHOLE(name, type) {name, NULL, _Alignof(type), sizeof(type)}
#define FIELD(name, type, field, ours) {name, field, offsetof(type, ours), sizeof(((type *)0)->ours)}

#define SQE(field, ours) FIELD("struct io_uring_sqe", UringSqe, field, ours)
#define PARAM(field) FIELD("struct io_uring_params", UringParams, #field, field)
#define SQ(field) FIELD("struct io_sqring_offsets", UringSqOffsets, #field, field)
#define CQ(field) FIELD("struct io_cqring_offsets", UringCqOffsets, #field, field)

static const MeasuredField measured_fields[] = {
    WHOLE("struct io_uring_sqe", UringSqe), SQE("opcode", opcode), SQE("flags", flags), SQE("ioprio", ioprio),
    SQE("fd", fd), SQE("off", off), SQE("addr2", addr2), SQE("addr", addr), SQE("splice_off_in", splice_off_in),
    SQE("len", len), SQE("rw_flags", op_flags), SQE("user_data", user_data), SQE("buf_index", buf_index),
    SQE("personality", personality), SQE("splice_fd_in", splice_fd_in), SQE("file_index", file_index),
    SQE("addr_len", addr_len), SQE("addr3", addr3),
    WHOLE("struct io_uring_cqe", UringCqe), FIELD("struct io_uring_cqe", UringCqe, "user_data", user_data),
    FIELD("struct io_uring_cqe", UringCqe, "res", res), FIELD("struct io_uring_cqe", UringCqe, "flags", flags),
    WHOLE("struct io_uring_params", UringParams), PARAM(sq_entries), PARAM(cq_entries), PARAM(flags), PARAM(sq_thread_cpu),
    PARAM(sq_thread_idle), PARAM(features), PARAM(wq_fd), PARAM(sq_off), PARAM(cq_off),
    WHOLE("struct io_sqring_offsets", UringSqOffsets), SQ(head), SQ(tail), SQ(ring_mask), SQ(ring_entries), SQ(flags),
    SQ(dropped), SQ(array),
    WHOLE("struct io_cqring_offsets", UringCqOffsets), CQ(head), CQ(tail), CQ(ring_mask), CQ(ring_entries), CQ(overflow),
    CQ(cqes), CQ(flags),
    WHOLE("struct io_uring_getevents_arg", UringGeteventsArg),
    FIELD("struct io_uring_getevents_arg", UringGeteventsArg, "sigmask", sigmask),
    FIELD("struct io_uring_getevents_arg", UringGeteventsArg, "sigmask_sz", sigmask_sz),
    FIELD("struct io_uring_getevents_arg", UringGeteventsArg, "ts", ts),
    WHOLE("struct io_uring_buf", UringBuf), FIELD("struct io_uring_buf", UringBuf, "addr", addr),
    FIELD("struct io_uring_buf", UringBuf, "len", len), FIELD("struct io_uring_buf", UringBuf, "bid", bid),
    FIELD("struct io_uring_buf", UringBuf, "resv", resv),
    WHOLE("struct io_uring_buf_reg", UringBufReg), FIELD("struct io_uring_buf_reg", UringBufReg, "ring_addr", ring_addr),
    FIELD("struct io_uring_buf_reg", UringBufReg, "ring_entries", ring_entries),
    FIELD("struct io_uring_buf_reg", UringBufReg, "bgid", bgid),
    WHOLE("struct io_uring_probe_op", UringProbeOp), FIELD("struct io_uring_probe_op", UringProbeOp, "op", op),
    FIELD("struct io_uring_probe_op", UringProbeOp, "flags", flags),
    WHOLE("struct io_uring_sync_cancel_reg", UringSyncCancel),
    FIELD("struct io_uring_sync_cancel_reg", UringSyncCancel, "addr", addr),
    FIELD("struct io_uring_sync_cancel_reg", UringSyncCancel, "fd", fd),
    FIELD("struct io_uring_sync_cancel_reg", UringSyncCancel, "flags", flags),
    FIELD("struct io_uring_sync_cancel_reg", UringSyncCancel, "timeout", timeout),
    WHOLE("struct io_uring_files_update", UringFilesUpdate),
    FIELD("struct io_uring_files_update", UringFilesUpdate, "offset", offset),
    FIELD("struct io_uring_files_update", UringFilesUpdate, "fds", fds),
    WHOLE("struct io_uring_rsrc_register", UringFilesRegister),
    FIELD("struct io_uring_rsrc_register", UringFilesRegister, "nr", nr),
    FIELD("struct io_uring_rsrc_register", UringFilesRegister, "flags", flags),
    FIELD("struct io_uring_rsrc_register", UringFilesRegister, "data", data),
    FIELD("struct io_uring_rsrc_register", UringFilesRegister, "tags", tags),
    WHOLE("struct __kernel_timespec", UringTimespec), FIELD("struct __kernel_timespec", UringTimespec, "tv_sec", tv_sec),
    FIELD("struct __kernel_timespec", UringTimespec, "tv_nsec", tv_nsec),
};
#define MEASURED_FIELDS (sizeof measured_fields / sizeof *measured_fields)
#endif
