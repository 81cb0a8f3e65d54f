"""The kernel's numbers: as the standard library's select module has them from the headers."""

from __future__ import annotations

import select

import pytest

from compl_epoll import ControlOp, EpollEvents

#: select leaves EPOLLWAKEUP out; the number is from <linux/eventpoll.h>, epoll_ctl(2).
ALONE = {"NONE": 0, "WAKEUP": 1 << 29}


@pytest.mark.parametrize("name", [*EpollEvents.__members__])
def test_event_bits(name: str) -> None:
    expected = ALONE[name] if name in ALONE else getattr(select, f"EPOLL{name}")
    assert int(EpollEvents[name]) == expected & 0xFFFF_FFFF


def test_every_bit_that_select_knows_is_here() -> None:
    known = {name.removeprefix("EPOLL") for name in dir(select) if name.startswith("EPOLL")} - {"_CLOEXEC"}
    assert known - {"CLOEXEC"} <= set(EpollEvents.__members__)


def test_bits_fit_the_field() -> None:
    assert all(0 <= int(bit) < 2**32 for bit in EpollEvents.__members__.values())


def test_control_operations() -> None:
    assert {op.name: int(op) for op in ControlOp} == {"ADD": 1, "DEL": 2, "MOD": 3}  # <linux/eventpoll.h>
