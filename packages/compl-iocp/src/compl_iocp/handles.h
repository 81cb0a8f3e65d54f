/* What a HANDLE or SOCKET is, which port it belongs to, and where the records of operations are. */
#ifndef COMPL_HANDLES_H
#define COMPL_HANDLES_H
#include <winternl.h>
#include "calls.h"
#include "pool.h"

#define FILE_MODE_INFORMATION_CLASS 16
#define FILE_REPLACE_COMPLETION_CLASS 61
#define FILE_SYNCHRONOUS_BITS 0x30u  /* FILE_SYNCHRONOUS_IO_ALERT | _NONALERT */

NTSTATUS NTAPI NtQueryInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, FILE_INFORMATION_CLASS);
NTSTATUS NTAPI NtSetInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, FILE_INFORMATION_CLASS);

static inline int look_at_socket(File *file) {
    WSAPROTOCOL_INFOW info;
    int length = sizeof info;
    if (getsockopt(socket_of(file->fd), SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length)) return 0;
    file->family = info.iAddressFamily;
    file->socket_type = info.iSocketType;
    file->protocol = info.iProtocol;
    file->kind = info.iSocketType == SOCK_STREAM ? FILE_STREAM : FILE_MESSAGE;
    return 1;
}

/* What the number is now.  0, or -errno.  Which file it is, is told only for those on a disk. */
static inline int file_look(File *file, int *same) {
    HANDLE handle = handle_of(file->fd);
    BY_HANDLE_FILE_INFORMATION disk;
    DWORD mode, type;
    uint8_t kind = file->kind;
    uint64_t device = file->device, inode = file->inode;
    SetLastError(NO_ERROR);
    type = GetFileType(handle);
    if (type == FILE_TYPE_UNKNOWN) return -EBADF;
    file->device = file->inode = 0;
    if (type == FILE_TYPE_DISK) {
        file->kind = FILE_BLOCKING;
        if (GetFileInformationByHandle(handle, &disk)) {
            file->device = disk.dwVolumeSerialNumber;
            file->inode = (uint64_t)disk.nFileIndexHigh << 32 | disk.nFileIndexLow;
        }
    } else if (type == FILE_TYPE_CHAR) {
        file->kind = GetConsoleMode(handle, &mode) ? FILE_PIPE : FILE_BLOCKING;
    } else if (!look_at_socket(file)) {
        file->kind = FILE_PIPE;
    }
    *same = file->open && kind == file->kind && device == file->device && inode == file->inode;
    if (!file_is_socket(file)) file->family = file->socket_type = file->protocol = 0;
    return 0;
}

/* Whether the handle was opened without FILE_FLAG_OVERLAPPED. */
static inline int is_synchronous(HANDLE handle) {
    IO_STATUS_BLOCK status;
    ULONG mode = 0;
    return NtQueryInformationFile(handle, &status, &mode, sizeof mode, FILE_MODE_INFORMATION_CLASS) == 0 &&
           mode & FILE_SYNCHRONOUS_BITS;
}

/* Have the handle's packets come to the port.  Whether they do: not twice, and not when they go to another port. */
static inline int associate(HANDLE port, int fd) {
    return CreateIoCompletionPort(handle_of(fd), port, PACKET_OPERATION, 0) == port;
}

/* Whether the handle is nobody's any more, and another port may have it (Windows 8.1 and later). */
static inline int disassociate(int fd) {
    static int refused;
    struct {
        HANDLE port;
        PVOID key;
    } nobody = {NULL, NULL};
    IO_STATUS_BLOCK status;
    if (refused) return 0;
    NTSTATUS answer = NtSetInformationFile(handle_of(fd), &status, &nobody, sizeof nobody, FILE_REPLACE_COMPLETION_CLASS);
    /* NOT_IMPLEMENTED, INVALID_INFO_CLASS */
    if (answer == (NTSTATUS)0xC0000002 || answer == (NTSTATUS)0xC0000003) refused = 1;
    return answer == 0;
}

/* No packets for what succeeds at once.  For stream sockets of the system's own provider: others are known to get it wrong. */
static inline void skip_successes(File *file, SOCKET base) {
    UCHAR modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    if (file->kind == FILE_STREAM && base == socket_of(file->fd) && SetFileCompletionNotificationModes(handle_of(file->fd), modes))
        file->system.skips = 1;
}

/* The socket at the bottom, below layered service providers. */
static inline SOCKET base_socket(SOCKET sock) {
    SOCKET base = sock;
    DWORD got;
    if (WSAIoctl(sock, SIO_BASE_HANDLE, NULL, 0, &base, sizeof base, &got, NULL, NULL)) return sock;
    return base;
}

/* Whether a datagram socket has a peer. */
static inline int is_connected(int fd) {
    SOCKADDR_STORAGE name;
    int length = sizeof name;
    return getpeername(socket_of(fd), (struct sockaddr *)&name, &length) == 0;
}

/* ---- packets ---- */

/* The chunks of the table of operations by address, so that a packet of somebody else's OVERLAPPED is known as such. */
typedef struct {
    char **sorted;
    uint32_t count;
} Chunks;

static int chunk_order(const void *one, const void *other) {
    uintptr_t a = *(const uintptr_t *)one, b = *(const uintptr_t *)other;
    return a < b ? -1 : a > b;
}

/* The operation whose OVERLAPPED that is, if its packet is awaited; else NULL. */
static inline Op *op_of(Chunks *chunks, const OpTable *ops, OVERLAPPED *overlapped) {
    if (chunks->count != ops->count / OP_CHUNK) {
        char **sorted = realloc(chunks->sorted, ops->count / OP_CHUNK * sizeof *sorted);
        if (!sorted) return NULL;
        chunks->sorted = sorted;
        chunks->count = ops->count / OP_CHUNK;
        for (uint32_t i = 0; i < chunks->count; i++) sorted[i] = (char *)ops->chunks[i];
        qsort(sorted, chunks->count, sizeof *sorted, chunk_order);
    }
    char *place = (char *)overlapped - offsetof(Op, system) - offsetof(SystemOp, overlapped);
    uint32_t low = 0, high = chunks->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (chunks->sorted[middle] <= place) low = middle;
        else high = middle;
    }
    if (low == high || place < chunks->sorted[low] || place >= chunks->sorted[low] + OP_CHUNK * sizeof(Op) ||
        (size_t)(place - chunks->sorted[low]) % sizeof(Op))
        return NULL;
    Op *op = (Op *)place;
    return op->system.in_kernel ? op : NULL;
}

/* ---- cancelling ---- */

/* The kernel is asked to end it; its packet tells what came of that. */
static inline void cancel_io(Op *op) { CancelIoEx(handle_of(op->fd), &op->system.overlapped); }

/* The same for a helper thread's call.  Repeat it until the operation is done: the thread may be on its way into the call. */
static inline void cancel_blocking(Pool *pool, Op *op) {
    lock_take(&pool->lock);  /* the thread cannot go on to another operation meanwhile */
    DWORD id = load_acquire(&op->system.thread);
    HANDLE thread = id ? OpenThread(THREAD_TERMINATE, FALSE, id) : NULL;
    if (thread) {
        CancelSynchronousIo(thread);
        CloseHandle(thread);
    }
    lock_drop(&pool->lock);
}
#endif
