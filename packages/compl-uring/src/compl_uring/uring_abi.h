/* io_uring's structures and the constants that the ring itself needs, as <linux/io_uring.h> lays them out.

   Declared here, because the header of the build host may be years older than the kernel that this runs on.  The layout
   tests hold them against that header, and against compl_uring/layouts.py. */
#ifndef COMPL_URING_ABI_H
#define COMPL_URING_ABI_H
#include <stdint.h>

typedef struct {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    union {
        uint64_t off;
        uint64_t addr2;
        struct { uint32_t cmd_op, pad1; };
    };
    union {
        uint64_t addr;
        uint64_t splice_off_in;
        struct { uint32_t level, optname; };
    };
    uint32_t len;
    uint32_t op_flags;           /* rw_flags, msg_flags, poll32_events, accept_flags, cancel_flags ... */
    uint64_t user_data;
    uint16_t buf_index;          /* also buf_group */
    uint16_t personality;
    union {
        int32_t splice_fd_in;
        uint32_t file_index;
        uint32_t optlen;
        struct { uint16_t addr_len, pad3; };
    };
    uint64_t addr3;
    uint64_t pad2;
} UringSqe;

typedef struct {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
} UringCqe;                      /* IORING_SETUP_CQE32: 16 bytes of the operation's own follow */

typedef struct {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
    uint64_t user_addr;
} UringSqOffsets;

typedef struct {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
    uint64_t user_addr;
} UringCqOffsets;

typedef struct {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
    UringSqOffsets sq_off;
    UringCqOffsets cq_off;
} UringParams;

typedef struct {
    uint64_t sigmask;
    uint32_t sigmask_sz, min_wait_usec;
    uint64_t ts;
} UringGeteventsArg;

typedef struct {
    int64_t tv_sec;
    long long tv_nsec;
} UringTimespec;

typedef struct {
    uint64_t addr;
    uint32_t len;
    uint16_t bid;
    uint16_t resv;               /* of the first entry: the ring's tail */
} UringBuf;

typedef struct {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid, flags;
    uint64_t resv[3];
} UringBufReg;

typedef struct {
    uint8_t op, resv;
    uint16_t flags;
    uint32_t resv2;
} UringProbeOp;

typedef struct {
    uint8_t last_op, ops_len;
    uint16_t resv;
    uint32_t resv2[3];
    UringProbeOp ops[256];
} UringProbe;

typedef struct {
    uint64_t addr;
    int32_t fd;
    uint32_t flags;
    UringTimespec timeout;
    uint8_t opcode, pad[7];
    uint64_t pad2[3];
} UringSyncCancel;

#define URING_ALIGNED_U64 __attribute__((aligned(8))) uint64_t  /* on i386 too */

typedef struct {
    uint32_t offset, resv;
    URING_ALIGNED_U64 fds;
} UringFilesUpdate;

typedef struct {
    uint32_t nr, flags;
    uint64_t resv2;
    URING_ALIGNED_U64 data, tags;
} UringFilesRegister;            /* struct io_uring_rsrc_register */

enum {
    URING_SETUP_IOPOLL = 1u << 0, URING_SETUP_SQPOLL = 1u << 1, URING_SETUP_SQ_AFF = 1u << 2, URING_SETUP_CQSIZE = 1u << 3,
    URING_SETUP_CLAMP = 1u << 4, URING_SETUP_ATTACH_WQ = 1u << 5, URING_SETUP_R_DISABLED = 1u << 6,
    URING_SETUP_SUBMIT_ALL = 1u << 7, URING_SETUP_COOP_TASKRUN = 1u << 8, URING_SETUP_TASKRUN_FLAG = 1u << 9,
    URING_SETUP_SQE128 = 1u << 10, URING_SETUP_CQE32 = 1u << 11, URING_SETUP_SINGLE_ISSUER = 1u << 12,
    URING_SETUP_DEFER_TASKRUN = 1u << 13, URING_SETUP_NO_MMAP = 1u << 14, URING_SETUP_REGISTERED_FD_ONLY = 1u << 15,
    URING_SETUP_NO_SQARRAY = 1u << 16, URING_SETUP_CQE_MIXED = 1u << 18, URING_SETUP_SQE_MIXED = 1u << 19
};

enum {
    URING_FEAT_SINGLE_MMAP = 1u << 0, URING_FEAT_NODROP = 1u << 1, URING_FEAT_SUBMIT_STABLE = 1u << 2,
    URING_FEAT_RW_CUR_POS = 1u << 3, URING_FEAT_FAST_POLL = 1u << 5, URING_FEAT_EXT_ARG = 1u << 8
};

enum { URING_ENTER_GETEVENTS = 1u << 0, URING_ENTER_SQ_WAKEUP = 1u << 1, URING_ENTER_SQ_WAIT = 1u << 2,
       URING_ENTER_EXT_ARG = 1u << 3, URING_ENTER_REGISTERED_RING = 1u << 4 };
