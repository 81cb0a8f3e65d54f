"""The kernel's numbers: as this host's <linux/aio_abi.h> has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compl_aio import MAX_REQUESTS, IocbCmd, IocbFlags

HEADER = Path("/usr/include/linux/aio_abi.h")


@pytest.mark.skipif(not HEADER.exists(), reason=f"the kernel's headers are not installed: there is no {HEADER}")
def test_as_in_the_header() -> None:
    text = HEADER.read_text(encoding="utf-8")
    commands = {name: int(number) for name, number in re.findall(r"IOCB_CMD_(\w+) = (\d+),", text)}
    assert commands == {command.name: int(command) for command in IocbCmd}
    flags = {name: 1 << int(bit) for name, bit in re.findall(r"IOCB_FLAG_(\w+)\s+\(1 << (\d+)\)", text)}
    assert flags == {name: int(flag) for name, flag in IocbFlags.__members__.items() if flag}


def test_bits_without_a_name_survive() -> None:
    assert int(IocbFlags(0xF1)) == 0xF1


def test_the_most_requests() -> None:
    assert MAX_REQUESTS == 0x10000
