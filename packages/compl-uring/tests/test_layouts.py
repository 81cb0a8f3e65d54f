"""io_uring's structs as declared: against bytes, against this build, against this host's compiler."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from compl_core.architecture import ARCHITECTURES, architecture
from compl_core.layout import Layout, check_all, select
from compl_core.layout_probe import probe_source, read_probe
from compl_uring import CompletionEntry, Ring, Statx, _native
from compl_uring.layouts import HEADERS, LAYOUTS

COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")

#: A read of 4096 bytes at offset 0x11223344 of descriptor 5 into 0x7f0011223344, linked, user_data 2**63 + 1.
READ = {"opcode": 22, "flags": 4, "fd": 5, "off": 0x11223344, "addr": 0x7F0011223344, "len": 4096,
        "user_data": 0x8000000000000001}  # fmt: skip
READ_LITTLE = (
    "16 04 0000 05000000 4433221100000000 443322 11007f0000 00100000 00000000 0100000000000080 0000 0000 00000000"
    "0000000000000000 0000000000000000"
)
READ_BIG = (
    "16 04 0000 00000005 0000000011223344 00007f0011223344 00001000 00000000 8000000000000001 0000 0000 00000000"
    "0000000000000000 0000000000000000"
)
#: It came short: ECANCELED, with more to follow and buffer 7.
DONE = {"user_data": 0x8000000000000001, "res": -125, "flags": 7 << 16 | 3}
DONE_LITTLE = "0100000000000080 83ffffff 03000700"
DONE_BIG = "8000000000000001 ffffff83 00070003"


def _layout(name: str, on: str) -> Layout:
    return next(layout for layout in LAYOUTS[on] if layout.name == name)


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_golden_entries(name: str) -> None:
    byteorder = ARCHITECTURES[name].byteorder
    little = byteorder == "little"
    sqe, cqe = _layout("struct io_uring_sqe", name), _layout("struct io_uring_cqe", name)
    assert sqe.pack(READ, byteorder) == bytes.fromhex(READ_LITTLE if little else READ_BIG)
    assert cqe.pack(DONE, byteorder) == bytes.fromhex(DONE_LITTLE if little else DONE_BIG)
    assert cqe.unpack(cqe.pack(DONE, byteorder), byteorder) == DONE


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_sizes_are_everywhere_the_same_and_alignment_differs_on_i386(name: str) -> None:
    sizes = {layout.name: layout.size for layout in LAYOUTS[name]}
    assert sizes == {layout.name: layout.size for layout in LAYOUTS["x86_64"]}
    assert _layout("struct io_uring_sqe", name).align == (4 if name == "i386" else 8)
    assert _layout("struct io_uring_rsrc_register", name).align == 8


def test_known_architectures_have_a_row() -> None:
    assert set(LAYOUTS) == {name for name in ARCHITECTURES if not name.startswith("win")}


def test_this_build() -> None:
    """An arm of a union stands where its other arms do, so one of each is measured; the probe is a header and statx is
    read by Python."""
    mine = [
        dataclasses.replace(
            layout, fields=tuple(field for field in layout.fields if field.name in known["fields"] or not field.overlay)
        )
        for layout in select(LAYOUTS)
        if (known := _native.URING_LAYOUT.get(layout.name)) is not None
    ]
    assert {layout.name for layout in select(LAYOUTS)} - {layout.name for layout in mine} == {
        "struct io_uring_probe",
        "struct statx",
    }
    assert check_all(mine, _native.URING_LAYOUT) == []


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no C compiler: {COMPILER[0]} is not on the PATH")
def test_this_compiler(tmp_path: Path) -> None:
    layouts = select(LAYOUTS, architecture())
    source, built = tmp_path / "probe.c", tmp_path / "probe.o"
    source.write_text("#include <linux/io_uring.h>\nint sync_cancel = sizeof(struct io_uring_sync_cancel_reg);\n")
    if subprocess.run([*COMPILER, "-c", str(source), "-o", str(built)], capture_output=True, check=False).returncode:
        pytest.skip("<linux/io_uring.h> of this host is older than Linux 6.0")
    source.write_text(probe_source(layouts, HEADERS))
    subprocess.run([*COMPILER, "-c", str(source), "-o", str(built)], check=True)
    assert check_all(layouts, read_probe(built.read_bytes())) == []


def test_statx_reads_the_kernels_bytes(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(12345))
    buffer = bytearray(256)
    ring.statx(path, buffer, mask=0xFFF)
    assert ring.submit_and_wait() == [CompletionEntry(0)]
    values = select(LAYOUTS)[-1].unpack(buffer)
    seen, known = Statx.from_bytes(buffer), path.stat()
    assert (seen.size, seen.inode, seen.mode, seen.links) == (12345, known.st_ino, known.st_mode, known.st_nlink)
    assert (seen.uid, seen.gid, seen.block_size, seen.blocks) == (
        known.st_uid, known.st_gid, known.st_blksize, known.st_blocks,
    )  # fmt: skip
    assert seen.modified[0] * 10**9 + seen.modified[1] == known.st_mtime_ns
    assert seen.changed[0] * 10**9 + seen.changed[1] == known.st_ctime_ns
    assert os.makedev(*seen.device) == known.st_dev
    assert (values["stx_size"], values["stx_ino"]) == (seen.size, seen.inode)
    assert (values["stx_mtime.tv_sec"], values["stx_mtime.tv_nsec"]) == seen.modified
    assert (values["stx_dev_major"], values["stx_dev_minor"]) == seen.device
    assert (values["stx_rdev_major"], values["stx_rdev_minor"]) == seen.stands_for
