/* The operations as Windows calls, and what they answer: bytes moved, IO_PENDING, or a failure.  Nothing here touches Python
   objects.

   Once a call has said "pending", or has succeeded on a handle that tells successes too, the OVERLAPPED and all buffers are the
   kernel's until the packet of that OVERLAPPED comes.  A warning (the message is longer than the buffer) queues a packet as
   well. */
#ifndef COMPL_CALLS_H
#define COMPL_CALLS_H
#include "bell.h"
#include "error_rows.h"
#include "file.h"
#include "op.h"
#include "progress.h"

/* File.system.mode */
enum {
    MODE_NONE,     /* not associated with a port (any more) */
    MODE_OWN,      /* its packets come to this port */
    MODE_FOREIGN,  /* they go to another port: each operation has an event, for which the system's thread pool waits */
    MODE_SYNC      /* opened without FILE_FLAG_OVERLAPPED: every call blocks, helper threads make them */
};

/* Completion keys: whose packet it is.  Addresses, so that nobody else's key is taken for one of them; a packet without an
   OVERLAPPED is the bell's. */
static char packet_keys[3];
#define PACKET_OPERATION ((ULONG_PTR)&packet_keys[0])
#define PACKET_EVENT ((ULONG_PTR)&packet_keys[1])
#define PACKET_POLL ((ULONG_PTR)&packet_keys[2])

#define IO_PENDING INT64_MIN
#define IO_FAILED(code) (-(int64_t)(code))
#define ADDRESS_ROOM (sizeof(SOCKADDR_STORAGE) + 16)
#define LARGE_READ (1u << 20)
#define MOST_BYTES 0x7FFFF000u   /* of one call, as on Linux */

static LPFN_ACCEPTEX accept_ex;
static LPFN_CONNECTEX connect_ex;

static inline int load_extension(SOCKET sock, GUID which, void *into) {
    DWORD got;
    return WSAIoctl(sock, SIO_GET_EXTENSION_FUNCTION_POINTER, &which, sizeof which, into, sizeof(void *), &got, NULL, NULL);
}

/* AcceptEx and ConnectEx, through any stream socket.  0, or a winerror. */
static inline int load_extensions(SOCKET sock) {
    static const GUID accepting = WSAID_ACCEPTEX, connecting = WSAID_CONNECTEX;
    if (accept_ex && connect_ex) return 0;
    if (load_extension(sock, accepting, &accept_ex) == 0 && load_extension(sock, connecting, &connect_ex) == 0) return 0;
    return WSAGetLastError();
}

/* The answer of a call that has to be told apart from its packet. */
static inline int64_t answered(const File *file, int succeeded, DWORD error, DWORD count) {
    if (succeeded) return file->system.skips ? (int64_t)count : IO_PENDING;
    /* ERROR_IO_PENDING is WSA_IO_PENDING; the other two are warnings */
    if (error == ERROR_IO_PENDING || error == ERROR_MORE_DATA || error == WSAEMSGSIZE) return IO_PENDING;
    return IO_FAILED(error ? error : ERROR_GEN_FAILURE);
}

/* The buffers of a socket operation that remain; `vectors` has room for all of them. */
static inline DWORD vectors_of(const Op *op, WSABUF *vectors) {
    struct iovec scratch, *given;
    int count = op_vectors(op, &scratch, &given);
    size_t room = MOST_BYTES;
    for (int i = 0; i < count; i++) {
        size_t length = given[i].iov_len < room ? given[i].iov_len : room;
        vectors[i].buf = given[i].iov_base;
        vectors[i].len = (ULONG)length;
        room -= length;
    }
    return (DWORD)count;
}

static inline int64_t io_recv(const File *file, Op *op) {
    WSABUF one, *vectors = op->extra && op->extra->count ? _alloca((size_t)op->extra->count * sizeof *vectors) : &one;
    DWORD count = vectors_of(op, vectors), got = 0;
    int status;
    op->system.flags = (DWORD)op->flags;
    if (op->verb == VERB_RECV_FROM) {
        op->extra->address_length = sizeof op->extra->address;
        status = WSARecvFrom(socket_of(op->fd), vectors, count, &got, &op->system.flags, (struct sockaddr *)&op->extra->address,
                             &op->extra->address_length, &op->system.overlapped, NULL);
    } else {
        status = WSARecv(socket_of(op->fd), vectors, count, &got, &op->system.flags, &op->system.overlapped, NULL);
    }
    return answered(file, status == 0, status ? (DWORD)WSAGetLastError() : 0, got);
}

