/* A completion port's own calls, with handles as numbers.  Each answers 0 or a winerror; none touches Python. */
#ifndef COMPL_IOCP_CALLS_H
#define COMPL_IOCP_CALLS_H
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <winternl.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t raw_create(uint32_t concurrency, uintptr_t *port) {
    HANDLE handle = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, concurrency);
    *port = (uintptr_t)handle;
    return handle ? 0 : GetLastError();
}

static inline uint32_t raw_associate(uintptr_t port, uintptr_t file, uintptr_t key) {
    return CreateIoCompletionPort((HANDLE)file, (HANDLE)port, key, 0) ? 0 : GetLastError();
}

static inline uint32_t raw_post(uintptr_t port, uintptr_t key, uint32_t count, uintptr_t overlapped) {
    /* SAFETY: the port hands the address on as a number, and follows it no more than its receiver does */
    return PostQueuedCompletionStatus((HANDLE)port, count, key, (OVERLAPPED *)overlapped) ? 0 : GetLastError();
}

/* Fills up to `room` entries; `count` is 0 unless this succeeds: Windows writes it when it fails, too. */
static inline uint32_t raw_get(uintptr_t port, OVERLAPPED_ENTRY *entries, uint32_t room, uint32_t milliseconds, int alertable,
                                uint32_t *count) {
    ULONG removed = 0;
    BOOL done = GetQueuedCompletionStatusEx((HANDLE)port, entries, room, &removed, milliseconds, alertable);
    *count = done ? removed : 0;
    return done ? 0 : GetLastError();
}

static inline uint32_t raw_close(uintptr_t handle) { return CloseHandle((HANDLE)handle) ? 0 : GetLastError(); }

static inline int raw_is_open(uintptr_t handle) {
    DWORD flags;
    return GetHandleInformation((HANDLE)handle, &flags);
}

/* Whether it is a file, socket, pipe or device, which all are objects of one type; 1 when that cannot be told. */
static inline int raw_is_file(uintptr_t handle) {
    union {
        UNICODE_STRING name; /* the type's, and behind it much else */
        char room[1024];
    } type;
    if (NtQueryObject((HANDLE)handle, (OBJECT_INFORMATION_CLASS)2, &type, sizeof type, NULL) != 0) return 1;
    return type.name.Length == 4 * sizeof(WCHAR) && memcmp(type.name.Buffer, L"File", 4 * sizeof(WCHAR)) == 0;
}

/* Whether operations on the handle can be in flight; 1 when that cannot be told. */
static inline int raw_is_overlapped(uintptr_t handle) {
    IO_STATUS_BLOCK status;
    ULONG mode = 0;
    NTSTATUS answer = NtQueryInformationFile((HANDLE)handle, &status, &mode, sizeof mode, (FILE_INFORMATION_CLASS)16);
    return answer != 0 || !(mode & 0x30); /* FileModeInformation: FILE_SYNCHRONOUS_IO_ALERT | _NONALERT */
}

/* `given` and `room` are lengths; `got` the bytes that were written. */
static inline uint32_t raw_ioctl(uintptr_t sock, uint32_t code, const char *input, uint32_t given, char *output, uint32_t room,
                                    uint32_t *got) {
    DWORD written = 0;
    int failed = WSAIoctl((SOCKET)sock, code, (void *)input, given, output, room, &written, NULL, NULL);
    *got = failed ? 0 : written;
    return failed ? (uint32_t)WSAGetLastError() : 0;
}
#endif
