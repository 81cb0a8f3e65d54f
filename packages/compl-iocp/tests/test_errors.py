"""What a failed Windows call is raised as: the errno of the one table, Windows' own code, the call, what to do."""

from __future__ import annotations

import errno
import itertools

import pytest

from compl_core import error_table
from compl_core.error_table import Domain, translate
from compl_iocp.constants import Status, WinError
from compl_iocp.entry import OverlappedEntry
from compl_iocp.errors import (
    HINTS,
    NOT_OPEN,
    NOT_OVERLAPPED,
    TAKEN,
    WRONG_KIND,
    associate_error,
    call_error,
    status_error,
)


@pytest.mark.parametrize(
    ("code", "is_open", "is_file", "overlapped", "number", "hint"),
    [
        (6, False, False, True, errno.EBADF, NOT_OPEN),
        (6, True, False, True, errno.EBADF, WRONG_KIND),
        (87, True, False, True, errno.EINVAL, WRONG_KIND),
        (87, True, True, False, errno.EINVAL, NOT_OVERLAPPED),
        (87, True, True, True, errno.EINVAL, TAKEN),
    ],
)
def test_each_mistake_with_a_handle_is_told_apart(
    code: int, is_open: bool, is_file: bool, overlapped: bool, number: int, hint: str
) -> None:
    error = associate_error(code, 0x74, is_open=is_open, is_file=is_file, overlapped=overlapped)
    assert (error.errno, error.winerror if hasattr(error, "winerror") else None) == (number, code)
    assert "CreateIoCompletionPort of handle 0x74: " in str(error)
    assert str(error).endswith(hint)


def test_hints_of_handles_differ() -> None:
    assert len({NOT_OPEN, WRONG_KIND, NOT_OVERLAPPED, TAKEN}) == 4


def test_another_failure_to_associate_keeps_its_own_hint() -> None:
    error = associate_error(1450, 0x74, is_open=True, is_file=True, overlapped=True)
    assert error.errno == errno.ENOMEM
    assert HINTS["CreateIoCompletionPort", 1450] in str(error)


@pytest.mark.parametrize(("call", "code"), [*HINTS])
def test_every_hint_is_of_a_failure(call: str, code: int) -> None:
    error = call_error(call, code, "handle 0x74")
    assert isinstance(error, OSError)
    assert error.errno == translate(Domain.WIN32, code).errno
    assert HINTS[call, code] in str(error)
    assert call in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (6, OSError),
        (5, PermissionError),
        (2, FileNotFoundError),
        (10054, ConnectionResetError),
        (10061, ConnectionRefusedError),
    ],
)
def test_the_class_that_python_has_for_it(code: int, kind: type[OSError]) -> None:
    assert type(call_error("WSARecv", code)) is kind


@pytest.mark.parametrize("code", [0, 258, 997])
def test_no_failure_is_not_raised(code: int) -> None:
    with pytest.raises(ValueError, match="no failure"):
        call_error("GetQueuedCompletionStatusEx", code)


def test_a_status_may_be_signed() -> None:
    error = status_error("IOCTL_AFD_POLL", -1073741816, "socket 0x74")
    assert error.errno == errno.EBADF
    assert error.ntstatus == Status.INVALID_HANDLE  # type: ignore[attr-defined]
    assert "ntstatus 0xc0000008 INVALID_HANDLE" in str(error)


def test_a_status_without_a_name_here() -> None:
    assert "ntstatus 0xc0000022)" in str(status_error("NtCreateFile", 0xC0000022))


# ---- packets --------------------------------------------------------------------------------------------------------


def test_a_posted_packet_is_no_failure() -> None:
    assert OverlappedEntry(2**64 - 1, 2**32 - 1).error is None


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.BUFFER_OVERFLOW, Status.END_OF_FILE, Status.TIMEOUT])
def test_what_is_no_failure(status: Status) -> None:
    assert OverlappedEntry(1, 0, 0x1000, status).error is None


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.HANDLES_CLOSED])
def test_cancelled_whether_by_a_call_or_by_closing(status: Status) -> None:
    """Windows says CANCELLED of a handle that was closed under its operation, Wine HANDLES_CLOSED."""
    error = OverlappedEntry(0x11, 0, 0x1000, status).error
    assert error is not None
    assert error.errno == errno.ECANCELED
    assert "key 0x11" in str(error)


# ---- the table, as far as completion packets and the calls of this package meet it ----------------------------------


@pytest.mark.parametrize("status", [*Status])
def test_the_names_here_are_in_the_table(status: Status) -> None:
    known = {code for row in error_table.TABLE for code in row.ntstatus}
    # Answers to this package's own questions, which no operation completes with.
    internal = {Status.INVALID_INFO_CLASS, Status.NOT_FOUND}
    assert (status in known) is (status not in internal)


@pytest.mark.parametrize("code", [code for row in error_table.TABLE for code in row.win32])
def test_every_winerror_of_the_table_can_be_raised_or_is_success(code: int) -> None:
    outcome = translate(Domain.WIN32, code)
    if outcome.errno == 0:
        with pytest.raises(ValueError, match="no failure"):
            call_error("ReadFile", code)
        return
    error = call_error("ReadFile", code, "handle 0x74")
    assert error.errno == outcome.errno
    assert error.winerror == code  # type: ignore[attr-defined,unused-ignore]


@pytest.mark.parametrize("status", [code for row in error_table.TABLE for code in row.ntstatus])
def test_every_status_of_the_table_in_a_packet(status: int) -> None:
    error = OverlappedEntry(1, 0, 0x1000, status).error
    assert (error.errno if error else 0) == translate(Domain.NTSTATUS, status).errno


def test_both_domains_agree() -> None:
    """RtlNtStatusToDosError: what a packet says and what WSAGetOverlappedResult says of it come to one errno."""
    for status, code in itertools.chain(
        [(0xC0000120, 995), (0x8000000A, 676), (0xC0000236, 1225), (0xC000020D, 64), (0xC0000008, 6)],
        [(0xC000013C, 10054), (0xC00000B5, 121), (0xC0000141, 1228), (0xC000023C, 1231)],
    ):
        assert translate(Domain.NTSTATUS, status).errno == translate(Domain.WIN32, code).errno, (hex(status), code)


def test_winerror_names() -> None:
    assert {name: int(WinError[name]) for name in ("OPERATION_ABORTED", "NETNAME_DELETED", "ABANDONED_WAIT_0")} == {
        "OPERATION_ABORTED": 995,
        "NETNAME_DELETED": 64,
        "ABANDONED_WAIT_0": 735,
    }
