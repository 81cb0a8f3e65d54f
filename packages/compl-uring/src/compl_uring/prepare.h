/* Entries of the submission queue for the contract's operations, and which of them the kernel can take. */
#ifndef COMPL_PREPARE_H
#define COMPL_PREPARE_H
#include <poll.h>
#include <sys/socket.h>
#include "attempt.h"
#include "file.h"
#include "op.h"
#include "ring.h"

/* user_data: an operation's id (below 2**62), or one of these. */
#define TAG_SHIFT 62
#define TAG_WATCH 1u         /* number of the watch << 31 | descriptor */
#define TAG_CANCEL 2u        /* nobody waits for it */
#define TAG_BELL 3u

/* More than one verb's worth: bits beside 1 << verb in a port's `native`. */
#define ABLE_MULTISHOT_ACCEPT (1u << 24)
#define ABLE_MULTISHOT_RECV (1u << 25)   /* with buffer rings */
#define ABLE_WHOLE (1u << 26)            /* MSG_WAITALL tells what a cancelled send has moved (6.0) */
#define ABLE_CANCEL_ANY (1u << 27)
#define ABLE_MULTISHOT_POLL (1u << 28)

static inline uint64_t tagged(uint32_t tag, uint64_t number) {
    return (uint64_t)tag << TAG_SHIFT | number;
}

static inline uint64_t tag_watch(uint32_t number, int fd) {
    return tagged(TAG_WATCH, (uint64_t)(number & 0x7FFFFFFF) << 31 | (uint32_t)fd);
}

static inline int has_opcode(const uint64_t opcodes[4], int opcode) {
    return opcodes[opcode / 64] >> opcode % 64 & 1;
}

/* What the port may hand to a kernel with these opcodes and features; the rest is tried and waited for. */
static inline uint32_t native_of(const uint64_t opcodes[4], uint32_t features) {
    static const struct { uint8_t verb, opcode; } needs[] = {
        {VERB_WRITE, URING_OP_WRITE}, {VERB_READV, URING_OP_READV}, {VERB_WRITEV, URING_OP_WRITEV},
        {VERB_FSYNC, URING_OP_FSYNC}, {VERB_RECV, URING_OP_RECV}, {VERB_SEND, URING_OP_SEND},
        {VERB_RECV_EXACTLY, URING_OP_RECV}, {VERB_SEND_ALL, URING_OP_SEND}, {VERB_SEND_TO, URING_OP_SENDMSG},
        {VERB_CONNECT, URING_OP_CONNECT}, {VERB_POLL, URING_OP_POLL_ADD}, {VERB_RECV_FROM, URING_OP_RECVMSG},
        {VERB_ACCEPT, URING_OP_ACCEPT}, {VERB_READ, URING_OP_READ}};
    uint32_t native = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (has_opcode(opcodes, needs[i].opcode)) native |= 1u << needs[i].verb;
    if (!(features & URING_FEAT_RW_CUR_POS))  /* the file's own position: 5.6 */
        native &= ~(1u << VERB_READ | 1u << VERB_WRITE | 1u << VERB_READV | 1u << VERB_WRITEV);
    if (!(features & URING_FEAT_FAST_POLL))   /* before 5.7 a receive that has to wait occupies a kernel thread */
        native &= ~(1u << VERB_RECV | 1u << VERB_SEND | 1u << VERB_RECV_EXACTLY | 1u << VERB_SEND_ALL | 1u << VERB_SEND_TO |
                    1u << VERB_RECV_FROM | 1u << VERB_ACCEPT | 1u << VERB_CONNECT);
    /* Flags have no probe of their own: each came with an opcode that has. */
    if (has_opcode(opcodes, URING_OP_SOCKET)) native |= ABLE_MULTISHOT_ACCEPT | ABLE_CANCEL_ANY | ABLE_MULTISHOT_POLL;  /* 5.19 */
    if (has_opcode(opcodes, URING_OP_SEND_ZC)) native |= ABLE_MULTISHOT_RECV | ABLE_WHOLE;                              /* 6.0 */
    return native;
}

