"""Which kind of file a number is, and which file."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from compl_example.checks import number
from compl_example.nature import Nature, identity, nature_of


def test_socket() -> None:
    with socket.socket() as sock:
        was = sock.fileno()
        assert nature_of(was) is Nature.SOCKET
    assert nature_of(was) is None


def test_socket_of_any_family() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        assert nature_of(sock.fileno()) is Nature.SOCKET


def test_regular_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert nature_of(number(file)) is Nature.STORAGE


def test_pipe() -> None:
    reading, writing = os.pipe()
    with io.FileIO(reading, "rb") as reader, io.FileIO(writing, "wb") as writer:
        natures = {nature_of(number(reader)), nature_of(number(writer))}
    assert natures == {Nature.STORAGE if sys.platform == "win32" else Nature.STREAM}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' null device is a device like any other")
def test_the_null_device_is_always_ready() -> None:
    with io.FileIO(os.devnull) as file:
        assert nature_of(file.fileno()) is Nature.STORAGE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells a program nothing that tells HANDLEs apart")
def test_identity_outlives_no_file(tmp_path: Path) -> None:
    first = os.open(tmp_path / "first", os.O_CREAT | os.O_RDWR)
    before = identity(first)
    os.close(first)
    assert identity(first) is None
    second = os.open(tmp_path / "second", os.O_CREAT | os.O_RDWR)
    try:
        assert second == first, "the number is reused"
        assert identity(second) != before
    finally:
        os.close(second)


@pytest.mark.parametrize("no_file", ["file", None, 1.5, True, io.BytesIO()])
def test_what_is_no_file(no_file: object) -> None:
    with pytest.raises(TypeError):
        number(no_file)


def test_a_closed_file_has_no_number(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        pass
    assert number(file) == -1
    assert identity(-1) is None
