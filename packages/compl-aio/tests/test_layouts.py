"""``struct iocb`` and ``struct io_event`` as declared: against bytes, against this build, against this compiler."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from compl_aio import IocbCmd, IocbFlags, IoControlBlock, _native
from compl_aio.layouts import HEADERS, LAYOUTS, RING, RING_MAGIC
from compl_core.architecture import ARCHITECTURES, architecture
from compl_core.layout import check_all, select
from compl_core.layout_probe import probe_source, read_probe

COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")

VALUES = {
    "aio_data": 0x1122334455667788,
    "aio_key": 0xA1A2A3A4,
    "aio_rw_flags": 8,
    "aio_lio_opcode": 7,
    "aio_reqprio": -2,
    "aio_fildes": 5,
    "aio_buf": 0x1020304050607080,
    "aio_nbytes": 3,
    "aio_offset": -4,
    "aio_reserved2": 0,
    "aio_flags": 1,
    "aio_resfd": 9,
}
LITTLE = (
    "8877665544332211 a4a3a2a1 08000000 0700 feff 05000000 8070605040302010 0300000000000000 fcffffffffffffff"
    "0000000000000000 01000000 09000000"
)
#: aio_key and aio_rw_flags swap places, so that they stay the low and the high half of one 64-bit number.
BIG = (
    "1122334455667788 00000008 a1a2a3a4 0007 fffe 00000005 1020304050607080 0000000000000003 fffffffffffffffc"
    "0000000000000000 00000001 00000009"
)


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_bytes_on_every_architecture(name: str) -> None:
    iocb, event = LAYOUTS[name]
    byteorder = ARCHITECTURES[name].byteorder
    golden = bytes.fromhex(LITTLE if byteorder == "little" else BIG)
    assert iocb.pack(VALUES, byteorder) == golden
    assert iocb.unpack(golden, byteorder) == VALUES
    values = {"data": 1, "obj": 2, "res": -125, "res2": 0}
    assert event.unpack(event.pack(values, byteorder), byteorder) == values


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_sizes_are_the_same_everywhere(name: str) -> None:
    iocb, event = LAYOUTS[name]
    align = 4 if name == "i386" else 8
    assert (iocb.name, iocb.size, iocb.align) == ("struct iocb", 64, align)
    assert (event.name, event.size, event.align) == ("struct io_event", 32, align)


def test_known_architectures_have_a_row() -> None:
    assert set(LAYOUTS) == {name for name in ARCHITECTURES if not name.startswith("win")}


def test_this_build() -> None:
    for layout, measured in zip(select(LAYOUTS), (_native.IOCB_LAYOUT, _native.IO_EVENT_LAYOUT), strict=True):
        offsets = {field.name: field.offset for field in layout.fields}
        assert {"size": layout.size, "align": layout.align, **offsets} == measured


def test_a_control_block_is_those_bytes() -> None:
    block = IoControlBlock(
        IocbCmd.POLL,
        5,
        4,
        -4,
        aio_data=2**64 - 1,
        aio_rw_flags=8,
        aio_reqprio=-2,
        aio_flags=IocbFlags.IOPRIO,
        aio_resfd=9,
    )
    iocb, _ = select(LAYOUTS)
    expected = {
        "aio_data": 2**64 - 1,
        "aio_rw_flags": 8,
        "aio_lio_opcode": 5,
        "aio_reqprio": -2,
        "aio_fildes": 5,
        "aio_buf": 4,
        "aio_offset": -4,
        "aio_flags": 3,
        "aio_resfd": 9,
    }
    assert bytes(block) == iocb.pack(expected)


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no C compiler: {COMPILER[0]} is not on the PATH")
def test_this_compiler(tmp_path: Path) -> None:
    layouts = select(LAYOUTS, architecture())
    source, built = tmp_path / "probe.c", tmp_path / "probe.o"
    source.write_text(probe_source(layouts, HEADERS))
    subprocess.run([*COMPILER, "-c", str(source), "-o", str(built)], check=True)
    assert check_all(layouts, read_probe(built.read_bytes())) == []


def test_the_ring_s_head() -> None:
    assert (RING.size, RING_MAGIC) == (32, 0xA10A10A1)
    assert {field.name: field.offset for field in RING.fields} == {
        "id": 0,
        "nr": 4,
        "head": 8,
        "tail": 12,
        "magic": 16,
        "compat_features": 20,
        "incompat_features": 24,
        "header_length": 28,
    }
