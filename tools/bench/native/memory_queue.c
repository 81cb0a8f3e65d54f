/* The kernel's part of a completion port as a queue in memory, to be put in place of the calls that a module imports: what
   is left of a completion then is Python's share.  For one thread, and at most ROOM packets at a time. */
#include <winsock2.h>
#include <windows.h>
#include <string.h>

#define ROOM 4096u
#define EXPORT __declspec(dllexport)

static OVERLAPPED_ENTRY packets[ROOM];
static unsigned taken, queued;
static ULONG_PTR keys[1 << 16]; /* of the handles, by number */

EXPORT HANDLE WINAPI memory_create(HANDLE file, HANDLE port, ULONG_PTR key, DWORD concurrency) {
    if (file != INVALID_HANDLE_VALUE) keys[(ULONG_PTR)file / 4 % (1 << 16)] = key;
    return CreateIoCompletionPort(file, port, key, concurrency);
}

EXPORT BOOL WINAPI memory_post(HANDLE port, DWORD count, ULONG_PTR key, OVERLAPPED *overlapped) {
    OVERLAPPED_ENTRY *packet = &packets[queued++ % ROOM];
    (void)port;
    packet->lpCompletionKey = key;
    packet->lpOverlapped = overlapped;
    packet->Internal = 0;
    packet->dwNumberOfBytesTransferred = count;
    return TRUE;
}

EXPORT BOOL WINAPI memory_take(HANDLE port, DWORD *count, ULONG_PTR *key, OVERLAPPED **overlapped, DWORD timeout) {
    (void)port, (void)timeout;
    *overlapped = NULL;
    if (taken == queued) {
        SetLastError(WAIT_TIMEOUT);
        return FALSE;
    }
    OVERLAPPED_ENTRY *packet = &packets[taken++ % ROOM];
    *count = packet->dwNumberOfBytesTransferred;
    *key = packet->lpCompletionKey;
    *overlapped = packet->lpOverlapped;
    return TRUE;
}

EXPORT BOOL WINAPI memory_take_many(HANDLE port, OVERLAPPED_ENTRY *out, ULONG room, ULONG *count, DWORD timeout, BOOL alertable) {
    ULONG found = 0;
    (void)port, (void)timeout, (void)alertable;
    while (found < room && taken != queued) out[found++] = packets[taken++ % ROOM];
    *count = found;
    if (!found) SetLastError(WAIT_TIMEOUT);
    return found != 0;
}

/* As if it had been pending for a moment: a packet, and no answer. */
EXPORT int WSAAPI memory_receive(SOCKET sock, WSABUF *buffer, DWORD buffers, DWORD *count, DWORD *flags, OVERLAPPED *overlapped,
                                 void *routine) {
    (void)buffers, (void)count, (void)flags, (void)routine;
    overlapped->Internal = 0;
    overlapped->InternalHigh = buffer->len;
    memory_post(NULL, buffer->len, keys[sock / 4 % (1 << 16)], overlapped);
    WSASetLastError(WSA_IO_PENDING);
    return SOCKET_ERROR;
}

EXPORT BOOL WINAPI memory_result(HANDLE file, OVERLAPPED *overlapped, DWORD *count, BOOL wait) {
    (void)file, (void)wait;
    *count = (DWORD)overlapped->InternalHigh;
    return TRUE;
}

static const struct {
    const char *name;
    void *instead;
} calls[] = {
    {"CreateIoCompletionPort", memory_create}, {"PostQueuedCompletionStatus", memory_post},
    {"GetQueuedCompletionStatus", memory_take}, {"GetQueuedCompletionStatusEx", memory_take_many},
    {"WSARecv", memory_receive}, {"GetOverlappedResult", memory_result},
};

/* In the import tables of the module that is loaded at `base`.  How many calls were replaced. */
EXPORT int replace_calls(char *base) {
    int count = 0;
    IMAGE_NT_HEADERS *headers = (void *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
    IMAGE_IMPORT_DESCRIPTOR *library = (void *)(base + headers->OptionalHeader.DataDirectory[1].VirtualAddress);
    for (; library->Name; library++) {
        HMODULE loaded = GetModuleHandleA(base + library->Name);
        for (void **slot = (void **)(base + library->FirstThunk); *slot; slot++) {
            for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
                DWORD before;
                if (*slot != (void *)GetProcAddress(loaded, calls[i].name)) continue;
                VirtualProtect(slot, sizeof *slot, PAGE_READWRITE, &before);
                *slot = calls[i].instead;
                count++;
                break;
            }
        }
    }
    return count;
}