/* Told when there is something to receive, which stays where it is: a receive into a pool takes no buffer before. */
static inline int64_t io_await(const File *file, Op *op) {
    WSABUF nothing = {0, NULL};
    DWORD got = 0;
    op->system.flags = (DWORD)op->flags | (file->kind == FILE_MESSAGE ? MSG_PEEK : 0);
    int status = WSARecv(socket_of(op->fd), &nothing, 1, &got, &op->system.flags, &op->system.overlapped, NULL);
    return answered(file, status == 0, status ? (DWORD)WSAGetLastError() : 0, got);
}

static inline int64_t io_send(const File *file, Op *op) {
    WSABUF one, *vectors = op->extra && op->extra->count ? _alloca((size_t)op->extra->count * sizeof *vectors) : &one;
    DWORD count = vectors_of(op, vectors), sent = 0;
    int status;
    if (op->verb == VERB_SEND_TO)
        status = WSASendTo(socket_of(op->fd), vectors, count, &sent, (DWORD)op->flags, (struct sockaddr *)&op->extra->address,
                           (int)op->extra->address_length, &op->system.overlapped, NULL);
    else
        status = WSASend(socket_of(op->fd), vectors, count, &sent, (DWORD)op->flags, &op->system.overlapped, NULL);
    return answered(file, status == 0, status ? (DWORD)WSAGetLastError() : 0, sent);
}

static inline int is_listening(int fd) {
    int listening = 0, length = sizeof listening;
    return getsockopt(socket_of(fd), SOL_SOCKET, SO_ACCEPTCONN, (char *)&listening, &length) == 0 && listening;
}

/* Whether the socket listens: AcceptEx on another one may wait for ever. */
static inline int64_t check_listening(File *file) {
    if (file->kind != FILE_STREAM) return IO_FAILED(WSAEOPNOTSUPP);
    if (!file->system.listening) file->system.listening = (uint8_t)is_listening(file->fd);
    return file->system.listening ? 0 : IO_FAILED(WSAEINVAL);
}

static inline void drop_accepted(Op *op) {
    if (op->system.accepted >= 0) closesocket(socket_of(op->system.accepted));
    op->system.accepted = -1;
}

