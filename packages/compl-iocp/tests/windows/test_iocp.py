"""The completion port as it is: made, given handles, posted to, looked into, closed."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import socket
import time
import weakref
from pathlib import Path

import pytest

from compl_iocp import Iocp, OverlappedEntry
from compl_iocp.constants import WinError
from compl_iocp.errors import NOT_OPEN, NOT_OVERLAPPED, TAKEN, WRONG_KIND

KERNEL32 = ctypes.WinDLL("kernel32", use_last_error=True)
KERNEL32.CreateEventW.restype = ctypes.c_void_p
KERNEL32.CreateFileMappingW.restype = ctypes.c_void_p


# ---- made -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [0, 1, 2, 64, 2**32 - 1])
def test_any_concurrency(concurrency: int) -> None:
    with Iocp(concurrency) as port:
        assert port.fileno() > 0
        assert port.status() == (0, 0)


@pytest.mark.parametrize(
    ("concurrency", "kind"), [(-1, OverflowError), (2**32, OverflowError), (1.0, TypeError), (True, TypeError)]
)
def test_no_such_concurrency(concurrency: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="concurrency"):
        Iocp(concurrency)  # type: ignore[arg-type]


def test_two_ports_are_two(iocp: Iocp) -> None:
    with Iocp() as other:
        assert other.fileno() != iocp.fileno()
        iocp.post(1)
        assert other.status() == (0, 0)
        assert iocp.status() == (1, 0)


# ---- handles --------------------------------------------------------------------------------------------------------


def refusal(port: Iocp, handle: object) -> tuple[int | None, int, str]:
    with pytest.raises(OSError) as caught:
        port.associate(handle, 1)  # type: ignore[arg-type]
    assert "CreateIoCompletionPort" in str(caught.value) or "Iocp.associate" in str(caught.value)
    return caught.value.errno, caught.value.winerror, str(caught.value).rpartition("; ")[2]


@pytest.mark.parametrize("handle", [0, -1, 2**64 - 1, 0x7FFFFFF0])
def test_an_invalid_handle(iocp: Iocp, handle: int) -> None:
    assert refusal(iocp, handle) == (errno.EBADF, WinError.INVALID_HANDLE, NOT_OPEN)


def test_a_handle_of_another_kind(iocp: Iocp) -> None:
    """An event, and a file mapping: nothing on them is ever in flight."""
    nothing, read_and_write = ctypes.c_void_p(-1), 4
    event = KERNEL32.CreateEventW(None, True, False, None)
    mapping = KERNEL32.CreateFileMappingW(nothing, None, read_and_write, 0, 4096, None)
    for handle in (event, mapping, iocp.fileno()):
        assert refusal(iocp, handle)[2] == WRONG_KIND
    for handle in (event, mapping):
        KERNEL32.CloseHandle(ctypes.c_void_p(handle))


def test_a_closed_socket(iocp: Iocp) -> None:
    sock = socket.socket()
    number = sock.fileno()
    sock.close()
    assert refusal(iocp, sock)[:2] == (errno.EBADF, WinError.INVALID_HANDLE)
    assert refusal(iocp, number) == (errno.EBADF, WinError.INVALID_HANDLE, NOT_OPEN)


def test_a_file_opened_as_python_opens_files(iocp: Iocp, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert refusal(iocp, file) == (errno.EINVAL, WinError.INVALID_PARAMETER, NOT_OVERLAPPED)
    assert refusal(iocp, file)[:2] == (errno.EBADF, WinError.INVALID_HANDLE)  # closed


def test_an_anonymous_pipe(iocp: Iocp) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as readable, os.fdopen(writer, "wb"):
        assert refusal(iocp, readable) == (errno.EINVAL, WinError.INVALID_PARAMETER, NOT_OVERLAPPED)


def test_associated_already(iocp: Iocp, tcp: tuple[socket.socket, socket.socket]) -> None:
    iocp.associate(tcp[0], 1)
    taken = (errno.EINVAL, WinError.INVALID_PARAMETER, TAKEN)
    assert refusal(iocp, tcp[0]) == taken
    with Iocp() as other:
        assert refusal(other, tcp[0]) == taken
        other.associate(tcp[1], 2)


def test_associated_until_it_is_closed(overlapped_file: int) -> None:
    with Iocp() as first:
        first.associate(overlapped_file, 1)
    with Iocp() as second:
        assert refusal(second, overlapped_file)[2] == TAKEN


@pytest.mark.parametrize("handle", [None, "7", 7.0, True, object()])
def test_no_handle_at_all(iocp: Iocp, handle: object) -> None:
    with pytest.raises(TypeError, match=r"Iocp\.associate\(\): a handle must be an int or an object with fileno"):
        iocp.associate(handle, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "kind"), [(-1, OverflowError), (2**64, OverflowError), (1.0, TypeError), (True, TypeError)]
)
def test_keys_are_u64(iocp: Iocp, key: object, kind: type[Exception]) -> None:
    with socket.socket() as sock:
        with pytest.raises(kind, match="key"):
            iocp.associate(sock, key)  # type: ignore[arg-type]
        with pytest.raises(kind, match="key"):
            iocp.post(key)  # type: ignore[arg-type]
        iocp.associate(sock, 2**64 - 1)  # nothing was done before


# ---- packets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [0, 1, 2**31, 2**32, 2**63, 2**64 - 1])
@pytest.mark.parametrize("nbytes", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("overlapped", [0, 1, 2**64 - 1])
def test_a_post_comes_back_as_it_is(iocp: Iocp, key: int, nbytes: int, overlapped: int) -> None:
    iocp.post(key, nbytes, overlapped)
    (entry,) = iocp.get_many()
    assert entry == OverlappedEntry(key, nbytes, overlapped, 0)
    assert isinstance(entry, OverlappedEntry)
    assert entry.error is None


@pytest.mark.parametrize("value", [-1, 2**64, 1.5, None])
def test_what_cannot_be_posted(iocp: Iocp, value: object) -> None:
    with pytest.raises((OverflowError, TypeError), match=r"Iocp\.post"):
        iocp.post(1, value)  # type: ignore[arg-type]
    with pytest.raises((OverflowError, TypeError), match=r"Iocp\.post"):
        iocp.post(1, 0, value)  # type: ignore[arg-type]
    assert iocp.status() == (0, 0)


def test_first_in_first_out_in_batches(iocp: Iocp) -> None:
    for number in range(10):
        iocp.post(number)
    batches = [[entry.key for entry in iocp.get_many(4)] for _ in range(3)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_more_than_fit_the_stack(iocp: Iocp) -> None:
    for number in range(1000):
        iocp.post(number, number)
    entries = iocp.get_many(5000)
    assert [(entry.key, entry.nbytes) for entry in entries] == [(number, number) for number in range(1000)]


@pytest.mark.parametrize(("room", "kind"), [(0, ValueError), (-1, ValueError), (2**24, ValueError), (1.0, TypeError)])
def test_no_such_room(iocp: Iocp, room: object, kind: type[Exception]) -> None:
    """0 is caught here: Wine takes a packet, and tells of it in memory that nobody gave."""
    iocp.post(1)
    with pytest.raises(kind, match="max_entries"):
        iocp.get_many(room)  # type: ignore[arg-type]
    assert iocp.status() == (1, 0)


def test_status_counts_and_clears(iocp: Iocp) -> None:
    assert iocp.status() == (0, 0)
    iocp.post(1)
    assert iocp.status() == (1, 0)  # as in the problem's example
    assert iocp.status() == (0, 0)
    for number in range(200):
        iocp.post(number, 10)
    assert iocp.status() == (200, 2000)
    assert iocp.get_many(timeout=0) == []


def test_status_sums_beyond_32_bits(iocp: Iocp) -> None:
    for _ in range(3):
        iocp.post(0, 2**32 - 1)
    assert iocp.status() == (3, 3 * (2**32 - 1))


# ---- time -----------------------------------------------------------------------------------------------------------


def test_nothing_in_time(iocp: Iocp) -> None:
    before = time.monotonic()
    assert iocp.get_many(timeout=0.05) == []
    assert iocp.status(0.05) == (0, 0)
    assert 0.1 <= time.monotonic() - before < 20


def test_a_timeout_is_not_rounded_to_none(iocp: Iocp) -> None:
    before = time.monotonic_ns()
    assert iocp.get_many(timeout=1e-6) == []
    assert time.monotonic_ns() - before >= 1000


@pytest.mark.parametrize(("timeout", "kind"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_no_such_timeout(iocp: Iocp, timeout: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="timeout"):
        iocp.status(timeout)  # type: ignore[arg-type]
    with pytest.raises(kind, match="timeout"):
        iocp.get_many(timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [1e9, float("inf"), None])
def test_what_is_there_is_not_waited_for(iocp: Iocp, timeout: float | None) -> None:
    iocp.post(7)
    assert [entry.key for entry in iocp.get_many(timeout=timeout)] == [7]


# ---- the end --------------------------------------------------------------------------------------------------------


def test_closed_is_said_by_every_call() -> None:
    port = Iocp()
    assert not port.closed
    port.close()
    port.close()
    assert port.closed
    calls = [port.fileno, port.status, port.get_many, port.__enter__]
    for call in [*calls, lambda: port.post(1), lambda: port.associate(7, 1)]:
        with pytest.raises(ValueError, match="the completion port is closed"):
            call()


def test_the_handle_goes_with_the_object() -> None:
    for dropped in (Iocp(), Iocp()):
        number, gone = dropped.fileno(), weakref.ref(dropped)
        assert KERNEL32.GetHandleInformation(ctypes.c_void_p(number), ctypes.byref(ctypes.c_ulong()))
    with Iocp() as closed:
        number = closed.fileno()
    assert not KERNEL32.GetHandleInformation(ctypes.c_void_p(number), ctypes.byref(ctypes.c_ulong()))
    del dropped
    gc.collect()
    assert gone() is None


def test_closed_behind_its_back() -> None:
    """The handle's number is another's, or nobody's: the call says what it asked for."""
    port = Iocp()
    KERNEL32.CloseHandle(ctypes.c_void_p(port.fileno()))
    with pytest.raises(OSError, match="closed behind its back") as caught:
        port.post(1)
    assert (caught.value.errno, caught.value.winerror) == (errno.EBADF, WinError.INVALID_HANDLE)
    with pytest.raises(OSError, match="GetQueuedCompletionStatusEx"):
        port.get_many(timeout=0)
    port.close()
