"""Checked arguments: what passes, and which exception names what does not."""

from __future__ import annotations

import io
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest

from compl_core import Interest, arguments


def test_descriptor_of_an_int_and_of_an_object() -> None:
    with socket.socket() as sock:
        assert arguments.descriptor(sock) == arguments.descriptor(sock.fileno()) == sock.fileno()
    assert arguments.descriptor(sock) == -1
    assert arguments.descriptor(-7) == -1


def test_descriptor_of_a_closed_io_object(tmp_path: Any) -> None:
    with (tmp_path / "file").open("wb") as file:
        pass
    assert arguments.descriptor(file) == -1


class Odd:
    def fileno(self) -> Any:
        return "7"


@pytest.mark.parametrize("file", [None, "7", True, 1.5, io.BytesIO(), Odd()])
def test_what_is_no_file(file: object) -> None:
    with pytest.raises(TypeError, match=r"fileno\(\)|descriptor"):
        arguments.descriptor(file)


@pytest.mark.parametrize("value", [0, 1, 2**64 - 1])
def test_unsigned(value: int) -> None:
    assert arguments.unsigned(value, 64, "a key") == value


@pytest.mark.parametrize(
    ("value", "error"),
    [(-1, OverflowError), (2**64, OverflowError), (True, TypeError), (1.0, TypeError), ("1", TypeError)],
)
def test_not_unsigned(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        arguments.unsigned(value, 64, "a key")


@pytest.mark.parametrize(("value", "wanted"), [(0, 0.0), (1.5, 1.5), (math.inf, math.inf), (10**400, math.inf)])
def test_seconds(value: float, wanted: float) -> None:
    assert arguments.seconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "error"), [(-0.1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError)]
)
def test_no_seconds(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        arguments.seconds(value)


def test_interest() -> None:
    assert arguments.interest(3, none=False) == Interest.READABLE | Interest.WRITABLE
    assert arguments.interest(Interest.NONE, none=True) == Interest.NONE
    with pytest.raises(ValueError, match="never complete"):
        arguments.interest(Interest.NONE, none=False)
    with pytest.raises(ValueError, match="always reported"):
        arguments.interest(Interest.ERROR, none=True)
    with pytest.raises(TypeError):
        arguments.interest("READABLE", none=True)


@pytest.mark.parametrize(
    ("check", "value", "error"),
    [
        (arguments.offset, -1, ValueError),
        (arguments.offset, 2**63, OverflowError),
        (arguments.offset, 1.5, TypeError),
        (arguments.flags, -1, OverflowError),
        (arguments.flags, 2**31, OverflowError),
        (arguments.flags, None, TypeError),
        (arguments.several, [], ValueError),
        (arguments.several, [b""] * 1025, ValueError),
        (arguments.several, b"one", TypeError),
    ],
)
def test_refused(check: Callable[[Any], object], value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(value)


def test_accepted() -> None:
    assert arguments.offset(None) is None
    assert arguments.offset(2**63 - 1) == 2**63 - 1
    assert arguments.flags(0) == 0
    assert len(arguments.several([b""] * 1024)) == 1024
