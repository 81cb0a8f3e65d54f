"""``struct epoll_event`` as declared: against bytes, against this build, against this host's compiler."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from compl_core.architecture import ARCHITECTURES, architecture
from compl_core.layout import check_all, select
from compl_core.layout_probe import probe_source, read_probe
from compl_epoll import _native
from compl_epoll.layouts import HEADERS, LAYOUTS

COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")

#: A readable pipe (EPOLLIN) with 0x1122334455667788 as its data, as the kernel writes it.
GOLDEN = {
    "x86_64": "01000000 8877665544332211",
    "x32": "01000000 8877665544332211",
    "i386": "01000000 8877665544332211",
    "aarch64": "01000000 00000000 8877665544332211",
    "arm": "01000000 00000000 8877665544332211",
    "riscv64": "01000000 00000000 8877665544332211",
    "loongarch64": "01000000 00000000 8877665544332211",
    "ppc64le": "01000000 00000000 8877665544332211",
    "ppc64": "00000001 00000000 1122334455667788",
    "s390x": "00000001 00000000 1122334455667788",
}


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_bytes_on_every_architecture(name: str) -> None:
    (layout,) = LAYOUTS[name]
    golden = bytes.fromhex(GOLDEN[name])
    byteorder = ARCHITECTURES[name].byteorder
    values = {"events": 1, "data.u64": 0x1122334455667788}
    assert layout.pack(values, byteorder) == golden
    assert layout.unpack(golden, byteorder) == values
    assert layout.name == "struct epoll_event"


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_packed_on_x86_alone(name: str) -> None:
    (layout,) = LAYOUTS[name]
    assert (layout.size, layout.align) == ((12, 1) if name in ("x86_64", "x32", "i386") else (16, 8))


def test_known_architectures_have_a_row() -> None:
    assert set(LAYOUTS) == set(GOLDEN) == {name for name in ARCHITECTURES if not name.startswith("win")}


def test_this_build() -> None:
    (layout,) = select(LAYOUTS)
    offsets = {field.name.partition(".")[0]: field.offset for field in layout.fields}
    assert {"size": layout.size, "align": layout.align, **offsets} == _native.EVENT_LAYOUT


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no C compiler: {COMPILER[0]} is not on the PATH")
def test_this_compiler(tmp_path: Path) -> None:
    layouts = select(LAYOUTS, architecture())
    source, built = tmp_path / "probe.c", tmp_path / "probe.o"
    source.write_text(probe_source(layouts, HEADERS))
    subprocess.run([*COMPILER, "-c", str(source), "-o", str(built)], check=True)
    assert check_all(layouts, read_probe(built.read_bytes())) == []
