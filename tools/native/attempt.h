/* One try at an operation that must not block: the result, or -errno; -EAGAIN means "not now".

   For backends that try first and ask the kernel for readiness only then.  Nothing here touches Python objects. */
#ifndef COMPL_ATTEMPT_H
#define COMPL_ATTEMPT_H
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "file.h"
#include "op.h"
#include "progress.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* Buffered reads up to this size are copied at once when cached; larger ones would hold the GIL for too long. */
#define INLINE_BYTES (256 * 1024)

static inline int64_t outcome_of(ssize_t result) {
    return result < 0 ? -errno : result;
}

static inline int64_t try_recv(File *file, Op *op) {
    size_t length = (size_t)op->view.len - op->moved;
    ssize_t count = recv(op->fd, (char *)op->view.buf + op->moved, length, op->flags | MSG_DONTWAIT);
    if (op->flags & MSG_OOB) file->ready |= STICKY;  /* the mark stays, and cuts a later read short */
    if (count < 0) return -errno;
    /* TCP gave less than asked for: it is empty, and what comes later is a new event (epoll(7), question 9). */
    if ((size_t)count < length && file->drains && !op->flags && !(file->ready & STICKY)) file->ready &= ~CAN_READ;
    return count;
}

/* One message; the kernel's MSG_TRUNC becomes the flag TRUNCATED. */
static inline int64_t try_message(Op *op, void *address, socklen_t *length) {
    struct iovec vector = {op->view.buf, (size_t)op->view.len};
    struct msghdr message = {.msg_name = address, .msg_namelen = length ? *length : 0, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t count = recvmsg(op->fd, &message, op->flags | MSG_DONTWAIT);
    if (count < 0) return -errno;
    if (length) *length = message.msg_namelen;
    if (message.msg_flags & MSG_TRUNC) {
        op->outcome |= OUTCOME_TRUNCATED;
        if (count > op->view.len) count = op->view.len;  /* the caller asked for MSG_TRUNC's real length */
    }
    return count;
}

static inline int64_t try_send(Op *op) {
    return outcome_of(send(op->fd, (char *)op->view.buf + op->moved, (size_t)op->view.len - op->moved,
                           op->flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

static inline int64_t try_send_to(Op *op) {
    return outcome_of(sendto(op->fd, op->view.buf, (size_t)op->view.len, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL,
                             (struct sockaddr *)&op->extra->address, op->extra->address_length));
}

/* accept(), connect() and files without RWF_NOWAIT have no flag for one call: the descriptor is made non-blocking for it and
   put back, since the owner of a blocking one goes on using it as such.  Returns the flags to put back, or -1 when there is nothing to. */
static inline int unblock(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || flags & O_NONBLOCK || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
    return flags;
}

static inline void put_back(int fd, int flags) {
    int error = errno;
    if (flags >= 0) (void)fcntl(fd, F_SETFL, flags);
    errno = error;
}

/* What accept(2) says of the peer's network is the peer's trouble: the next one is tried. */
static inline int accept_again(int error) {
    return error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == EHOSTDOWN || error == ENONET ||
           error == EHOSTUNREACH || error == ENETUNREACH || error == EINTR;
}

/* The new descriptor. */
static inline int64_t try_accept(Op *op) {
    /* Not put back: between two processes that share a listener, one that toggled it would make the other one block. */
    (void)unblock(op->fd);
    int accepted;
    do accepted = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC);
    while (accepted < 0 && accept_again(errno));
    return outcome_of(accepted);
}

/* Also the way to learn the outcome later: connect() on a socket that was connecting gives 0, EALREADY or its error. */
static inline int64_t try_connect(Op *op) {
    int flags = unblock(op->fd);
    int status;
    do status = connect(op->fd, (struct sockaddr *)&op->extra->address, op->extra->address_length);
    while (status < 0 && errno == EINTR);
    put_back(op->fd, flags);
    if (status == 0) return 0;
    if (errno == EISCONN && op->moved) return 0;  /* `moved`: it was ours that went through */
    if (errno != EINPROGRESS && errno != EALREADY) return -errno;
    op->moved = 1;
    return -EAGAIN;
}

static inline int64_t try_poll(const Op *op) {
    struct pollfd one = {op->fd, (short)op->flags, 0};
    int count = poll(&one, 1, 0);
    if (count < 0) return -errno;
    if (one.revents & POLLNVAL) return -EBADF;
    return count ? one.revents : -EAGAIN;
}

/* Vectored read or write at the file's position (offset -1) or at an offset, with RWF_* flags. */
static inline int64_t move_file(const Op *op, int rwf) {
    struct iovec scratch, *vectors;
    int count = op_vectors(op, &scratch, &vectors);
    off_t offset = op->offset < 0 ? -1 : op->offset + (off_t)op->moved;
    if (op_is_read(op))
        return outcome_of(rwf || offset >= 0 ? preadv2(op->fd, vectors, count, offset, rwf) : readv(op->fd, vectors, count));
    return outcome_of(rwf || offset >= 0 ? pwritev2(op->fd, vectors, count, offset, rwf) : writev(op->fd, vectors, count));
}

/* A socket as a file: what read(2) and write(2) would do, never blocking and without SIGPIPE. */
static inline int64_t try_socket_file(Op *op) {
    struct iovec scratch, *vectors;
    struct msghdr message = {0};
    message.msg_iovlen = (size_t)op_vectors(op, &scratch, &vectors);
    message.msg_iov = vectors;
    return outcome_of(op_is_read(op) ? recvmsg(op->fd, &message, MSG_DONTWAIT)
                                     : sendmsg(op->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* A pipe, terminal or device: RWF_NOWAIT where the file knows it.  Elsewhere poll(2) answers first, and the descriptor is
   made non-blocking for the call: POLLOUT promises some room, not enough of it. */
static inline int64_t try_stream_file(File *file, Op *op) {
    int direction = op_is_read(op) ? 1 : 2;
    int64_t result = -EOPNOTSUPP;
    sigset_t pipe, before, pending;
    if (direction == 2) {  /* no MSG_NOSIGNAL here: hold SIGPIPE back in this thread */
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, &before);
        sigpending(&pending);
    }
    if (!(file->no_nowait & direction)) {
        result = move_file(op, RWF_NOWAIT);
        if (result == -EOPNOTSUPP || result == -EINVAL) file->no_nowait |= direction;
    }
    if (file->no_nowait & direction) {
        struct pollfd one = {op->fd, direction == 1 ? POLLIN : POLLOUT, 0};
        if (poll(&one, 1, 0) == 0) {
            result = -EAGAIN;
        } else {
            int flags = unblock(op->fd);
            result = move_file(op, 0);
            put_back(op->fd, flags);
        }
    }
    if (direction == 2) {
        static const struct timespec now = {0, 0};
        if (result == -EPIPE && !sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe, NULL, &now);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return result;
}

/* What is in the page cache already, copied at once.  -EAGAIN: the rest needs a helper thread; op->moved tells how far
   this came. */
static inline int64_t try_cached_file(File *file, Op *op) {
    int direction = op_is_read(op) ? 1 : 2;
    size_t length = op_length(op);
    if (file->no_nowait & direction || length > INLINE_BYTES) return -EAGAIN;
    int64_t result = move_file(op, RWF_NOWAIT);
    if (result == -EOPNOTSUPP) {
        file->no_nowait |= direction;
        return -EAGAIN;
    }
    if (result <= 0 || (size_t)result == length) return result;
    /* Short: end of file, or the rest is not cached. */
    op->moved = (uint64_t)result;
    op_skip(op, (size_t)result);
    int64_t more = move_file(op, RWF_NOWAIT);
    if (more == -EAGAIN) return -EAGAIN;
    return more > 0 ? result + more : result;
}


/* Whether a message of no bytes was the end: sockets of records (SOCK_SEQPACKET) end as streams do, and say so for ever. */
static inline int ends_messages(const File *file) {
    struct pollfd one = {file->fd, POLLRDHUP, 0};
    int waiting = 0;
    return file->socket_type == SOCK_SEQPACKET && poll(&one, 1, 0) == 1 && one.revents & (POLLRDHUP | POLLHUP) &&
           (ioctl(file->fd, FIONREAD, &waiting) < 0 || waiting == 0);
}

/* Go on with send_all or recv_exactly until it is done, fails, ends, or has to wait. */
static inline int64_t try_whole(File *file, Op *op) {
    uint64_t length = (uint64_t)op->view.len;
    for (;;) {
        int64_t count = op->verb == VERB_SEND_ALL ? try_send(op) : try_recv(file, op);
        if (count < 0) return count;
        if (count == 0) {
            if (!op->moved) mark_end(file, op, 0);
            return (int64_t)op->moved;
        }
        op->moved += (uint64_t)count;
        if (op->moved == length) return (int64_t)length;
        if (op->verb == VERB_RECV_EXACTLY && !(file->ready & CAN_READ)) return -EAGAIN;
    }
}

static int64_t attempt(File *file, Op *op) {
    int64_t result;
    switch (op->verb) {
    case VERB_RECV:
        if (file->kind == FILE_MESSAGE) return try_message(op, NULL, NULL);
        result = try_recv(file, op);
        if (file->kind == FILE_STREAM) mark_end(file, op, result);
        return result;
    case VERB_SEND: return try_send(op);
    case VERB_RECV_EXACTLY:
    case VERB_SEND_ALL: return try_whole(file, op);
    case VERB_RECV_FROM:
        op->extra->address_length = sizeof op->extra->address;
        return try_message(op, &op->extra->address, &op->extra->address_length);
    case VERB_SEND_TO: return try_send_to(op);
    case VERB_ACCEPT: return try_accept(op);
    case VERB_CONNECT: return try_connect(op);
    case VERB_POLL: return try_poll(op);
    default:
        if (file_is_socket(file)) result = try_socket_file(op);
        else if (file->kind == FILE_BLOCKING) result = try_cached_file(file, op);
        else result = try_stream_file(file, op);
        if (op_is_read(op)) mark_end(file, op, result);
        return result;
    }
}

/* What helper threads run: the same operation, blocking. */
static int64_t perform_blocking(Op *op) {
    if (op->verb == VERB_CLOSE) return close(op->fd) < 0 && errno != EINTR ? -errno : 0;
    if (op->verb == VERB_FSYNC) return outcome_of(op->flags ? fdatasync(op->fd) : fsync(op->fd));
    int64_t result = move_file(op, 0);
    if (!op->moved) {
        mark_end(op->file, op, result);
        return result;
    }
    return result > 0 ? result + (int64_t)op->moved : (int64_t)op->moved;
}
#endif
