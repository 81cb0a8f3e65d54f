/* What system.h gives, on Windows.  Numbers of files are HANDLEs and SOCKETs: multiples of four, of 32 bits, that no two open
   objects share. */
#ifndef COMPL_SYSTEM_WINDOWS_H
#define COMPL_SYSTEM_WINDOWS_H
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* As POSIX has it; WSABUF has its members the other way round, and a shorter length. */
struct iovec {
    void *iov_base;
    size_t iov_len;
};

/* The socket module here has no AF_UNIX (yet); address.pxi knows it all the same. */
struct sockaddr_un {
    unsigned short sun_family;
    char sun_path[108];
};

#define FILE_PLACE(fd) ((fd) >> 2)

#define CHUNK_AWAITED (-1)   /* told when something has come */
#define CHUNK_WANTED (-2)    /* it has: a buffer is needed */

/* What an operation has here only. */
typedef struct {
    OVERLAPPED overlapped;   /* the kernel's, from the call until its packet */
    DWORD flags;             /* of WSARecv, which writes to them until then */
    uint32_t code;           /* of a failure, as the system gave it; 0 is none */
    uint8_t domain;          /* of `code`: NTSTATUS or winerror */
    uint8_t lane;            /* bit of File.busy that it holds */
    uint8_t in_kernel;       /* its packet is yet to come */
    int accepted;            /* AcceptEx: the socket that is to become the connection; -1 is none */
    int chunk;               /* number of the pool's buffer that it fills, or one of: */
    void *scratch;           /* owned: what AcceptEx writes, or the bytes of several buffers in one */
    HANDLE event, wait, port;/* of a file that belongs to another port: who tells when it is done, and whom */
    uint32_t thread;         /* helper thread that is doing it, or 0 */
} SystemOp;

/* Of a record that begins another operation. */
static inline void system_op_reset(SystemOp *system) {
    system->overlapped.hEvent = NULL;
    system->code = 0;
    system->lane = system->in_kernel = 0;
    system->accepted = system->chunk = -1;
    system->scratch = NULL;
    system->event = system->wait = NULL;
    system->thread = 0;
}

/* What a file has here only. */
typedef struct {
    void *poll;              /* the AFD poll that is out, or NULL */
    struct File *next_armed; /* in the port's list of files to be polled again */
    int64_t position;        /* of an overlapped handle, which the kernel keeps none for */
    int base;                /* the socket at the bottom of the providers, or -1: not asked yet */
    uint8_t mode;            /* who its packets come to */
    uint8_t skips;           /* success at once queues no packet */
    uint8_t listening;       /* has been seen to listen */
    uint8_t connecting;      /* a connect is under way */
    uint8_t armed;           /* in that list */
    uint8_t accepted;        /* this port has made it, and nobody else can have it in another port yet */
} SystemFile;

static inline HANDLE handle_of(int fd) { return (HANDLE)(uintptr_t)(unsigned)fd; }
static inline SOCKET socket_of(int fd) { return (SOCKET)(unsigned)fd; }

/* QueryPerformanceCounter, ns. */
static inline uint64_t clock_now(void) {
    static LARGE_INTEGER frequency;
    LARGE_INTEGER count;
    if (!frequency.QuadPart) QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    uint64_t whole = (uint64_t)(count.QuadPart / frequency.QuadPart);
    uint64_t rest = (uint64_t)(count.QuadPart % frequency.QuadPart);
    return whole * 1000000000u + rest * 1000000000u / (uint64_t)frequency.QuadPart;
}

/* Milliseconds from now until `deadline` (clock_now, ns; UINT64_MAX is never), rounded up. */
static inline DWORD milliseconds_until(uint64_t deadline) {
    if (deadline == UINT64_MAX) return INFINITE;
    uint64_t now = clock_now();
    if (deadline <= now) return 0;
    uint64_t wait = (deadline - now + 999999u) / 1000000u;
    return wait < 0x7FFFFFFFu ? (DWORD)wait : 0x7FFFFFFFu;
}

static inline void store_release(uint32_t *place, uint32_t value) {
    MemoryBarrier();
    *(volatile uint32_t *)place = value;
}

static inline uint32_t load_acquire(const uint32_t *place) {
    uint32_t value = *(const volatile uint32_t *)place;
    MemoryBarrier();
    return value;
}

static inline void *pointer_acquire(void *place) {
    void *value = *(void *const volatile *)place;
    MemoryBarrier();
    return value;
}

static inline void nap(unsigned microseconds) { Sleep((microseconds + 999) / 1000); }

static inline int process_id(void) { return (int)GetCurrentProcessId(); }

static inline int number_is_open(int fd) {
    DWORD flags;
    return fd > 0 && GetHandleInformation(handle_of(fd), &flags);
}

/* 0, or -1 with errno.  What is no socket says so, and stays open. */
static inline int close_number(int fd) {
    if (closesocket(socket_of(fd)) == 0) return 0;
    if (WSAGetLastError() == WSAENOTSOCK && CloseHandle(handle_of(fd))) return 0;
    errno = EBADF;
    return -1;
}

static inline int lingers(int fd) {
    struct linger linger = {0, 0};
    int length = sizeof linger;
    return getsockopt(socket_of(fd), SOL_SOCKET, SO_LINGER, (char *)&linger, &length) == 0 && linger.l_onoff &&
           linger.l_linger > 0;
}
#endif
