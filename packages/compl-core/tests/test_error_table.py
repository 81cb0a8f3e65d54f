"""The whole table, code by code, stated a second time; it holds on every OS."""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Iterator

import pytest

from compl_core import Kind, OperationCancelled
from compl_core.error_table import REST, TABLE, Domain, Outcome, system_error, translate

EVERY_KIND: tuple[Kind | None, ...] = (None, *Kind)
READING = (Kind.READ, Kind.RECV, Kind.RECV_FROM)
WRITING = (Kind.WRITE, Kind.SEND, Kind.SEND_TO)

#: Codes that mean the same in every operation.
WIN32 = {
    "success": [0, 258, 997],
    "E2BIG": [10],
    "EACCES": [5, 16, 19, 20, 21, 22, 24, 25, 26, 27, 28, 32, 33, 34, 35, 36, 65, 82, 83, 108, 132, 158, 167, 10013],
    "EADDRINUSE": [52, 1227, 10048],
    "EADDRNOTAVAIL": [1228, 10049],
    "EAFNOSUPPORT": [10047],
    "EAGAIN": [89, 164, 215, 996, 10035],
    "EALREADY": [10037],
    "EBADF": [6, 114, 130, 10009],
    "ECANCELED": [676, 995, 1235, 10004, 10103, 10111],
    "ECHILD": [128, 129],
    "ECONNABORTED": [1236, 10053],
    "ECONNREFUSED": [1225, 1234, 10061],
    "ECONNRESET": [64, 10052, 10054],
    "EDESTADDRREQ": [10039],
    "EEXIST": [80, 183],
    "EFAULT": [998, 10014],
    "EHOSTDOWN": [10064],
    "EHOSTUNREACH": [1232, 10065],
    "EILSEQ": [1113],
    "EINPROGRESS": [10036],
    "EINVAL": [1, 87, 131, 10022],
    "EIO": [23, 29, 30, 31, 1117],
    "EISCONN": [1230, 10056],
    "EMFILE": [4, 10024],
    "EMSGSIZE": [122],
    "ENETDOWN": [10050],
    "ENETUNREACH": [1231, 10051],
    "ENOBUFS": [10055],
    "ENOENT": [2, 3, 15, 18, 53, 67, 123, 161, 206],
    "ENOEXEC": [11, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202],
    "ENOMEM": [7, 9],
    "ENOPROTOOPT": [10042],
    "ENOSPC": [39, 112],
    "ENOTCONN": [1229, 2250, 10057],
    "ENOTDIR": [267],
    "ENOTEMPTY": [145, 10066],
    "ENOTSOCK": [10038],
    "EOPNOTSUPP": [50, 10045],
    "EPERM": [1314],
    "EPFNOSUPPORT": [10046],
    "EPIPE": [10058],
    "EPROTONOSUPPORT": [10043],
    "EPROTOTYPE": [10041],
    "ESOCKTNOSUPPORT": [10044],
    "ETIMEDOUT": [121, 1460, 10060],
    "EXDEV": [17],
}
NTSTATUS = {
    "success": [0x00000000, 0x00000102, 0x00000103],
    "EACCES": [0xC0000022, 0xC0000043, 0xC0000054, 0xC00000A2],
    "EADDRINUSE": [0xC000020A],
    "EADDRNOTAVAIL": [0xC0000141],
    "EAGAIN": [0xC00000A3, 0xC00000D9],
    "EBADF": [0xC0000008],
    "ECANCELED": [0xC0000120, 0xC0000240, 0x8000000A],
    "ECONNABORTED": [0xC000013B, 0xC0000241],
    "ECONNREFUSED": [0xC0000236, 0xC000023F],
    "ECONNRESET": [0xC00000C9, 0xC000013C, 0xC000020C, 0xC000020D],
    "EEXIST": [0xC0000035],
    "EFAULT": [0xC0000005],
    "EHOSTUNREACH": [0xC000023D],
    "EINVAL": [0xC000000D, 0xC0000010],
    "EIO": [0xC000009C, 0xC0000185],
    "EISCONN": [0xC000023B],
    "EISDIR": [0xC00000BA],
    "EMFILE": [0xC000011F],
    "EMSGSIZE": [0xC0000023],
    "ENETUNREACH": [0xC000023C],
    "ENOENT": [0xC000000F, 0xC0000034, 0xC000003A],
    "ENOSPC": [0xC000007F],
    "ENOTCONN": [0xC0000140, 0xC000023A],
    "ENOTDIR": [0xC0000103],
    "ENOTEMPTY": [0xC0000101],
    "ENOTSOCK": [0xC0000024],
    "EOPNOTSUPP": [0xC0000002, 0xC00000BB],
    "EPERM": [0xC0000061],
    "ETIMEDOUT": [0xC00000B5],
    "EXDEV": [0xC00000D4],
}
#: Codes that mean one thing to a reader, another to a writer, and a third where nobody says.
WIN32_BY_DIRECTION = {
    ("eof", "ENOSPC", "eof"): [38],
    ("eof", "EPIPE", "eof"): [1226, 10101],
    ("eof", "EPIPE", "EPIPE"): [109, 232, 233],
    ("truncated", "EMSGSIZE", "truncated"): [234],
    ("truncated", "EMSGSIZE", "EMSGSIZE"): [10040],
}
NTSTATUS_BY_DIRECTION = {
    ("eof", "ENOSPC", "eof"): [0xC0000011],
    ("eof", "EPIPE", "eof"): [0xC0000237],
    ("eof", "EPIPE", "EPIPE"): [0xC000014B, 0xC00000B0, 0xC00000B1],
    ("truncated", "EMSGSIZE", "truncated"): [0x80000005],
}
#: ENOBUFS from a socket, ENOMEM from everything else.
WIN32_MEMORY = [8, 14, 1450, 1452, 1453, 1455, 1816]
NTSTATUS_MEMORY = [0xC0000017, 0xC000009A, 0xC0000044, 0xC00000A1, 0xC000012D]


