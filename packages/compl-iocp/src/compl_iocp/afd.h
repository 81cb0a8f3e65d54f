/* Readiness of sockets: IOCTL_AFD_POLL, the request behind select().  Not documented by Microsoft; as wepoll, libuv and mio
   have it. */
#ifndef COMPL_AFD_H
#define COMPL_AFD_H
#include "handles.h"

#define IOCTL_AFD_POLL 0x00012024u
#define AFD_POLL_RECEIVE 0x001u
#define AFD_POLL_RECEIVE_EXPEDITED 0x002u
#define AFD_POLL_SEND 0x004u
#define AFD_POLL_DISCONNECT 0x008u
#define AFD_POLL_ABORT 0x010u
#define AFD_POLL_LOCAL_CLOSE 0x020u
#define AFD_POLL_ACCEPT 0x080u
#define AFD_POLL_CONNECT_FAIL 0x100u
#define AFD_READING (AFD_POLL_RECEIVE | AFD_POLL_ACCEPT | AFD_POLL_DISCONNECT)
#define AFD_WRITING AFD_POLL_SEND
#define AFD_ALWAYS (AFD_POLL_ABORT | AFD_POLL_LOCAL_CLOSE | AFD_POLL_CONNECT_FAIL)
#define AFD_GROUP 32             /* sockets polled through one handle: its requests are searched one after the other */

typedef struct {
    LARGE_INTEGER timeout;
    ULONG count, exclusive;
    struct {
        HANDLE handle;
        ULONG events;
        NTSTATUS status;
    } one;
} AfdPollInfo;

typedef struct {
    HANDLE handle;
    uint32_t polls;
} AfdGroup;

/* A request that is out: the kernel's until its packet. */
typedef struct Poll Poll;
struct Poll {
    IO_STATUS_BLOCK status;
    AfdPollInfo info;
    File *file;                  /* NULL: nobody waits for it any more */
    Poll *next, *prev;
    uint32_t group;
    ULONG events;                /* asked for */
    int cancelled;
};

typedef struct {
    AfdGroup *groups;
    uint32_t group_count, polls;
    Poll *head;                  /* all that are out */
} Afd;

NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, ULONG, PVOID, ULONG, PVOID, ULONG);
NTSTATUS NTAPI NtCancelIoFileEx(HANDLE, PIO_STATUS_BLOCK, PIO_STATUS_BLOCK);

static inline HANDLE afd_open(HANDLE port) {
    static WCHAR name[] = L"\\Device\\Afd\\Compl";
    UNICODE_STRING path = {sizeof name - sizeof *name, sizeof name, name};
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK status;
    HANDLE handle;
    InitializeObjectAttributes(&attributes, &path, 0, NULL, NULL);
    if (NtCreateFile(&handle, SYNCHRONIZE, &attributes, &status, NULL, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0,
                     NULL, 0))
        return NULL;
    if (CreateIoCompletionPort(handle, port, PACKET_POLL, 0) == port &&
        SetFileCompletionNotificationModes(handle, FILE_SKIP_SET_EVENT_ON_HANDLE))
        return handle;
    CloseHandle(handle);
    return NULL;
}

/* A handle that has room for one more request; its place, or -1. */
static inline int afd_group(Afd *afd, HANDLE port) {
    for (uint32_t i = 0; i < afd->group_count; i++)
        if (afd->groups[i].polls < AFD_GROUP) return (int)i;
    AfdGroup *groups = realloc(afd->groups, (afd->group_count + 1) * sizeof *groups);
    if (!groups) return -1;
    afd->groups = groups;
    HANDLE handle = afd_open(port);
    if (!handle) return -1;
    groups[afd->group_count] = (AfdGroup){handle, 0};
    return (int)afd->group_count++;
}

static inline void afd_release(Afd *afd, Poll *poll) {
    if (poll->prev) poll->prev->next = poll->next;
    else afd->head = poll->next;
    if (poll->next) poll->next->prev = poll->prev;
    afd->groups[poll->group].polls--;
    afd->polls--;
    free(poll);
}

/* Ask for `events` of the file, once.  0, or an NTSTATUS. */
static inline uint32_t afd_poll(Afd *afd, HANDLE port, File *file, ULONG events) {
    int group = afd_group(afd, port);
    Poll *poll = group < 0 ? NULL : calloc(1, sizeof *poll);
    if (!poll) return 0xC000009Au;  /* INSUFFICIENT_RESOURCES */
    if (file->system.base < 0) file->system.base = (int)base_socket(socket_of(file->fd));
    poll->info.timeout.QuadPart = INT64_MAX;
    poll->info.count = 1;
    poll->info.one.handle = handle_of(file->system.base);
    poll->info.one.events = poll->events = events;
    poll->file = file;
    poll->group = (uint32_t)group;
    poll->next = afd->head;
    if (poll->next) poll->next->prev = poll;
    afd->head = poll;
    afd->groups[group].polls++;
    afd->polls++;
    /* SAFETY: the record is freed only when its packet has come, or with the port's other memory once nothing is out */
    NTSTATUS status = NtDeviceIoControlFile(afd->groups[group].handle, NULL, NULL, poll, &poll->status, IOCTL_AFD_POLL,
                                            &poll->info, sizeof poll->info, &poll->info, sizeof poll->info);
    if (status < 0) {
        afd_release(afd, poll);
        return (uint32_t)status;
    }
    file->system.poll = poll;
    return 0;
}

static inline void afd_cancel(Afd *afd, Poll *poll) {
    IO_STATUS_BLOCK status;
    poll->cancelled = 1;
    NtCancelIoFileEx(afd->groups[poll->group].handle, &poll->status, &status);
}

/* What of `events` the socket still is ready for: Interest bits, or -1 when that cannot be told. */
static inline int look_ready(const File *file, int wanted) {
    WSAPOLLFD one = {socket_of(file->fd), (SHORT)((wanted & 1 ? POLLRDNORM : 0) | (wanted & 2 ? POLLWRNORM : 0)), 0};
    if (WSAPoll(&one, 1, 0) < 0 || one.revents & POLLNVAL) return -1;
    return (one.revents & POLLRDNORM ? 1 : 0) | (one.revents & POLLWRNORM ? 2 : 0) |
           (one.revents & (POLLERR | POLLHUP) ? wanted : 0);
}

/* Interest bits of what a poll found: what was asked for, and ERROR and HANGUP, with which nothing would block any more. */
static inline int afd_readiness(ULONG events, int wanted) {
    int readiness = 0;
    if (events & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL)) return 4 | 8 | wanted;
    if (events & AFD_READING) readiness |= 1;
    if (events & AFD_WRITING) readiness |= 2;
    return readiness & wanted;
}

static inline ULONG afd_events(int wanted) {
    return (wanted & 1 ? AFD_READING : 0) | (wanted & 2 ? AFD_WRITING : 0) | AFD_ALWAYS;
}

static inline void afd_close(Afd *afd) {
    for (uint32_t i = 0; i < afd->group_count; i++) CloseHandle(afd->groups[i].handle);
    free(afd->groups);
    afd->groups = NULL;
    afd->group_count = 0;
}
#endif