/* Whether this operation goes to the kernel as what it is.  Pipes, terminals and devices do not: a write would raise
   SIGPIPE in this thread, and a read that the file cannot do without blocking would occupy a kernel thread. */
static inline int op_native(uint32_t native, const File *file, const Op *op) {
    if (!(native >> op->verb & 1)) return 0;
    switch (op->verb) {
    case VERB_READ: case VERB_WRITE: case VERB_READV: case VERB_WRITEV: case VERB_FSYNC:
        /* past the page cache the kernel goes on by itself, and then leaves the file's own position where it was */
        return file->kind == FILE_BLOCKING && !(file->direct && op->offset < 0);
    case VERB_RECV:  /* truncation shows as MSG_TRUNC's real length, which these families give */
        return file->kind == FILE_STREAM ||
               (file->kind == FILE_MESSAGE && (file->family == AF_INET || file->family == AF_INET6 || file->family == AF_UNIX));
    case VERB_CONNECT:
        return file_is_socket(file) && !op->moved;  /* `moved`: it is under way, and only its outcome is waited for */
    case VERB_POLL:
        return 1;
    default:
        return file_is_socket(file);
    }
}

static inline uint32_t poll_mask(uint32_t mask) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return mask << 16 | mask >> 16;  /* poll32_events is read as two halves */
#else
    return mask;
#endif
}

static inline void sqe_fill(UringSqe *sqe, int opcode, int fd, const void *addr, size_t len, uint64_t off, uint32_t flags,
                            uint64_t user_data) {
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->addr = (uint64_t)(uintptr_t)addr;
    sqe->len = len > 0x7FFFF000 ? 0x7FFFF000 : (uint32_t)len;  /* the most that one call moves */
    sqe->off = off;
    sqe->op_flags = flags;
    sqe->user_data = user_data;
}

static inline void prepare_poll(UringSqe *sqe, int fd, uint32_t mask, int multishot, uint64_t user_data) {
    sqe_fill(sqe, URING_OP_POLL_ADD, fd, NULL, multishot ? URING_POLL_MULTI : 0, 0, poll_mask(mask), user_data);
}

static inline void prepare_cancel(UringSqe *sqe, uint64_t target) {
    sqe_fill(sqe, URING_OP_ASYNC_CANCEL, -1, (const void *)(uintptr_t)target, 0, 0, 0, tagged(TAG_CANCEL, 0));
}

/* In place of an entry that is not wanted any more. */
static inline void prepare_nothing(UringSqe *sqe) {
    memset(sqe, 0, sizeof *sqe);
    sqe_fill(sqe, URING_OP_NOP, -1, NULL, 0, 0, 0, tagged(TAG_CANCEL, 0));
}

static inline void prepare_cancel_all(UringSqe *sqe) {
    sqe_fill(sqe, URING_OP_ASYNC_CANCEL, -1, NULL, 0, 0, URING_CANCEL_ANY | URING_CANCEL_ALL, tagged(TAG_CANCEL, 0));
}

