/* Requests to the socket driver for compl_iocp.afd, with handles as numbers.  Each answers an NTSTATUS. */
#ifndef COMPL_AFD_CALLS_H
#define COMPL_AFD_CALLS_H
#include "iocp_calls.h"
#include <stdlib.h>

NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, ULONG, PVOID, ULONG, PVOID,
                                     ULONG);
NTSTATUS NTAPI NtCancelIoFileEx(HANDLE, PIO_STATUS_BLOCK, PIO_STATUS_BLOCK);

/* As the driver takes them; no header has them. */
typedef struct {
    HANDLE Handle;
    ULONG Events;
    NTSTATUS Status;
} AFD_POLL_HANDLE_INFO;

typedef struct {
    LARGE_INTEGER Timeout;
    ULONG NumberOfHandles, Exclusive;
    AFD_POLL_HANDLE_INFO Handles[1];
} AFD_POLL_INFO;

/* The kernel's until its packet: never freed before. */
typedef struct {
    IO_STATUS_BLOCK status;
    AFD_POLL_INFO info;
} SocketPoll;

static inline uint32_t driver_open(uintptr_t *handle) {
    static WCHAR name[] = L"\\Device\\Afd\\ComplFloor1"; /* any name below \Device\Afd will do */
    UNICODE_STRING path = {sizeof name - sizeof *name, sizeof name, name};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes, .ObjectName = &path};
    IO_STATUS_BLOCK status;
    HANDLE opened = NULL;
    NTSTATUS answer = NtCreateFile(&opened, SYNCHRONIZE, &attributes, &status, NULL, 0, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                   FILE_OPEN, 0, NULL, 0);
    *handle = (uintptr_t)opened;
    return (uint32_t)answer;
}

/* `hundreds` of nanoseconds from now, or INT64_MAX; a packet comes if this answers 0 or PENDING (0x103). */
static inline uint32_t driver_poll(uintptr_t driver, SocketPoll *poll, uintptr_t sock, uint32_t events,
                                   int64_t hundreds) {
    poll->info.Timeout.QuadPart = hundreds == INT64_MAX ? hundreds : -hundreds;
    poll->info.NumberOfHandles = 1;
    poll->info.Handles[0].Handle = (HANDLE)sock;
    poll->info.Handles[0].Events = events;
    /* SAFETY: `poll` is kept until its packet has been taken (AfdHandle.take) */
    return (uint32_t)NtDeviceIoControlFile((HANDLE)driver, NULL, NULL, poll, &poll->status, 0x00012024, &poll->info,
                                           sizeof poll->info, &poll->info, sizeof poll->info);
}

static inline uint32_t driver_cancel(uintptr_t driver, SocketPoll *poll) {
    IO_STATUS_BLOCK status;
    return (uint32_t)NtCancelIoFileEx((HANDLE)driver, &poll->status, &status);
}

/* The events that were found; a request that timed out or was cancelled found none. */
static inline uint32_t poll_found(const SocketPoll *poll) {
    return poll->info.NumberOfHandles ? poll->info.Handles[0].Events : 0;
}
#endif