/* A socket is made first; AcceptEx makes it the connection. */
static inline int64_t io_accept(File *file, Op *op) {
    DWORD got = 0;
    int64_t status = check_listening(file);
    if (status) return status;
    int error = load_extensions(socket_of(op->fd));
    if (error) return IO_FAILED(error);
    if (!op->system.scratch) op->system.scratch = malloc(2 * ADDRESS_ROOM);
    if (!op->system.scratch) return IO_FAILED(ERROR_NOT_ENOUGH_MEMORY);
    SOCKET sock = WSASocketW(file->family, file->socket_type, file->protocol, NULL, 0,
                             WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (sock == INVALID_SOCKET) return IO_FAILED(WSAGetLastError());
    op->system.accepted = (int)sock;
    BOOL done = accept_ex(socket_of(op->fd), sock, op->system.scratch, 0, ADDRESS_ROOM, ADDRESS_ROOM, &got,
                          &op->system.overlapped);
    status = answered(file, done, done ? 0 : (DWORD)WSAGetLastError(), got);
    if (status < 0 && status != IO_PENDING) drop_accepted(op);
    return status;
}

/* What AcceptEx leaves out: without it, getpeername() and shutdown() refuse the new socket.  0, or a winerror. */
static inline int update_accepted(const Op *op) {
    SOCKET listener = socket_of(op->fd);
    return setsockopt(socket_of(op->system.accepted), SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener, sizeof listener)
               ? WSAGetLastError() : 0;
}

/* ConnectEx wants a bound socket. */
static inline int bind_any(SOCKET sock, int family) {
    SOCKADDR_STORAGE name;
    int length = sizeof name;
    if (getsockname(sock, (struct sockaddr *)&name, &length) == 0) return 0;
    if (WSAGetLastError() != WSAEINVAL) return WSAGetLastError();
    memset(&name, 0, sizeof name);
    name.ss_family = (ADDRESS_FAMILY)family;
    length = family == AF_INET6 ? (int)sizeof(struct sockaddr_in6) : (int)sizeof(struct sockaddr_in);
    return bind(sock, (struct sockaddr *)&name, length) ? WSAGetLastError() : 0;
}

static inline int64_t io_connect(const File *file, Op *op) {
    SOCKET sock = socket_of(op->fd);
    struct sockaddr *address = (struct sockaddr *)&op->extra->address;
    int length = (int)op->extra->address_length;
    if (file->kind != FILE_STREAM)  /* an address to remember, nothing that takes time */
        return connect(sock, address, length) ? IO_FAILED(WSAGetLastError()) : 0;
    int error = load_extensions(sock);
    if (!error) error = bind_any(sock, file->family);
    if (error) return IO_FAILED(error);
    DWORD sent = 0;
    BOOL done = connect_ex(sock, address, length, NULL, 0, &sent, &op->system.overlapped);
    return answered(file, done, done ? 0 : (DWORD)WSAGetLastError(), sent);
}

/* What ConnectEx leaves out, as above. */
static inline void update_connected(const Op *op) {
    setsockopt(socket_of(op->fd), SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0);
}

/* Several buffers as one: a pipe or a disk has no call that takes more.  The bytes, and how many, or NULL. */
static inline char *bounce(Op *op, DWORD *length) {
    size_t whole = op_length(op);
    *length = whole < MOST_BYTES ? (DWORD)whole : MOST_BYTES;
    if (!op->extra || !op->extra->count) return op->view.buf;
    if (!op->system.scratch) op->system.scratch = malloc(*length);
    char *bytes = op->system.scratch;
    if (!bytes || op_is_read(op)) return bytes;
    size_t place = 0;
    for (int i = 0; i < op->extra->count && place < *length; i++) {
        size_t step = op->extra->iov[i].iov_len < *length - place ? op->extra->iov[i].iov_len : *length - place;
        memcpy(bytes + place, op->extra->iov[i].iov_base, step);
        place += step;
    }
    return bytes;
}

/* `count` bytes that were read, into the buffers that they are for. */
static inline void scatter(Op *op, size_t count) {
    if (!op->extra || !op->extra->count || !op->system.scratch) return;
    const char *bytes = op->system.scratch;
    for (int i = 0; i < op->extra->count && count; i++) {
        size_t step = op->extra->iov[i].iov_len < count ? op->extra->iov[i].iov_len : count;
        memcpy(op->extra->iov[i].iov_base, bytes, step);
        bytes += step;
        count -= step;
    }
}

/* No more than the file has: what is behind its end in a large buffer need not be made ready for writing. */
static inline DWORD clip_read(const Op *op, HANDLE handle, DWORD length) {
    LARGE_INTEGER size;
    if (length <= LARGE_READ || !GetFileSizeEx(handle, &size)) return length;
    int64_t rest = size.QuadPart - (op->offset > 0 ? op->offset : 0);
    return rest < (int64_t)LARGE_READ ? LARGE_READ : rest < (int64_t)length ? (DWORD)rest : length;
}

static inline void place_at(OVERLAPPED *overlapped, int64_t offset) {
    overlapped->Offset = (DWORD)offset;
    overlapped->OffsetHigh = (DWORD)(offset >> 32);
}

/* An overlapped handle of a disk, pipe or device. */
static inline int64_t io_file(const File *file, Op *op) {
    DWORD length;
    char *bytes = bounce(op, &length);
    if (!bytes && length) return IO_FAILED(ERROR_NOT_ENOUGH_MEMORY);
    if (file->kind == FILE_BLOCKING && op->offset >= 0 && op_is_read(op)) length = clip_read(op, handle_of(op->fd), length);
    if (file->kind == FILE_BLOCKING) place_at(&op->system.overlapped, op->offset < 0 ? file->system.position : op->offset);
    BOOL done = op_is_read(op) ? ReadFile(handle_of(op->fd), bytes, length, NULL, &op->system.overlapped)
                               : WriteFile(handle_of(op->fd), bytes, length, NULL, &op->system.overlapped);
    return answered(file, done, done ? 0 : GetLastError(), 0);
}

/* One call, which is answered at once or later. */
static int64_t io_begin(File *file, Op *op) {
    HANDLE event = op->system.overlapped.hEvent;
    memset(&op->system.overlapped, 0, sizeof op->system.overlapped);
    op->system.overlapped.hEvent = event;
    switch (op->verb) {
    case VERB_RECV: case VERB_RECV_EXACTLY: case VERB_RECV_FROM:
        return op->pool && op->system.chunk < 0 ? io_await(file, op) : io_recv(file, op);
    case VERB_SEND: case VERB_SEND_ALL: case VERB_SEND_TO: return io_send(file, op);
    case VERB_ACCEPT: return io_accept(file, op);
    case VERB_CONNECT: return io_connect(file, op);
    default:
        if (!file_is_socket(file)) return io_file(file, op);
        op->flags = 0;
        return op_is_read(op) ? io_recv(file, op) : io_send(file, op);
    }
}

/* ---- a file that belongs to another port: an event for each operation ---- */

static VOID CALLBACK event_set(PVOID context, BOOLEAN timed_out) {
    Op *op = context;
    (void)timed_out;
    /* SAFETY: the record is not given to another operation before the packet that is posted here has been taken */
    PostQueuedCompletionStatus(op->system.port, 0, PACKET_EVENT, &op->system.overlapped);
}

/* The system's thread pool will tell `port`.  The event's low bit keeps the packet from the other port.  0, or a winerror. */
static inline int event_prepare(Op *op, HANDLE port) {
    if (!op->system.event) op->system.event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!op->system.event) return (int)GetLastError();
    ResetEvent(op->system.event);
    op->system.port = port;
    op->system.overlapped.hEvent = (HANDLE)((uintptr_t)op->system.event | 1);
    if (!RegisterWaitForSingleObject(&op->system.wait, op->system.event, event_set, op, INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD))
        return (int)GetLastError();
    return 0;
}

