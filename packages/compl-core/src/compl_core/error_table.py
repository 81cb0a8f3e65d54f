"""One pure table: what a system's error code means, as a canonical errno.

Linux says errno; Windows says winerror (Winsock's 10xxx among them) from its calls and NTSTATUS in its completion
packets.  A program on a port sees errno only, the same on every backend: a reset is ECONNRESET although Windows has
many codes for it, and the end of a pipe is no error although Windows has an error for it.  Codes as in winerror.h and
ntstatus.h of the Windows SDK.

The choices that are not obvious:

* 64 (NETNAME_DELETED) is what a reset becomes on its way through a file handle: ECONNRESET, never an end of stream.
* 109, 232 and 233 say that the other end of a pipe is gone: the end of the stream to a reader, EPIPE to a writer.
  A non-blocking attempt that gets 232 has only found the pipe empty.
* 1234 (PORT_UNREACHABLE) reaches a connected datagram socket as ECONNREFUSED, as on Linux.
* 234 and STATUS_BUFFER_OVERFLOW came with as many bytes as fitted: success, truncated.
* 1 (INVALID_FUNCTION) is EINVAL; that a read of a directory gets it, only the backend can know.
* 995 and its kin are ECANCELED whoever cancelled; a backend that did not ask for it knows better what happened.
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Collection, Mapping
from typing import NamedTuple

from compl_core.completion import Kind
from compl_core.errors import operation_error


class Domain(enum.StrEnum):
    """Whose numbering a code belongs to."""

    ERRNO = "errno"
    WIN32 = "win32"  #: GetLastError and WSAGetLastError
    NTSTATUS = "ntstatus"  #: the status of a completion packet or of an Nt call


class Outcome(NamedTuple):
    """What a code means for an operation."""

    #: The canonical errno, by this platform's number; 0 when the code is no error.
    errno: int
    #: The end of the stream or file: result 0 and the flag EOF.
    eof: bool = False
    #: Success with less than there was: the flag TRUNCATED.
    truncated: bool = False


#: Meanings that are no errno; every other meaning is an errno symbol.
SUCCESS, EOF, TRUNCATED = "success", "eof", "truncated"

READS = frozenset({Kind.READ, Kind.RECV, Kind.RECV_FROM})
WRITES = frozenset({Kind.WRITE, Kind.SEND, Kind.SEND_TO})
SOCKETS = frozenset({Kind.RECV, Kind.SEND, Kind.RECV_FROM, Kind.SEND_TO, Kind.ACCEPT, Kind.CONNECT})


class Row(NamedTuple):
    """A meaning, the codes that have it, and the operations in which they mean something else."""

    meaning: str
    win32: Collection[int] = ()
    ntstatus: Collection[int] = ()
    instead: str = ""
    during: Collection[Kind] = ()


TABLE: tuple[Row, ...] = (
    # Not errors.  258 and STATUS_TIMEOUT: nothing came in time; 997 and STATUS_PENDING: it is on its way.
    Row(SUCCESS, (0, 258, 997), (0x00000000, 0x00000102, 0x00000103)),
    Row(EOF, (38,), (0xC0000011,), "ENOSPC", WRITES),  # a writer met the end of a device
    Row(EOF, (1226, 10101), (0xC0000237,), "EPIPE", WRITES),
    Row("EPIPE", (109, 232, 233), (0xC000014B, 0xC00000B0, 0xC00000B1), EOF, READS),
    Row("EPIPE", (10058,)),
    Row(TRUNCATED, (234,), (0x80000005,), "EMSGSIZE", WRITES),
    Row("EMSGSIZE", (10040,), (), TRUNCATED, READS),
    Row("EMSGSIZE", (122,), (0xC0000023,)),  # unlike 234: nothing was moved
    # 676 and 0x8000000A: the handle was closed under its operation.
    Row("ECANCELED", (676, 995, 1235, 10004, 10103, 10111), (0xC0000120, 0xC0000240, 0x8000000A)),
    Row("ECONNRESET", (64, 10052, 10054), (0xC000020D, 0xC000013C, 0xC000020C, 0xC00000C9)),
    Row("ECONNABORTED", (1236, 10053), (0xC0000241, 0xC000013B)),
    Row("ECONNREFUSED", (1225, 1234, 10061), (0xC0000236, 0xC000023F)),
    Row("ETIMEDOUT", (121, 1460, 10060), (0xC00000B5,)),
    Row("EISCONN", (1230, 10056), (0xC000023B,)),
    Row("ENOTCONN", (1229, 2250, 10057), (0xC0000140, 0xC000023A)),
    Row("EDESTADDRREQ", (10039,)),
    Row("EADDRINUSE", (52, 1227, 10048), (0xC000020A,)),
    Row("EADDRNOTAVAIL", (1228, 10049), (0xC0000141,)),
    Row("ENETUNREACH", (1231, 10051), (0xC000023C,)),
    Row("EHOSTUNREACH", (1232, 10065), (0xC000023D,)),
    Row("ENETDOWN", (10050,)),
    # Internal to a backend: it waits and tries again, nobody else sees them.
    Row("EAGAIN", (996, 10035), (0xC00000A3, 0xC00000D9)),
    Row("EINPROGRESS", (10036,)),
    Row("EALREADY", (10037,)),
    Row("EBADF", (6, 10009), (0xC0000008,)),
    Row("ENOTSOCK", (10038,), (0xC0000024,)),
    Row("EINVAL", (1, 87, 131, 10022), (0xC000000D, 0xC0000010)),
    Row("EFAULT", (998, 10014), (0xC0000005,)),
    Row("EOPNOTSUPP", (50, 10045), (0xC00000BB, 0xC0000002)),
    Row("EEXIST", (80, 183), (0xC0000035,)),
    Row("ENOENT", (2, 3, 53, 67, 123, 161), (0xC0000034, 0xC000003A, 0xC000000F)),
    Row("EACCES", (5, 19, 32, 33, 10013), (0xC0000022, 0xC0000043, 0xC0000054, 0xC00000A2)),
    Row("EPERM", (1314,), (0xC0000061,)),
    Row("EISDIR", (), (0xC00000BA,)),
    Row("ENOTDIR", (267,), (0xC0000103,)),
    Row("ENOTEMPTY", (145, 10066), (0xC0000101,)),
    Row("EXDEV", (17,), (0xC00000D4,)),
    Row("EMFILE", (4, 10024), (0xC000011F,)),
    # Windows has one code for "no memory"; a socket says ENOBUFS.
    Row("ENOMEM", (8, 14, 1450, 1452, 1453, 1455, 1816), (0xC0000017, 0xC000009A, 0xC0000044, 0xC00000A1, 0xC000012D),
        "ENOBUFS", SOCKETS),
    Row("ENOBUFS", (10055,)),
    Row("ENOSPC", (39, 112), (0xC000007F,)),
    Row("EIO", (23, 29, 30, 31, 1117), (0xC0000185, 0xC000009C)),
    # Sockets of a kind that is not there.
    Row("EPROTOTYPE", (10041,)),
    Row("ENOPROTOOPT", (10042,)),
    Row("EPROTONOSUPPORT", (10043,)),
    Row("ESOCKTNOSUPPORT", (10044,)),
    Row("EPFNOSUPPORT", (10046,)),
    Row("EAFNOSUPPORT", (10047,)),
    Row("EHOSTDOWN", (10064,)),
)  # fmt: skip

#: Codes that say nothing of I/O, as the C runtime and CPython (``OSError(0, "", None, code).errno``) read them.
REST: tuple[Row, ...] = (
    Row("ENOENT", (15, 18, 206)),
    Row("E2BIG", (10,)),
    Row("ENOEXEC", (11, *range(188, 203))),
    Row("EBADF", (114, 130)),
    Row("ECHILD", (128, 129)),
    Row("EAGAIN", (89, 164, 215)),
    Row("ENOMEM", (7, 9)),
    Row("EACCES", (16, 20, 21, 22, *range(24, 29), 34, 35, 36, 65, 82, 83, 108, 132, 158, 167)),
    Row("EILSEQ", (1113,)),
)

_WIN32: Mapping[int, Row] = {code: row for row in REST + TABLE for code in row.win32}
_NTSTATUS: Mapping[int, Row] = {code: row for row in TABLE for code in row.ntstatus}


def translate(domain: Domain, code: int, operation: Kind | None = None, *, nonblocking: bool = False) -> Outcome:
    """What ``code`` means for ``operation`` (None: unknown).  The same on every OS, but for the numbers of the errnos.

    ``nonblocking``: the call was an attempt that was not to block.  A code that the table does not have means what
    CPython would make of it: Winsock's numbers (10000..11999) stand for themselves, all others are EINVAL.
    Raises ValueError for a negative errno or winerror; an NTSTATUS may be given signed, as ctypes does.
    """
    match Domain(domain):
        case Domain.ERRNO:
            return _errno(code, operation)
        case Domain.WIN32:
            return _win32(code, operation, nonblocking)
        case Domain.NTSTATUS:
            return _ntstatus(code & 0xFFFF_FFFF, operation)


def system_error(
    domain: Domain, code: int, operation: Kind | None = None, key: int = 0, *, nonblocking: bool = False
) -> OSError:
    """The error that ``code`` is: the right subclass of OSError, with the canonical errno.

    The system's own code stays readable, in the message and as the attribute ``winerror`` or ``ntstatus``.  Raises
    ValueError for a code that is no error in ``operation``.
    """
    outcome = translate(domain, code, operation, nonblocking=nonblocking)
    what = operation.name.lower() if operation is not None else "operation"
    if outcome.errno == 0:
        raise ValueError(f"{domain} {code:#x} is no error in {what} ({outcome}); ask translate() first")
    # Not OSError's form with four arguments: on Windows it computes errno, and with it the class, from winerror.
    if domain == Domain.ERRNO:
        return operation_error(outcome.errno, what, key)
    name, shown = ("winerror", str(code)) if domain == Domain.WIN32 else ("ntstatus", f"{code & 0xFFFF_FFFF:#010x}")
    error = operation_error(outcome.errno, f"{what} ({name} {shown})", key)
    # winerror is a member of OSError on Windows, where str(error) begins with it; a plain attribute elsewhere.
    setattr(error, name, int(shown, 0))
    return error


def _errno(code: int, operation: Kind | None) -> Outcome:
    if code < 0:
        raise ValueError(f"errno {code}: an errno is positive; the kernel's -errno is negated by its caller")
    if code == getattr(errno, "ETIME", None) and operation is Kind.TIMEOUT:
        return Outcome(0)  # io_uring's way to say that the time has come
    return Outcome(errno.EAGAIN if code == errno.EWOULDBLOCK else code)  # two numbers on Windows


def _win32(code: int, operation: Kind | None, nonblocking: bool) -> Outcome:
    if code < 0:
        raise ValueError(f"winerror {code}: a winerror is a DWORD, never negative")
    if code >> 16 == 0x8007:  # HRESULT_FROM_WIN32
        code &= 0xFFFF
    if nonblocking and code == 232:
        return Outcome(errno.EAGAIN)
    row = _WIN32.get(code)
    if row is not None:
        return _meaning(row, operation)
    return Outcome(code if 10000 <= code < 12000 else errno.EINVAL)


def _ntstatus(code: int, operation: Kind | None) -> Outcome:
    row = _NTSTATUS.get(code)
    if row is not None:
        return _meaning(row, operation)
    if code >> 16 in (0x8007, 0xC001, 0xC007):  # a winerror in an NTSTATUS's clothes
        return _win32(code & 0xFFFF, operation, nonblocking=False)
    failed = code >> 31  # severity: success 0 and information 1, warning 2 and error 3
    return Outcome(errno.EINVAL if failed else 0)


def _meaning(row: Row, operation: Kind | None) -> Outcome:
    meaning = row.instead if operation in row.during else row.meaning
    if meaning == EOF:
        return Outcome(0, eof=True)
    if meaning in (SUCCESS, TRUNCATED):
        return Outcome(0, truncated=meaning == TRUNCATED)
    return Outcome(getattr(errno, meaning, errno.EINVAL))  # no platform has every symbol
