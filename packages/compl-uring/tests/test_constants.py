"""Numbers as declared, against the header of this host, as far as that one goes."""

from __future__ import annotations

import enum
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from compl_uring import (
    FILE_INDEX_ALLOC,
    AcceptFlags,
    CancelFlags,
    CqeFlags,
    Features,
    MsgRingFlags,
    Opcode,
    RecvSendFlags,
    SetupFlags,
    SpliceFlags,
    SqeFlags,
    TimeoutFlags,
)

COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")

#: The kernel's names, where they are not the prefix and ours.
PREFIXES: dict[type[enum.IntEnum | enum.IntFlag], str] = {
    SetupFlags: "IORING_SETUP_",
    Features: "IORING_FEAT_",
    SqeFlags: "IOSQE_",
    CqeFlags: "IORING_CQE_F_",
    AcceptFlags: "IORING_ACCEPT_",
    TimeoutFlags: "IORING_TIMEOUT_",
    CancelFlags: "IORING_ASYNC_CANCEL_",
    MsgRingFlags: "IORING_MSG_RING_",
    SpliceFlags: "SPLICE_F_",
    Opcode: "IORING_OP_",
}
NAMES = {"IORING_TIMEOUT_LINK_TIMEOUT_UPDATE": "IORING_LINK_TIMEOUT_UPDATE"}
DECLARED = {
    NAMES.get(prefix + member.name, prefix + member.name): int(member)
    for kind, prefix in PREFIXES.items()
    for member in kind
    if member.name
} | {
    "IORING_RECVSEND_POLL_FIRST": int(RecvSendFlags.POLL_FIRST),
    "IORING_RECV_MULTISHOT": int(RecvSendFlags.MULTISHOT),
    "IORING_RECVSEND_FIXED_BUF": int(RecvSendFlags.FIXED_BUF),
    "IORING_SEND_ZC_REPORT_USAGE": int(RecvSendFlags.ZC_REPORT_USAGE),
    "IORING_RECVSEND_BUNDLE": int(RecvSendFlags.BUNDLE),
    "IORING_FILE_INDEX_ALLOC": FILE_INDEX_ALLOC,
}

#: A bit that no release has used in any of the flags.
UNKNOWN_BIT = 1 << 25


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no C compiler: {COMPILER[0]} is not on the PATH")
def test_as_in_the_header_of_this_host(tmp_path: Path) -> None:
    source, built = tmp_path / "numbers.c", tmp_path / "numbers"
    include = "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <linux/io_uring.h>\n"
    source.write_text(include)
    header = subprocess.run([*COMPILER, "-E", "-dD", str(source)], capture_output=True, text=True, check=True).stdout
    words = set(re.findall(r"\w+", header))
    # IORING_OP_ and a few others are enumerators, which the preprocessor does not know: the text is searched for all.
    known = sorted(name for name in DECLARED if name in words and name != "SPLICE_F_FD_IN_FIXED")
    assert len(known) > 100
    lines = "".join(f'printf("{name} %llu\\n", (unsigned long long)(unsigned)({name}));\n' for name in known)
    source.write_text(f"{include}#include <stdio.h>\nint main(void) {{\n{lines}return 0; }}\n")
    subprocess.run([*COMPILER, str(source), "-o", str(built)], check=True)
    printed = subprocess.run([str(built)], capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in (line.split() for line in printed.splitlines())}
    assert found == {name: DECLARED[name] for name in known}


@pytest.mark.parametrize("kind", [kind for kind in PREFIXES if issubclass(kind, enum.IntFlag)])
def test_unknown_bits_survive(kind: type[enum.IntFlag]) -> None:
    assert kind(UNKNOWN_BIT | 1) == UNKNOWN_BIT | 1
    assert int(kind(UNKNOWN_BIT) | kind(1)) == UNKNOWN_BIT | 1


def test_opcodes_leave_no_gap() -> None:
    assert [int(code) for code in Opcode] == list(range(63))


def test_opcodes_say_since_when() -> None:
    releases = [tuple(int(part) for part in code.since.split(".")) for code in Opcode]
    assert releases == sorted(releases)
    assert Opcode.NOP.since == "5.1"
    assert Opcode(62).since == "6.16"
    assert Opcode(0).since == Opcode["NOP"].since