/* `running`: the callback may not have come yet, and must not come any more. */
static inline void event_forget(Op *op, int running) {
    if (op->system.wait) UnregisterWaitEx(op->system.wait, running ? INVALID_HANDLE_VALUE : NULL);
    op->system.wait = NULL;
}

/* ---- what helper threads do ---- */

static inline int64_t perform_transfer(Op *op) {
    HANDLE handle = handle_of(op->fd);
    OVERLAPPED place = {0};
    LARGE_INTEGER before, nowhere = {.QuadPart = 0};
    DWORD length, moved = 0;
    int placed = op->offset >= 0, restore = placed && SetFilePointerEx(handle, nowhere, &before, FILE_CURRENT);
    char *bytes = bounce(op, &length);
    if (op_is_read(op)) length = clip_read(op, handle, length);
    if (!bytes && length) return IO_FAILED(ERROR_NOT_ENOUGH_MEMORY);
    if (placed) place_at(&place, op->offset);
    BOOL done = op_is_read(op) ? ReadFile(handle, bytes, length, &moved, placed ? &place : NULL)
                               : WriteFile(handle, bytes, length, &moved, placed ? &place : NULL);
    int64_t result = done ? (int64_t)moved : IO_FAILED(GetLastError());
    if (restore) SetFilePointerEx(handle, before, NULL, FILE_BEGIN);  /* a synchronous handle's position has moved */
    return result;
}

static int64_t perform_blocking(Op *op) {
    if (op->verb == VERB_CLOSE) return close_number(op->fd) < 0 ? IO_FAILED(ERROR_INVALID_HANDLE) : 0;
    if (op->verb == VERB_FSYNC) {
        if (FlushFileBuffers(handle_of(op->fd))) return 0;
        DWORD error = GetLastError();
        return error == ERROR_ACCESS_DENIED ? 0 : IO_FAILED(error);  /* not open for writing: nothing to flush */
    }
    store_release(&op->system.thread, GetCurrentThreadId());
    int64_t result = perform_transfer(op);
    store_release(&op->system.thread, 0);
    return result;
}
#endif