def outcome(meaning: str) -> Outcome:
    if meaning in ("success", "eof", "truncated"):
        return Outcome(0, eof=meaning == "eof", truncated=meaning == "truncated")
    return Outcome(getattr(errno, meaning, errno.EINVAL))


def every_row() -> Iterator[object]:
    for domain, same, directed in (
        (Domain.WIN32, WIN32, WIN32_BY_DIRECTION),
        (Domain.NTSTATUS, NTSTATUS, NTSTATUS_BY_DIRECTION),
    ):
        for meaning, codes in same.items():
            for code in codes:
                yield pytest.param(domain, code, (meaning,) * 3, id=f"{domain}-{code:#x}-{meaning}")
        for meanings, codes in directed.items():
            for code in codes:
                yield pytest.param(domain, code, meanings, id=f"{domain}-{code:#x}-{'-'.join(meanings)}")


@pytest.mark.parametrize(("domain", "code", "meanings"), list(every_row()))
def test_what_a_code_means(domain: Domain, code: int, meanings: tuple[str, str, str]) -> None:
    reading, writing, else_ = map(outcome, meanings)
    for kind in EVERY_KIND:
        expected = reading if kind in READING else writing if kind in WRITING else else_
        assert translate(domain, code, kind) == expected, kind


@pytest.mark.parametrize(
    ("domain", "code"),
    [(Domain.WIN32, code) for code in WIN32_MEMORY] + [(Domain.NTSTATUS, code) for code in NTSTATUS_MEMORY],
)
def test_no_memory_is_enobufs_from_a_socket(domain: Domain, code: int) -> None:
    for kind in EVERY_KIND:
        socket = kind is not None and kind.name in ("RECV", "SEND", "RECV_FROM", "SEND_TO", "ACCEPT", "CONNECT")
        assert translate(domain, code, kind) == outcome("ENOBUFS" if socket else "ENOMEM"), kind


def test_the_tables_here_and_there_have_the_same_codes() -> None:
    win32 = [code for row in TABLE + REST for code in row.win32]
    ntstatus = [code for row in TABLE for code in row.ntstatus]
    here = [code for codes in (*WIN32.values(), *WIN32_BY_DIRECTION.values(), WIN32_MEMORY) for code in codes]
    assert sorted(win32) == sorted(here)  # lists: a code that stands twice shows, too
    here = [code for codes in (*NTSTATUS.values(), *NTSTATUS_BY_DIRECTION.values(), NTSTATUS_MEMORY) for code in codes]
    assert sorted(ntstatus) == sorted(here)