enum { URING_SQ_NEED_WAKEUP = 1u << 0, URING_SQ_CQ_OVERFLOW = 1u << 1, URING_SQ_TASKRUN = 1u << 2 };
enum { URING_CQE_BUFFER = 1u << 0, URING_CQE_MORE = 1u << 1, URING_CQE_SOCK_NONEMPTY = 1u << 2, URING_CQE_NOTIF = 1u << 3,
       URING_CQE_SKIP = 1u << 5, URING_CQE_32 = 1u << 15,
       URING_CQE_BUFFER_SHIFT = 16 };
enum { URING_REGISTER_BUFFERS = 0, URING_UNREGISTER_BUFFERS = 1, URING_REGISTER_FILES = 2, URING_UNREGISTER_FILES = 3,
       URING_REGISTER_EVENTFD = 4, URING_UNREGISTER_EVENTFD = 5, URING_REGISTER_FILES_UPDATE = 6,
       URING_REGISTER_ENABLE_RINGS = 12, URING_REGISTER_FILES2 = 13, URING_REGISTER_SYNC_CANCEL = 24 };
enum { URING_REGISTER_PROBE = 8, URING_REGISTER_RING_FDS = 20, URING_UNREGISTER_RING_FDS = 21,
       URING_REGISTER_PBUF_RING = 22, URING_UNREGISTER_PBUF_RING = 23 };
enum { URING_SQE_FIXED_FILE = 1u << 0, URING_SQE_IO_DRAIN = 1u << 1, URING_SQE_IO_LINK = 1u << 2,
       URING_SQE_IO_HARDLINK = 1u << 3, URING_SQE_ASYNC = 1u << 4, URING_SQE_BUFFER_SELECT = 1u << 5,
       URING_SQE_CQE_SKIP_SUCCESS = 1u << 6 };

/* Operations, up to Linux 6.18; opcodes.py has the same with their histories. */
enum {
    URING_OP_NOP = 0, URING_OP_READV = 1, URING_OP_WRITEV = 2, URING_OP_FSYNC = 3, URING_OP_READ_FIXED = 4,
    URING_OP_WRITE_FIXED = 5, URING_OP_POLL_ADD = 6, URING_OP_POLL_REMOVE = 7, URING_OP_SYNC_FILE_RANGE = 8,
    URING_OP_SENDMSG = 9, URING_OP_RECVMSG = 10, URING_OP_TIMEOUT = 11, URING_OP_TIMEOUT_REMOVE = 12, URING_OP_ACCEPT = 13,
    URING_OP_ASYNC_CANCEL = 14, URING_OP_LINK_TIMEOUT = 15, URING_OP_CONNECT = 16, URING_OP_FALLOCATE = 17,
    URING_OP_OPENAT = 18, URING_OP_CLOSE = 19, URING_OP_FILES_UPDATE = 20, URING_OP_STATX = 21, URING_OP_READ = 22,
    URING_OP_WRITE = 23, URING_OP_FADVISE = 24, URING_OP_MADVISE = 25, URING_OP_SEND = 26, URING_OP_RECV = 27,
    URING_OP_OPENAT2 = 28, URING_OP_EPOLL_CTL = 29, URING_OP_SPLICE = 30, URING_OP_PROVIDE_BUFFERS = 31,
    URING_OP_REMOVE_BUFFERS = 32, URING_OP_TEE = 33, URING_OP_SHUTDOWN = 34, URING_OP_RENAMEAT = 35,
    URING_OP_UNLINKAT = 36, URING_OP_MKDIRAT = 37, URING_OP_SYMLINKAT = 38, URING_OP_LINKAT = 39, URING_OP_MSG_RING = 40,
    URING_OP_FSETXATTR = 41, URING_OP_SETXATTR = 42, URING_OP_FGETXATTR = 43, URING_OP_GETXATTR = 44, URING_OP_SOCKET = 45,
    URING_OP_URING_CMD = 46, URING_OP_SEND_ZC = 47, URING_OP_SENDMSG_ZC = 48, URING_OP_READ_MULTISHOT = 49,
    URING_OP_WAITID = 50, URING_OP_FUTEX_WAIT = 51, URING_OP_FUTEX_WAKE = 52, URING_OP_FUTEX_WAITV = 53,
    URING_OP_FIXED_FD_INSTALL = 54, URING_OP_FTRUNCATE = 55, URING_OP_BIND = 56, URING_OP_LISTEN = 57,
    URING_OP_RECV_ZC = 58, URING_OP_EPOLL_WAIT = 59, URING_OP_READV_FIXED = 60, URING_OP_WRITEV_FIXED = 61, URING_OP_PIPE = 62
};

enum { URING_ACCEPT_MULTISHOT = 1u << 0, URING_RECV_MULTISHOT = 1u << 1, URING_POLL_MULTI = 1u << 0,
       URING_FSYNC_DATASYNC = 1u << 0, URING_CANCEL_ALL = 1u << 0, URING_CANCEL_ANY = 1u << 2 };

_Static_assert(sizeof(UringSqe) == 64 && sizeof(UringCqe) == 16 && sizeof(UringParams) == 120 && sizeof(UringBuf) == 16, "");
#endif
