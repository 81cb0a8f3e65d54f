"""Windows' numbers, by name: winbase.h, winsock2.h, mswsock.h and ntstatus.h, and what no header has.

IOCTL_AFD_POLL and the bits of AfdEvents are the socket driver's own; select() has been made of them since Windows 2000.
"""

from __future__ import annotations

import enum

from compl_core import FULL, Capability

#: What an IOCP port does on every Windows.
CAPABILITIES = FULL | Capability.MULTISHOT | Capability.MULTI_WAITER | Capability.POLLABLE | Capability.POOLED


class AfdEvents(enum.IntFlag, boundary=enum.KEEP):
    """What a socket is polled for, and what was found; bits without a name here survive as they are."""

    NONE = 0
    RECEIVE = 0x001
    #: Urgent data that is not received in line.
    RECEIVE_EXPEDITED = 0x002
    SEND = 0x004
    #: The peer has sent its last byte.  While bytes are there to be read, RECEIVE alone is reported.
    DISCONNECT = 0x008
    #: The connection was reset.
    ABORT = 0x010
    #: The handle was closed, here; reported unasked.
    LOCAL_CLOSE = 0x020
    CONNECT = 0x040
    #: A connection can be accepted; RECEIVE is never reported of a socket that listens.
    ACCEPT = 0x080
    #: Connecting failed; SEND does not report that.
    CONNECT_FAIL = 0x100
    QOS = 0x200
    GROUP_QOS = 0x400


class CompletionModes(enum.IntFlag):
    """SetFileCompletionNotificationModes: they stay with the handle, and cannot be taken back."""

    SKIP_COMPLETION_PORT_ON_SUCCESS = 1
    SKIP_SET_EVENT_ON_HANDLE = 2


class TransmitFlags(enum.IntFlag):
    """TransmitFile and DisconnectEx."""

    DISCONNECT = 0x01
    REUSE_SOCKET = 0x02
    WRITE_BEHIND = 0x04
    USE_SYSTEM_THREAD = 0x10
    USE_KERNEL_APC = 0x20


class WinError(enum.IntEnum):
    """Codes of GetLastError and WSAGetLastError that completion ports meet."""

    INVALID_HANDLE = 6
    INVALID_PARAMETER = 87
    NETNAME_DELETED = 64
    #: Nothing came in time.
    WAIT_TIMEOUT = 258
    #: The port was closed while somebody waited; Wine before 9 does not wake them.
    ABANDONED_WAIT_0 = 735
    WAIT_IO_COMPLETION = 192
    OPERATION_ABORTED = 995
    IO_INCOMPLETE = 996
    IO_PENDING = 997
    NOT_FOUND = 1168
    WSAENOTSOCK = 10038
    WSAEOPNOTSUPP = 10045


class Status(enum.IntEnum):
    """NTSTATUS values in completion packets and of Nt calls, unsigned."""

    SUCCESS = 0x00000000
    TIMEOUT = 0x00000102
    PENDING = 0x00000103
    BUFFER_OVERFLOW = 0x80000005
    HANDLES_CLOSED = 0x8000000A
    NOT_IMPLEMENTED = 0xC0000002
    INVALID_INFO_CLASS = 0xC0000003
    INVALID_HANDLE = 0xC0000008
    INVALID_PARAMETER = 0xC000000D
    END_OF_FILE = 0xC0000011
    OBJECT_TYPE_MISMATCH = 0xC0000024
    CANCELLED = 0xC0000120
    NOT_FOUND = 0xC0000225
    CONNECTION_REFUSED = 0xC0000236


#: A timeout that does not end.
INFINITE = 0xFFFF_FFFF
#: A HANDLE or SOCKET that is none, as an unsigned 64-bit number.
INVALID_HANDLE_VALUE = 0xFFFF_FFFF_FFFF_FFFF
FILE_FLAG_OVERLAPPED = 0x4000_0000

SIO_GET_EXTENSION_FUNCTION_POINTER = 0xC800_0006
SIO_BASE_HANDLE = 0x4800_0022
SIO_BSP_HANDLE = 0x4800_001B
SIO_BSP_HANDLE_SELECT = 0x4800_001C
SIO_BSP_HANDLE_POLL = 0x4800_001D

SO_UPDATE_ACCEPT_CONTEXT = 0x700B
SO_UPDATE_CONNECT_CONTEXT = 0x7010
SO_CONNECT_TIME = 0x700C

IOCTL_AFD_POLL = 0x0001_2024

#: FILE_INFORMATION_CLASS of NtSetInformationFile.
FILE_COMPLETION_INFORMATION = 30
FILE_REPLACE_COMPLETION_INFORMATION = 61