def test_an_empty_pipe_is_again_for_a_nonblocking_attempt_only() -> None:
    assert translate(Domain.WIN32, 232, Kind.READ, nonblocking=True) == outcome("EAGAIN")
    assert translate(Domain.WIN32, 232, Kind.READ) == outcome("eof")
    assert translate(Domain.WIN32, 109, Kind.READ, nonblocking=True) == outcome("eof")


@pytest.mark.parametrize("code", [37, 735, 1223, 9999, 12000, 0xFFFF_FFFF])
def test_an_unmapped_winerror_is_einval_and_stays_readable(code: int) -> None:
    assert translate(Domain.WIN32, code) == outcome("EINVAL")
    error = system_error(Domain.WIN32, code, Kind.READ)
    assert vars(error).get("winerror", getattr(error, "winerror", None)) == code
    assert f"(winerror {code})" in str(error)


@pytest.mark.parametrize("code", [10000, 10091, 10093, 11001, 11999])
def test_an_unmapped_winsock_number_stands_for_itself(code: int) -> None:
    assert translate(Domain.WIN32, code, Kind.RECV) == Outcome(code)


@pytest.mark.parametrize("code", [0xC0000001, 0xC0FFEE00, 0x80000021])
def test_an_unmapped_ntstatus_is_einval_and_stays_readable(code: int) -> None:
    assert translate(Domain.NTSTATUS, code) == outcome("EINVAL")
    error = system_error(Domain.NTSTATUS, code - (1 << 32), Kind.READ)  # signed, as ctypes and Cython give it
    assert vars(error)["ntstatus"] == code
    assert f"(ntstatus {code:#010x})" in str(error)


@pytest.mark.parametrize("code", [0x00000104, 0x40000000, 0x7FFFFFFF])
def test_an_ntstatus_of_success_or_information_is_no_error(code: int) -> None:
    assert translate(Domain.NTSTATUS, code) == Outcome(0)


@pytest.mark.parametrize("facility", [0x8007, 0xC001, 0xC007])
def test_a_winerror_inside_an_ntstatus_is_taken_out(facility: int) -> None:
    assert translate(Domain.NTSTATUS, facility << 16 | 64, Kind.RECV) == outcome("ECONNRESET")


def test_a_winerror_inside_an_hresult_is_taken_out() -> None:
    assert translate(Domain.WIN32, 0x80070005) == outcome("EACCES")


def test_an_errno_is_itself() -> None:
    for code in {*errno.errorcode} - {errno.EWOULDBLOCK}:
        assert translate(Domain.ERRNO, code, Kind.RECV) == Outcome(code)
    assert translate(Domain.ERRNO, errno.EWOULDBLOCK) == Outcome(errno.EAGAIN)
    assert translate(Domain.ERRNO, 0) == Outcome(0)


@pytest.mark.skipif(not hasattr(errno, "ETIME"), reason="this system has no ETIME")
def test_etime_is_success_of_a_timeout_only() -> None:
    assert translate(Domain.ERRNO, errno.ETIME, Kind.TIMEOUT) == Outcome(0)
    assert translate(Domain.ERRNO, errno.ETIME, Kind.RECV) == Outcome(errno.ETIME)


@pytest.mark.parametrize("domain", [Domain.ERRNO, Domain.WIN32])
def test_a_negative_code_is_a_mistake(domain: Domain) -> None:
    with pytest.raises(ValueError, match="-104"):
        translate(domain, -104)


def test_an_unknown_domain_is_a_mistake() -> None:
    assert translate("win32", 64) == outcome("ECONNRESET")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hresult"):
        translate("hresult", 64)  # type: ignore[arg-type]


def test_numbers_are_this_platforms_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errno, "ECONNRESET", 10054)  # as on Windows
    assert translate(Domain.NTSTATUS, 0xC000020D) == Outcome(10054)


def test_a_symbol_that_a_platform_lacks_is_einval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(errno, "ESOCKTNOSUPPORT", raising=False)
    assert translate(Domain.WIN32, 10044) == Outcome(errno.EINVAL)


