"""The structs as declared: against known bytes, against each other, against mingw-w64's headers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compl_core.layout import Layout, check_all
from compl_core.layout_probe import probe_source, read_probe
from compl_iocp.layouts import DECLARATIONS, HEADERS, LAYOUTS

COMPILER = "x86_64-w64-mingw32-gcc"
#: What the 64-bit compiler is to be told for each architecture: both share their headers.
OPTIONS = {"win64": "-m64", "win32": "-m32"}


def layout(architecture: str, name: str) -> Layout:
    (found,) = (each for each in LAYOUTS[architecture] if each.name == name)
    return found


@pytest.mark.parametrize(
    ("architecture", "name", "size"),
    [
        ("win64", "OVERLAPPED", 32),
        ("win32", "OVERLAPPED", 20),
        ("win64", "OVERLAPPED_ENTRY", 32),
        ("win32", "OVERLAPPED_ENTRY", 16),
        ("win64", "WSABUF", 16),
        ("win32", "WSABUF", 8),
        ("win64", "WSAMSG", 56),
        ("win32", "WSAMSG", 28),
        ("win64", "IO_STATUS_BLOCK", 16),
        ("win32", "IO_STATUS_BLOCK", 8),
        ("win64", "AFD_POLL_INFO", 32),
        ("win32", "AFD_POLL_INFO", 32),
        ("win64", "FILE_COMPLETION_INFORMATION", 16),
        ("win64", "SOCKADDR_STORAGE", 128),
    ],
)
def test_sizes(architecture: str, name: str, size: int) -> None:
    assert layout(architecture, name).size == size


def test_both_tables_have_the_same_structs() -> None:
    names = {arch: [(each.name, [field.name for field in each.fields]) for each in LAYOUTS[arch]] for arch in LAYOUTS}
    assert names["win64"] == names["win32"]


@pytest.mark.parametrize(
    ("name", "values", "golden"),
    [
        (
            "OVERLAPPED_ENTRY",
            {
                "lpCompletionKey": 2**64 - 1,
                "lpOverlapped": 0x1122334455667788,
                "Internal": 0xC0000120,
                "dwNumberOfBytesTransferred": 7,
            },
            "ffffffffffffffff 8877665544332211 200100c000000000 07000000 00000000",
        ),
        (
            "OVERLAPPED",
            {"Offset": 0x89ABCDEF, "OffsetHigh": 0x01234567, "hEvent": 0x74},
            "0000000000000000 0000000000000000 efcdab89 67452301 7400000000000000",
        ),
        ("WSABUF", {"len": 10, "buf": 0x10000}, "0a000000 00000000 0000010000000000"),
        (
            "AFD_POLL_INFO",
            {
                "Timeout": -1,
                "NumberOfHandles": 1,
                "Exclusive": 0,
                "Handles[0].Handle": 0x74,
                "Handles[0].Events": 0x199,
                "Handles[0].Status": 0,
            },
            "ffffffffffffffff 01000000 00000000 7400000000000000 99010000 00000000",
        ),
        (
            "SOCKADDR_IN",
            {"sin_family": 2, "sin_port": 0x5000, "sin_addr": b"\x7f\0\0\1"},
            "0200 0050 7f000001 0000000000000000",
        ),
    ],
)
def test_bytes(name: str, values: dict[str, int | bytes], golden: str) -> None:
    declared = layout("win64", name)
    packed = declared.pack(values, "little")
    assert packed == bytes.fromhex(golden)
    unpacked = declared.unpack(packed, "little")
    assert {field: unpacked[field] for field in values} == values


def test_the_offset_is_a_pointer_to_devices() -> None:
    """One 64-bit offset in two halves, or a pointer over both."""
    declared = layout("win64", "OVERLAPPED")
    packed = declared.pack({"Pointer": 0x0123456789ABCDEF}, "little")
    unpacked = declared.unpack(packed, "little")
    assert (unpacked["Offset"], unpacked["OffsetHigh"]) == (0x89ABCDEF, 0x01234567)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER} (apt-get install gcc-mingw-w64-x86-64)")
@pytest.mark.parametrize("architecture", [*LAYOUTS])
def test_the_headers_of_mingw(architecture: str, tmp_path: Path) -> None:
    layouts = LAYOUTS[architecture]
    source, built = tmp_path / "probe.c", tmp_path / "probe.o"
    source.write_text(probe_source(layouts, HEADERS, DECLARATIONS))
    subprocess.run([COMPILER, OPTIONS[architecture], "-c", str(source), "-o", str(built)], check=True)
    assert check_all(layouts, read_probe(built.read_bytes())) == []
