"""The contract's exceptions: their builtin bases, errno and messages."""

from __future__ import annotations

import errno
import os
import pickle

import pytest

from compl_core import (
    AlreadyRegistered,
    BackendUnavailable,
    Capability,
    ForkedPortError,
    NotRegistered,
    NotSupported,
    OperationCancelled,
    PortClosedError,
)
from compl_core import errors as table


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (PortClosedError, ValueError),
        (ForkedPortError, RuntimeError),
        (AlreadyRegistered, FileExistsError),
        (NotRegistered, FileNotFoundError),
        (OperationCancelled, OSError),
        (NotSupported, OSError),
        (BackendUnavailable, OSError),
    ],
)
def test_each_is_the_builtin_that_a_caller_would_expect(kind: type[Exception], base: type[Exception]) -> None:
    assert kind.__bases__ == (base,)


@pytest.mark.parametrize(
    ("error", "number", "parts"),
    [
        (table.already_registered("epoll", 7, 0x11), errno.EEXIST, ["epoll port", "fd 7", "0x11", "modify()"]),
        (table.not_registered("aio", 7, "modify"), errno.ENOENT, ["aio port", "modify()", "fd 7", "register() it"]),
        (table.bad_descriptor("uring", -1, "register"), errno.EBADF, ["uring port", "register()", "fd -1", "open"]),
        (table.always_ready("epoll", 5, "register"), errno.EPERM, ["epoll port", "fd 5", "Interest.NONE"]),
    ],
)
def test_a_message_says_who_where_and_what_to_do(error: OSError, number: int, parts: list[str]) -> None:
    assert error.errno == number
    assert str(error).startswith(f"[Errno {number}] {os.strerror(number)}: ")
    assert [part for part in parts if part not in str(error)] == []


def test_the_classes_that_the_message_makers_give() -> None:
    assert type(table.already_registered("epoll", 7, 1)) is AlreadyRegistered
    assert type(table.not_registered("epoll", 7, "modify")) is NotRegistered
    assert type(table.bad_descriptor("epoll", 7, "modify")) is OSError
    assert type(table.always_ready("epoll", 7, "modify")) is PermissionError


def test_a_closed_port_says_so() -> None:
    error = table.closed_port("epoll", "wait")
    assert type(error) is PortClosedError
    assert str(error) == "epoll port: wait(): the port is closed; open a new one"


def test_a_forked_port_names_both_processes() -> None:
    error = table.forked_port("epoll", "wait", 4711)
    assert type(error) is ForkedPortError
    assert "process 4711" in str(error)
    assert f"child {os.getpid()}" in str(error)


def test_not_supported_carries_the_capability() -> None:
    error = NotSupported(Capability.DATAGRAM, "mine", "recv_from")
    assert (error.errno, error.capability, error.port, error.method) == (
        errno.ENOTSUP,
        Capability.DATAGRAM,
        "mine",
        "recv_from",
    )
    assert "mine port: recv_from() needs Capability.DATAGRAM" in str(error)


def test_backend_unavailable_carries_reason_and_fix() -> None:
    error = BackendUnavailable("uring", "io_uring_setup: EPERM", "use compl-epoll", errno.EPERM)
    assert (error.name, error.reason, error.fix) == ("uring", "io_uring_setup: EPERM", "use compl-epoll")
    assert str(error) == f"[Errno {errno.EPERM}] uring: io_uring_setup: EPERM; use compl-epoll"
    assert str(BackendUnavailable("mine", "why")) == f"[Errno {errno.ENOSYS}] mine: why"


@pytest.mark.parametrize(
    "error",
    [
        NotSupported(Capability.POLLABLE, "mine", "fileno"),
        BackendUnavailable("uring", "why", "what", errno.EPERM),
        BackendUnavailable("uring", "why"),
        table.already_registered("epoll", 7, 1),
        table.operation_error(errno.ECANCELED, "recv", 1),
    ],
)
def test_errors_survive_pickling(error: OSError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.errno, vars(copy)) == (str(error), error.errno, vars(error))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ECANCELED, OperationCancelled),
        (errno.ECONNREFUSED, ConnectionRefusedError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.ENOTSOCK, OSError),
    ],
)
def test_operation_error_has_the_class_of_its_errno(number: int, expected: type[OSError]) -> None:
    error = table.operation_error(number, "connect", 0x2A)
    assert type(error) is expected
    assert error.errno == number
    assert str(error).endswith(": connect on key 0x2a")


def test_a_number_that_the_system_has_no_words_for_is_given_by_its_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "strerror", lambda number: "Unknown error")  # Windows, for its socket numbers
    monkeypatch.setitem(errno.errorcode, errno.ECONNRESET, "WSAECONNRESET")
    assert table.describe(errno.ECONNRESET) == "ECONNRESET"
    assert str(table.operation_error(errno.ECONNRESET, "recv", 1)).endswith("] ECONNRESET: recv on key 0x1")
    assert table.describe(999_999) == "Unknown error"