@pytest.mark.parametrize(
    ("domain", "code", "operation", "expected"),
    [
        (Domain.WIN32, 64, Kind.RECV, ConnectionResetError),
        (Domain.WIN32, 1236, Kind.RECV, ConnectionAbortedError),
        (Domain.WIN32, 1234, Kind.RECV_FROM, ConnectionRefusedError),
        (Domain.WIN32, 109, Kind.WRITE, BrokenPipeError),
        (Domain.WIN32, 121, Kind.CONNECT, TimeoutError),
        (Domain.WIN32, 5, Kind.READ, PermissionError),
        (Domain.WIN32, 2, None, FileNotFoundError),
        (Domain.WIN32, 183, None, FileExistsError),
        (Domain.WIN32, 267, None, NotADirectoryError),
        (Domain.WIN32, 995, Kind.READ, OperationCancelled),
        (Domain.WIN32, 6, Kind.READ, OSError),
        (Domain.NTSTATUS, 0xC0000120, Kind.READ, OperationCancelled),
        (Domain.NTSTATUS, 0xC00000BA, Kind.READ, IsADirectoryError),
        (Domain.NTSTATUS, 0xC000020D, Kind.SEND, ConnectionResetError),
        (Domain.ERRNO, errno.EPIPE, Kind.SEND, BrokenPipeError),
        (Domain.ERRNO, errno.ECANCELED, Kind.SEND, OperationCancelled),
    ],
)
def test_the_error_has_the_right_class_and_errno(
    domain: Domain, code: int, operation: Kind | None, expected: type[OSError]
) -> None:
    error = system_error(domain, code, operation, key=0x11)
    assert type(error) is expected
    assert error.errno == translate(domain, code, operation).errno
    assert " on key 0x11" in str(error)
    assert (operation.name.lower() if operation is not None else "operation") in str(error)


def test_the_systems_own_code_is_kept() -> None:
    error = system_error(Domain.WIN32, 64, Kind.RECV, 0x11)
    assert getattr(error, "winerror", None) == 64
    assert error.errno == errno.ECONNRESET  # not what winerror 64 would be made into: EINVAL
    assert "recv (winerror 64) on key 0x11" in str(error)
    error = system_error(Domain.NTSTATUS, 0xC000020D, Kind.RECV)
    assert vars(error)["ntstatus"] == 0xC000020D
    error = system_error(Domain.ERRNO, errno.ECONNRESET, Kind.RECV)
    assert not vars(error)


@pytest.mark.parametrize(
    ("domain", "code", "operation"),
    [(Domain.WIN32, 109, Kind.READ), (Domain.WIN32, 234, None), (Domain.WIN32, 258, None), (Domain.NTSTATUS, 0, None)],
)
def test_no_error_is_made_of_what_is_none(domain: Domain, code: int, operation: Kind | None) -> None:
    with pytest.raises(ValueError, match="is no error in"):
        system_error(domain, code, operation)


@pytest.mark.skipif(sys.platform != "win32", reason="only CPython on Windows has a map of its own to compare with")
def test_the_rest_is_what_cpython_makes_of_it() -> None:
    mapped = {code for row in TABLE for code in row.win32}
    for code in range(1, 12100):
        if code not in mapped:
            assert translate(Domain.WIN32, code).errno == OSError(0, "", None, code).errno, code


@pytest.mark.skipif(sys.platform != "win32", reason="RtlNtStatusToDosError is a function of Windows")
def test_a_status_means_what_its_winerror_means() -> None:
    to_winerror = vars(ctypes)["WinDLL"]("ntdll").RtlNtStatusToDosError
    to_winerror.argtypes, to_winerror.restype = [ctypes.c_ulong], ctypes.c_ulong
    #: Where the system's own winerror says less than the status, or of something else.
    lossy = {
        0x00000102,  # to TIMEOUT, an error
        0x8000000A,  # newer systems know it as 676, older ones not at all
        0xC0000002,  # to INVALID_FUNCTION
        0xC0000024,  # to INVALID_HANDLE
        0xC00000A3,  # to NOT_READY, of a drive
        0xC00000BA,  # to ACCESS_DENIED
        0xC00000D9,  # to NO_DATA, which means a pipe that closes, too
        0xC000013B,  # to NETNAME_DELETED
        0xC0000140,  # to UNEXP_NET_ERR
        0xC0000141,  # to UNEXP_NET_ERR
    }
    for code in {code for row in TABLE for code in row.ntstatus} - lossy:
        for kind in EVERY_KIND:
            winerror = to_winerror(code)
            expected = translate(Domain.WIN32, winerror, kind)
            assert translate(Domain.NTSTATUS, code, kind) == expected, f"{code:#x} is winerror {winerror}, {kind}"
