"""The C probe: what this host's compiler says, run and unrun."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from compl_core.layout import Field, Layout, Measured, check, check_all
from compl_core.layout_probe import probe_source, read_probe

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler: neither cc nor gcc nor clang on the PATH")

#: As every compiler of a machine with natural alignment lays it out.
DECLARATIONS = """
struct natural { char first; double second; struct { short inner[2]; } third; };
typedef union { unsigned char bytes[5]; unsigned short number; } arms;
"""
NATURAL = Layout(
    "struct natural",
    24,
    8,
    (
        Field("first", 0, 1),
        Field("second", 8, 8, "d"),
        Field("third.inner", 16, 4),
        Field("third.inner[1]", 18, 2, overlay=True),
    ),
)
ARMS = Layout("arms", 6, 2, (Field("bytes", 0, 5), Field("number", 0, 2, overlay=True)))
OUTPUT = b"compl-layout struct epoll_event: 000012 000001; events 000000 000004; data.u64 000004 000008\n"


@needs_compiler
@pytest.mark.skipif(struct.calcsize("P") != 8, reason="doubles need not be aligned by 8 on a 32-bit machine")
def test_a_probe_says_the_same_run_and_unrun(tmp_path: Path) -> None:
    assert COMPILER is not None
    source, program, compiled = tmp_path / "probe.c", tmp_path / "probe", tmp_path / "probe.o"
    source.write_text(probe_source([NATURAL, ARMS], ["stdint.h"], DECLARATIONS))
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([COMPILER, *strict, "-O2", str(source), "-o", str(program)], check=True)
    subprocess.run([COMPILER, *strict, "-c", str(source), "-o", str(compiled)], check=True)
    measured = read_probe(subprocess.run([program], check=True, capture_output=True).stdout)
    assert check_all([NATURAL, ARMS], measured) == []
    assert read_probe(compiled.read_bytes()) == measured
    assert read_probe(program.read_bytes()) == measured


@needs_compiler
def test_a_wrong_layout_is_found_out(tmp_path: Path) -> None:
    assert COMPILER is not None
    wrong = Layout("arms", 8, 4, (Field("bytes", 0, 5), Field("number", 0, 4, overlay=True)))
    source, compiled = tmp_path / "probe.c", tmp_path / "probe.o"
    source.write_text(probe_source([wrong], [], DECLARATIONS))
    subprocess.run([COMPILER, "-c", str(source), "-o", str(compiled)], check=True)
    assert check(wrong, read_probe(compiled.read_bytes())["arms"]) == [
        "arms: size declared 8, measured 6",
        "arms: align declared 4, measured 2",
        "arms.number: declared 4 bytes at 0, measured 2 bytes at 0",
    ]


def test_headers_keep_their_order_and_come_before_the_declarations() -> None:
    source = probe_source([ARMS], ["winsock2.h", "windows.h"], DECLARATIONS)
    places = [source.index(text) for text in ("<winsock2.h>", "<windows.h>", "typedef union", "sizeof(arms)")]
    assert places == sorted(places)


def test_one_architecture_at_a_time() -> None:
    with pytest.raises(ValueError, match="two layouts called arms"):
        probe_source([ARMS, NATURAL, ARMS], [])


@pytest.mark.parametrize("found", [OUTPUT, OUTPUT.replace(b"\n", b"\r\n"), b"\x7fELF\0\xff" + OUTPUT + b"\0more"])
def test_lines_are_found_wherever_they_stand(found: bytes) -> None:
    assert read_probe(found) == {
        "struct epoll_event": Measured(size=12, align=1, fields={"events": (0, 4), "data.u64": (4, 8)})
    }


@pytest.mark.parametrize("found", [b"", b"compl-layout struct epoll_event: 12 1\n", OUTPUT.rstrip()])
def test_what_is_no_probe_is_said(found: bytes) -> None:
    with pytest.raises(ValueError, match=f"no layouts in these {len(found)} bytes"):
        read_probe(found)
