"""Windows' numbers: as mingw-w64's headers have them, and as Python does where it knows them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from compl_iocp import constants
from compl_iocp.constants import AfdEvents, CompletionModes, Status, TransmitFlags, WinError

COMPILER = "x86_64-w64-mingw32-gcc"

ERRORS = WinError.__members__
#: Which macro of the headers each number is; what no header has (AFD, some classes and status codes) is left out.
MACROS = {
    **{f"FILE_{mode.name}": int(mode) for mode in CompletionModes},
    **{f"TF_{flag.name}": int(flag) for flag in TransmitFlags},
    **{name if name.startswith(("WAIT_", "WSAE")) else f"ERROR_{name}": int(code) for name, code in ERRORS.items()},
    **{f"STATUS_{name}": int(Status[name]) for name in ("PENDING", "INVALID_HANDLE", "INVALID_PARAMETER", "TIMEOUT")},
    "INFINITE": constants.INFINITE,
    "FILE_FLAG_OVERLAPPED": constants.FILE_FLAG_OVERLAPPED,
    "SIO_GET_EXTENSION_FUNCTION_POINTER": constants.SIO_GET_EXTENSION_FUNCTION_POINTER,
    "SIO_BASE_HANDLE": constants.SIO_BASE_HANDLE,
    "SIO_BSP_HANDLE": constants.SIO_BSP_HANDLE,
    "SIO_BSP_HANDLE_SELECT": constants.SIO_BSP_HANDLE_SELECT,
    "SIO_BSP_HANDLE_POLL": constants.SIO_BSP_HANDLE_POLL,
    "SO_UPDATE_ACCEPT_CONTEXT": constants.SO_UPDATE_ACCEPT_CONTEXT,
    "SO_UPDATE_CONNECT_CONTEXT": constants.SO_UPDATE_CONNECT_CONTEXT,
    "SO_CONNECT_TIME": constants.SO_CONNECT_TIME,
}


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER} (apt-get install gcc-mingw-w64-x86-64)")
def test_the_headers_of_mingw(tmp_path: Path) -> None:
    """A number that differs is an array of negative size."""
    lines = ["#include <winsock2.h>", "#include <mswsock.h>", "#include <windows.h>", "#include <winternl.h>"]
    absent = tmp_path / "absent.c"
    absent.write_text("\n".join([*lines, *(f"#ifndef {name}\nabsent {name}\n#endif" for name in MACROS)]))
    preprocessed = subprocess.run(
        [COMPILER, "-D_WIN32_WINNT=0x0A00", "-E", str(absent)], capture_output=True, text=True, check=True
    )
    unknown = set(re.findall(r"^absent (\w+)$", preprocessed.stdout, re.MULTILINE))
    assert unknown <= {"SIO_BSP_HANDLE_SELECT"}, "mingw-w64 10 has all but this"
    lines += [
        f"char {name.lower()}_differs[(unsigned)({name}) == {number}u ? 1 : -1];"
        for name, number in MACROS.items()
        if name not in unknown
    ]
    source = tmp_path / "numbers.c"
    source.write_text("\n".join(lines))
    built = subprocess.run(
        [COMPILER, "-D_WIN32_WINNT=0x0A00", "-c", str(source), "-o", str(tmp_path / "numbers.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr


def test_afd_events_are_one_bit_each() -> None:
    bits = [int(event) for event in AfdEvents if event]
    assert len(bits) == len(AfdEvents.__members__) - 1  # NONE
    assert all(bit & (bit - 1) == 0 for bit in bits)


def test_unknown_afd_events_survive() -> None:
    assert int(AfdEvents(0x8001)) == 0x8001


def test_select_handles_are_one_family() -> None:
    """_WSAIOR(IOC_WS2, 27..29 and 34), ws2def.h."""
    codes = [constants.SIO_BSP_HANDLE, constants.SIO_BSP_HANDLE_SELECT, constants.SIO_BSP_HANDLE_POLL]
    assert [code - 0x48000000 for code in codes] == [27, 28, 29]
    assert constants.SIO_BASE_HANDLE - 0x48000000 == 34
