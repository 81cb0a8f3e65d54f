"""Where Windows puts the fields of the structs that completion ports, Winsock and the socket driver use, as data.

Documented ones are named as the headers of the SDK name them (minwinbase.h, ws2def.h, winternl.h); those of the socket
driver (AFD) and FILE_COMPLETION_INFORMATION, which no header has, are declared below as the kernel takes them.
"""

from __future__ import annotations

from compl_core.layout import Field, Layout, Table

#: What a C probe of these layouts includes.
HEADERS = ("winsock2.h", "ws2tcpip.h", "mswsock.h", "windows.h", "winternl.h")

#: What no header declares.
DECLARATIONS = """\
typedef struct { HANDLE Handle; ULONG Events; LONG Status; } AFD_POLL_HANDLE_INFO;
typedef struct {
    LARGE_INTEGER Timeout; ULONG NumberOfHandles; ULONG Exclusive; AFD_POLL_HANDLE_INFO Handles[1];
} AFD_POLL_INFO;
typedef struct { HANDLE Port; PVOID Key; } FILE_COMPLETION_INFORMATION;
"""


#: Without pointers, and the same everywhere.  Ports and addresses are in network order.
_ADDRESSES = (
    Layout(
        "SOCKADDR_IN",
        16,
        4,
        (
            Field("sin_family", 0, 2),
            Field("sin_port", 2, 2),
            Field("sin_addr", 4, 4, "4s"),
            Field("sin_zero", 8, 8, "8s"),
        ),
    ),
    Layout(
        "SOCKADDR_IN6",
        28,
        4,
        (
            Field("sin6_family", 0, 2),
            Field("sin6_port", 2, 2),
            Field("sin6_flowinfo", 4, 4),
            Field("sin6_addr", 8, 16),
            Field("sin6_scope_id", 24, 4),
        ),
    ),
    Layout("SOCKADDR_STORAGE", 128, 8, (Field("ss_family", 0, 2),)),
    Layout(
        "GUID", 16, 4, (Field("Data1", 0, 4), Field("Data2", 4, 2), Field("Data3", 6, 2), Field("Data4", 8, 8, "8s"))
    ),
)


def _sized(name: str, pointers: int, *fields: Field) -> Layout:
    """A struct as large as so many pointers, and aligned like one."""
    pointer = max(field.size for field in fields)
    return Layout(name, pointers * pointer, pointer, fields)


def _layouts(p: int) -> tuple[Layout, ...]:
    """With pointers of ``p`` bytes; HANDLE, SOCKET, PVOID, ULONG_PTR and SIZE_T are as large."""
    return (
        Layout(
            "OVERLAPPED",
            3 * p + 8,
            p,
            (
                Field("Internal", 0, p),  # the NTSTATUS
                Field("InternalHigh", p, p),  # the bytes
                Field("Offset", 2 * p, 4),
                Field("Pointer", 2 * p, p, overlay=True),
                Field("OffsetHigh", 2 * p + 4, 4),
                Field("hEvent", 2 * p + 8, p),
            ),
        ),
        _sized(
            "OVERLAPPED_ENTRY",
            4,
            Field("lpCompletionKey", 0, p),
            Field("lpOverlapped", p, p),
            Field("Internal", 2 * p, p),
            Field("dwNumberOfBytesTransferred", 3 * p, 4),
        ),
        _sized("WSABUF", 2, Field("len", 0, 4), Field("buf", p, p)),
        _sized(
            "WSAMSG",
            7,
            Field("name", 0, p),
            Field("namelen", p, 4),
            Field("lpBuffers", 2 * p, p),
            Field("dwBufferCount", 3 * p, 4),
            Field("Control.len", 4 * p, 4),
            Field("Control.buf", 5 * p, p),
            Field("dwFlags", 6 * p, 4),
        ),
        Layout(
            "WSACMSGHDR", p + 8, p, (Field("cmsg_len", 0, p), Field("cmsg_level", p, 4), Field("cmsg_type", p + 4, 4))
        ),
        _sized(
            "TRANSMIT_FILE_BUFFERS",
            4,
            Field("Head", 0, p),
            Field("HeadLength", p, 4),
            Field("Tail", 2 * p, p),
            Field("TailLength", 3 * p, 4),
        ),
        _sized(
            "IO_STATUS_BLOCK",
            2,
            Field("Status", 0, 4),
            Field("Pointer", 0, p, overlay=True),
            Field("Information", p, p),
        ),
        _sized("UNICODE_STRING", 2, Field("Length", 0, 2), Field("MaximumLength", 2, 2), Field("Buffer", p, p)),
        _sized(
            "OBJECT_ATTRIBUTES",
            6,
            Field("Length", 0, 4),
            Field("RootDirectory", p, p),
            Field("ObjectName", 2 * p, p),
            Field("Attributes", 3 * p, 4),
            Field("SecurityDescriptor", 4 * p, p),
            Field("SecurityQualityOfService", 5 * p, p),
        ),
        Layout(
            "AFD_POLL_HANDLE_INFO", p + 8, p, (Field("Handle", 0, p), Field("Events", p, 4), Field("Status", p + 4, 4))
        ),
        Layout(
            "AFD_POLL_INFO",
            32,
            8,  # of the timeout, on 32-bit Windows too
            (
                Field("Timeout", 0, 8, "q"),
                Field("NumberOfHandles", 8, 4),
                Field("Exclusive", 12, 4),
                Field("Handles[0].Handle", 16, p),
                Field("Handles[0].Events", 16 + p, 4),
                Field("Handles[0].Status", 20 + p, 4),
            ),
        ),
        _sized("FILE_COMPLETION_INFORMATION", 2, Field("Port", 0, p), Field("Key", p, p)),
        *_ADDRESSES,
    )


LAYOUTS: Table = {"win64": _layouts(8), "win32": _layouts(4)}