static inline void prepare_op(UringSqe *sqe, const File *file, Op *op, uint32_t native) {
    char *at = (char *)op->view.buf + op->moved;
    size_t length = (size_t)op->view.len - op->moved;
    uint32_t flags = (uint32_t)op->flags & ~(uint32_t)MSG_DONTWAIT;  /* the port waits; the caller never does */
    switch (op->verb) {
    case VERB_READ:
        sqe_fill(sqe, URING_OP_READ, op->fd, at, length, (uint64_t)op->offset, 0, op->id);
        break;
    case VERB_WRITE:
        sqe_fill(sqe, URING_OP_WRITE, op->fd, at, length, (uint64_t)op->offset, 0, op->id);
        break;
    case VERB_READV:
        sqe_fill(sqe, URING_OP_READV, op->fd, op->extra->iov, (size_t)op->extra->count, (uint64_t)op->offset, 0, op->id);
        break;
    case VERB_WRITEV:
        sqe_fill(sqe, URING_OP_WRITEV, op->fd, op->extra->iov, (size_t)op->extra->count, (uint64_t)op->offset, 0, op->id);
        break;
    case VERB_FSYNC:
        sqe_fill(sqe, URING_OP_FSYNC, op->fd, NULL, 0, 0, op->flags ? URING_FSYNC_DATASYNC : 0, op->id);
        break;
    case VERB_RECV:
        if (file->kind == FILE_MESSAGE) flags |= MSG_TRUNC;
        sqe_fill(sqe, URING_OP_RECV, op->fd, at, length, 0, flags, op->id);
        break;
    case VERB_RECV_EXACTLY:
        /* without MSG_WAITALL, which would take a reset as the end of what was received before it */
        sqe_fill(sqe, URING_OP_RECV, op->fd, at, length, 0, 0, op->id);
        break;
    case VERB_SEND:
        sqe_fill(sqe, URING_OP_SEND, op->fd, at, length, 0, flags | MSG_NOSIGNAL, op->id);
        break;
    case VERB_SEND_ALL:
        sqe_fill(sqe, URING_OP_SEND, op->fd, at, length, 0, (native & ABLE_WHOLE ? MSG_WAITALL : 0) | MSG_NOSIGNAL, op->id);
        break;
    case VERB_RECV_FROM:
    case VERB_SEND_TO: {
        /* SAFETY: `message` is in the record, which lives until the completion; the kernel writes to it until then */
        Extra *extra = op->extra;
        extra->vector.iov_base = op->view.buf;
        extra->vector.iov_len = (size_t)op->view.len;
        memset(&extra->message, 0, sizeof extra->message);
        extra->message.msg_name = &extra->address;
        extra->message.msg_namelen = op->verb == VERB_RECV_FROM ? sizeof extra->address : extra->address_length;
        extra->message.msg_iov = &extra->vector;
        extra->message.msg_iovlen = 1;
        sqe_fill(sqe, op->verb == VERB_RECV_FROM ? URING_OP_RECVMSG : URING_OP_SENDMSG, op->fd, &extra->message, 1, 0,
                 op->verb == VERB_RECV_FROM ? flags : flags | MSG_NOSIGNAL, op->id);
        break;
    }
    case VERB_ACCEPT:
        sqe_fill(sqe, URING_OP_ACCEPT, op->fd, NULL, 0, 0, SOCK_CLOEXEC, op->id);
        if (op->flags && native & ABLE_MULTISHOT_ACCEPT) sqe->ioprio = URING_ACCEPT_MULTISHOT;
        break;
    case VERB_CONNECT:
        sqe_fill(sqe, URING_OP_CONNECT, op->fd, &op->extra->address, 0, op->extra->address_length, 0, op->id);
        break;
    case VERB_POLL:
        prepare_poll(sqe, op->fd, (op->flags & 1 ? POLLIN | POLLRDHUP : 0) | (op->flags & 2 ? POLLOUT : 0),
                     op->parked && native & ABLE_MULTISHOT_POLL, op->id);
        break;
    }
}

/* What a port cannot do without: all else is emulated. */
static inline int port_possible(const uint64_t opcodes[4], uint32_t features) {
    return has_opcode(opcodes, URING_OP_POLL_ADD) && has_opcode(opcodes, URING_OP_ASYNC_CANCEL) &&
           features & URING_FEAT_NODROP && features & URING_FEAT_SUBMIT_STABLE;
}

/* Whether these POLL* bits are what was asked for, or an end of waiting for it. */
static inline int useful(int events, int mask) {
    return events & (mask | POLLERR | POLLHUP | POLLNVAL) || (events & POLLRDHUP && mask & POLLIN);
}

/* POLL* bits that hold now, 0, or -errno. */
static inline int64_t poll_now(int fd, int interest) {
    struct pollfd one = {fd, (short)((interest & 1 ? POLLIN | POLLRDHUP : 0) | (interest & 2 ? POLLOUT : 0)), 0};
    int count = poll(&one, 1, 0);
    if (count < 0) return -errno;
    return one.revents & POLLNVAL ? -EBADF : count ? one.revents : 0;
}
#endif
