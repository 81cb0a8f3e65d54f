"""Layouts as data: what they refuse to be, how they read and write bytes, how they are checked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compl_core.architecture import ARCHITECTURES, Architecture, ByteOrder, architecture
from compl_core.layout import Field, Layout, Measured, Table, check, check_all, select

PACKED = Layout("struct epoll_event", 12, 1, (Field("events", 0, 4), Field("data.u64", 4, 8)))
ALIGNED = Layout("struct epoll_event", 16, 8, (Field("events", 0, 4), Field("data.u64", 8, 8)))
#: A signed member, a union, a byte string, padding inside and at the end.
MIXED = Layout(
    "struct mixed",
    32,
    8,
    (
        Field("code", 0, 1),
        Field("result", 4, 4, "i"),
        Field("length", 8, 8),
        Field("pointer", 8, 8, overlay=True),
        Field("flags", 12, 4, overlay=True),
        Field("name", 16, 10),
        Field("kind", 26, 2),
    ),
)


def measurement(layout: Layout) -> Measured:
    fields = {field.name: (field.offset, field.size) for field in layout.fields}
    return Measured(size=layout.size, align=layout.align, fields=fields)


@pytest.mark.parametrize(
    ("name", "offset", "size", "code"),
    [
        ("", 0, 4, ""),
        ("two words", 0, 4, ""),
        ("a.", 0, 4, ""),
        ("x) + (y", 0, 4, ""),
        ("x", -1, 4, ""),
        ("x", 0, 0, ""),
        ("x", 0, 4, "Q"),
        ("x", 0, 4, "HH"),
        ("x", 0, 4, "4x"),
        ("x", 0, 8, "P"),
        ("x", 0, 4, "?!"),
    ],
)
def test_a_field_that_cannot_be_is_refused(name: str, offset: int, size: int, code: str) -> None:
    with pytest.raises(ValueError, match="field "):
        Field(name, offset, size, code)


@pytest.mark.parametrize(("size", "code"), [(1, "B"), (2, "H"), (4, "I"), (8, "Q"), (3, "3s"), (16, "16s")])
def test_a_field_is_unsigned_or_bytes_unless_it_says_otherwise(size: int, code: str) -> None:
    assert Field("data.u64", 0, size).code == code


@pytest.mark.parametrize(
    ("name", "size", "align", "fields", "message"),
    [
        ("struct", 8, 8, (), ""),
        ("struct a; int b", 8, 8, (), "what C calls a type"),
        ("T", 12, 8, (), "power of two that divides the size"),
        ("T", 12, 3, (), "power of two"),
        ("T", 8, 0, (), "power of two"),
        ("T", 8, 8, (Field("a", 0, 4), Field("a", 4, 4)), "two fields of one name"),
        ("T", 8, 8, (Field("a", 4, 8),), "T.a: 8 bytes at 4: beyond the end"),
        ("T", 8, 8, (Field("a", 4, 4), Field("b", 0, 4)), "T.b: 4 bytes at 0: not behind a"),
        ("T", 8, 8, (Field("a", 0, 4), Field("b", 2, 4)), "T.b: 4 bytes at 2: not behind a"),
        ("T", 8, 8, (Field("a", 0, 4), Field("b", 4, 4, overlay=True)), "T.b: 4 bytes at 4: called an overlay"),
    ],
)
def test_a_layout_that_no_compiler_makes_is_refused(
    name: str, size: int, align: int, fields: tuple[Field, ...], message: str
) -> None:
    if not message:
        assert Layout(name, size, align, fields).size == size
        return
    with pytest.raises(ValueError, match=message):
        Layout(name, size, align, fields)


@pytest.mark.parametrize(
    ("layout", "byteorder", "expected"),
    [
        (PACKED, "little", "01000000 0807060504030201"),
        (PACKED, "big", "00000001 0102030405060708"),
        (ALIGNED, "little", "01000000 00000000 0807060504030201"),
        (ALIGNED, "big", "00000001 00000000 0102030405060708"),
    ],
)
def test_bytes_of_an_event(layout: Layout, byteorder: ByteOrder, expected: str) -> None:
    data = bytes.fromhex(expected)
    values = {"events": 1, "data.u64": 0x0102030405060708}
    assert layout.pack(values, byteorder) == data
    assert layout.unpack(data, byteorder) == values
    assert layout.codec(byteorder).unpack(data) == (1, 0x0102030405060708)
    assert layout.codec(byteorder).pack(1, 0x0102030405060708) == data


def test_the_codec_leaves_overlays_out_and_keeps_the_padding() -> None:
    assert MIXED.codec("little").format == "<0xB3xi0xQ0x10s0xH4x"
    assert MIXED.codec("little") is MIXED.codec("little")
    assert MIXED.codec("big").size == 32


def test_without_an_order_it_is_the_running_machines() -> None:
    running = architecture().byteorder
    assert PACKED.pack({"events": 1}) == PACKED.pack({"events": 1}, running)
    assert PACKED.codec() is PACKED.codec(running)
    assert PACKED.unpack(PACKED.pack({"events": 1}))["events"] == 1


def test_unpack_shows_every_arm_of_a_union() -> None:
    data = MIXED.pack({"pointer": 0x0000_0002_0000_0001, "result": -5, "name": b"abc"}, "little")
    assert MIXED.unpack(b"\xff" * 3 + data, "little", offset=3) == {
        "code": 0,
        "result": -5,
        "length": 0x0000_0002_0000_0001,
        "pointer": 0x0000_0002_0000_0001,
        "flags": 2,
        "name": b"abc" + bytes(7),
        "kind": 0,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "has no field colour; it has code, result, length, pointer, flags, name, kind"),
        ({"length": 1, "flags": 1}, "flags and length are the same bytes"),
        ({"code": 256}, "struct mixed.code: 256 does not fit code 'B'"),
        ({"code": -1}, "struct mixed.code: -1 does not fit code 'B'"),
        ({"code": b"x"}, "struct mixed.code: b'x' does not fit code 'B'"),
        ({"name": b"elevenbytes"}, "struct mixed.name: 11 bytes do not fit its 10"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MIXED.pack(values)


@pytest.mark.parametrize(("length", "offset"), [(31, 0), (32, 1), (32, -1), (0, 0)])
def test_too_few_bytes_are_refused(length: int, offset: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes at {offset} are not inside the {length} bytes given"):
        MIXED.unpack(bytes(length), offset=offset)


@given(
    code=st.integers(0, 2**8 - 1),
    result=st.integers(-(2**31), 2**31 - 1),
    length=st.integers(0, 2**64 - 1),
    name=st.binary(min_size=10, max_size=10),
    byteorder=st.sampled_from(["little", "big"]),
)
def test_what_is_packed_is_unpacked(code: int, result: int, length: int, name: bytes, byteorder: ByteOrder) -> None:
    values: dict[str, int | float | bytes] = {"code": code, "result": result, "length": length, "name": name, "kind": 7}
    data = MIXED.pack(values, byteorder)
    assert len(data) == MIXED.size
    assert MIXED.unpack(data, byteorder).items() >= values.items()
    assert MIXED.codec(byteorder).pack(*values.values()) == data


def test_a_layout_that_is_right_has_no_differences() -> None:
    for layout in (PACKED, ALIGNED, MIXED):
        assert check(layout, measurement(layout)) == []


def test_differences_name_both_sides() -> None:
    found = measurement(PACKED)
    assert check(ALIGNED, found) == [
        "struct epoll_event: size declared 16, measured 12",
        "struct epoll_event: align declared 8, measured 1",
        "struct epoll_event.data.u64: declared 8 bytes at 8, measured 8 bytes at 4",
    ]


def test_nothing_is_left_unchecked_on_either_side() -> None:
    found: Any = {"size": 12, "fields": {"events": [0, 4], "pad": [4, 4]}}
    assert check(PACKED, found) == [
        "struct epoll_event: align declared 1, not measured",
        "struct epoll_event.data.u64: declared 8 bytes at 4, not measured",
        "struct epoll_event.pad: not declared, measured 4 bytes at 4",
    ]
    nothing: Any = {}
    assert len(check(PACKED, nothing)) == 4
    assert check_all([PACKED], {"struct mixed": measurement(MIXED)}) == [
        "struct epoll_event: declared, not measured",
        "struct mixed: not declared, measured",
    ]


def test_check_all_goes_by_the_name() -> None:
    measured = {layout.name: measurement(layout) for layout in (MIXED, PACKED)}
    assert check_all([PACKED, MIXED], measured) == []
    assert check_all([ALIGNED, MIXED], measured) == check(ALIGNED, measurement(PACKED))


def test_select_takes_the_architecture_asked_for() -> None:
    table: Table = {architecture().name: (PACKED,), "s390x": (ALIGNED,)}
    assert select(table, ARCHITECTURES["s390x"]) == (ALIGNED,)
    if architecture().name != "s390x":
        assert select(table) == (PACKED,)
    with pytest.raises(
        LookupError, match=r"no layouts for quantum9 \(big endian, 64 bits\); there are some for .*s390x"
    ):
        select(table, Architecture("quantum9", "big", 8))
