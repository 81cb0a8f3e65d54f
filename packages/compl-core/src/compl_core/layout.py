"""Struct layouts as data: what a backend believes a kernel struct to be, for each architecture, and checks of it.

A backend's ``layouts.py`` states sizes and offsets as plain numbers, importable on every OS::

    PACKED = Layout("struct epoll_event", 12, 1, (Field("events", 0, 4), Field("data.u64", 4, 8)))
    LAYOUTS: Table = {"x86_64": (PACKED,), ...}

They are held against what a compiler says (:func:`check`): the ``sizeof`` and ``offsetof`` that the backend's own
module was built with, or a C probe (:mod:`compl_core.layout_probe`), also for machines that are not at hand.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, TypedDict

from compl_core.architecture import Architecture, ByteOrder, architecture

__all__ = [
    "Architecture",
    "ByteOrder",
    "Field",
    "Layout",
    "Measured",
    "Table",
    "architecture",
    "check",
    "check_all",
    "select",
]

_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_TYPE = re.compile(r"((struct|union) )?[A-Za-z_]\w*", re.ASCII)
_MEMBER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[\d+\])*", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One member of a struct."""

    #: As C names it from the struct: ``events``, ``data.u64``.
    name: str
    #: Bytes from the start of the struct.
    offset: int
    #: Bytes.
    size: int
    #: How :mod:`struct` reads it, as one value.  Left out: an unsigned integer of 1, 2, 4 or 8 bytes, else bytes.
    code: str = ""
    #: Another name for bytes that other fields cover, an arm of a union.  It has no place of its own in the codec.
    overlay: bool = False

    def __post_init__(self) -> None:
        if not _MEMBER.fullmatch(self.name):
            raise ValueError(f"field {self.name!r}: not what C calls a member")
        if self.offset < 0 or self.size < 1:
            raise ValueError(f"field {self.name}: {self.size} bytes at {self.offset}; at least 1 byte, at 0 or above")
        if not self.code:
            object.__setattr__(self, "code", _UNSIGNED.get(self.size, f"{self.size}s"))
        try:
            codec = struct.Struct("=" + self.code)
        except struct.error as error:
            raise ValueError(f"field {self.name}: code {self.code!r}: {error}") from error
        if codec.size != self.size or len(codec.unpack(bytes(self.size))) != 1:
            raise ValueError(f"field {self.name}: {self.code!r} is not one value of {self.size} bytes")

    @property
    def end(self) -> int:
        """The offset of the first byte after it."""
        return self.offset + self.size

    def overlaps(self, other: Field) -> bool:
        """The two have a byte in common."""
        return self.offset < other.end and other.offset < self.end


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """A struct on one architecture.  ValueError for one that no compiler would make."""

    #: The type as C names it: ``struct epoll_event``, ``OVERLAPPED``.
    name: str
    #: Bytes, trailing padding included.
    size: int
    #: Bytes; 1 for a packed struct.
    align: int
    #: In the order of their offsets.  What no field covers is padding.
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        if not _TYPE.fullmatch(self.name):
            raise ValueError(f"layout {self.name!r}: not what C calls a type")
        if self.align < 1 or self.align & (self.align - 1) or self.size % self.align:
            raise ValueError(f"{self.name}: align {self.align} is not a power of two that divides the size {self.size}")
        if len({field.name for field in self.fields}) < len(self.fields):
            raise ValueError(f"{self.name}: two fields of one name")
        covered: list[Field] = []
        for field in self.fields:
            where = f"{self.name}.{field.name}: {field.size} bytes at {field.offset}"
            if field.end > self.size:
                raise ValueError(f"{where}: beyond the end of the struct, which has {self.size} bytes")
            if field.overlay:
                if not any(field.overlaps(other) for other in self.fields if not other.overlay):
                    raise ValueError(f"{where}: called an overlay, but no other field covers a byte of it")
                continue
            if covered and field.offset < covered[-1].end:
                raise ValueError(
                    f"{where}: not behind {covered[-1].name}; order by offset, mark a union's arm as overlay"
                )
            covered.append(field)

    def codec(self, byteorder: ByteOrder = sys.byteorder) -> struct.Struct:
        """All fields but overlays, in order, as one :class:`struct.Struct` of exactly ``size`` bytes."""
        return _codec(self, byteorder)

    def pack(self, values: Mapping[str, int | float | bytes], byteorder: ByteOrder = sys.byteorder) -> bytes:
        """The struct with these fields, overlays among them if wanted, and zeros elsewhere.

        Raises ValueError for a name that is no field, two names of one byte, and a value that does not fit.
        """
        unknown = values.keys() - {field.name for field in self.fields}
        if unknown:
            known = ", ".join(field.name for field in self.fields)
            raise ValueError(f"{self.name} has no field {', '.join(sorted(unknown))}; it has {known}")
        data = bytearray(self.size)
        done: list[Field] = []
        for field in self.fields:
            if field.name not in values:
                continue
            value = values[field.name]
            shared = [other.name for other in done if other.overlaps(field)]
            if shared:
                raise ValueError(f"{self.name}: {field.name} and {shared[0]} are the same bytes; give one of them")
            if isinstance(value, bytes) and len(value) > field.size:  # struct would cut it off
                raise ValueError(f"{self.name}.{field.name}: {len(value)} bytes do not fit its {field.size}")
            try:
                struct.pack_into(_prefix(byteorder) + field.code, data, field.offset, value)
            except struct.error as error:
                raise ValueError(
                    f"{self.name}.{field.name}: {value!r} does not fit code {field.code!r}: {error}"
                ) from error
            done.append(field)
        return bytes(data)

    def unpack(
        self, data: bytes | bytearray | memoryview, byteorder: ByteOrder = sys.byteorder, offset: int = 0
    ) -> dict[str, int | float | bytes]:
        """Every field, overlays too, of the struct that starts ``offset`` bytes into ``data``."""
        if offset < 0 or len(data) - offset < self.size:
            raise ValueError(f"{self.name}: {self.size} bytes at {offset} are not inside the {len(data)} bytes given")
        prefix = _prefix(byteorder)
        return {
            field.name: struct.unpack_from(prefix + field.code, data, offset + field.offset)[0] for field in self.fields
        }


#: Layouts by the name of the architecture that they hold on.
Table: TypeAlias = Mapping[str, Sequence[Layout]]


class Measured(TypedDict):
    """What a compiler says of a struct; plain JSON."""

    size: int
    align: int
    #: Name to (offset, size).
    fields: Mapping[str, Sequence[int]]


def check(layout: Layout, measured: Measured) -> list[str]:
    """Hold a layout against what was measured: one line for each difference, none if they are the same.

    Both ways: what is declared and not measured is a difference, and so is what is measured and not declared.
    """
    differences = []
    for what, declared in (("size", layout.size), ("align", layout.align)):
        found = measured.get(what)
        if found != declared:
            differences.append(f"{layout.name}: {what} declared {declared}, {_said(found)}")
    unseen = dict(measured.get("fields", {}))
    for field in layout.fields:
        place = unseen.pop(field.name, None)
        if place is None or tuple(place) != (field.offset, field.size):
            differences.append(
                f"{layout.name}.{field.name}: declared {field.size} bytes at {field.offset}, "
                + _said(None if place is None else f"{place[1]} bytes at {place[0]}")
            )
    differences += [
        f"{layout.name}.{name}: not declared, measured {size} bytes at {offset}"
        for name, (offset, size) in unseen.items()
    ]
    return differences


def check_all(layouts: Iterable[Layout], measured: Mapping[str, Measured]) -> list[str]:
    """:func:`check` every layout against the measurement of the same name; a name on one side only is a difference."""
    differences = []
    unseen = dict(measured)
    for layout in layouts:
        found = unseen.pop(layout.name, None)
        differences += [f"{layout.name}: declared, not measured"] if found is None else check(layout, found)
    return differences + [f"{name}: not declared, measured" for name in unseen]


def select(table: Table, on: Architecture | None = None) -> Sequence[Layout]:
    """The layouts that hold on an architecture, the running one if none is given.

    Raises LookupError for one that the table does not have: layouts are measured, never guessed.
    """
    wanted = on or architecture()
    if wanted.name not in table:
        raise LookupError(
            f"no layouts for {wanted.name} ({wanted.byteorder} endian, {wanted.pointer * 8} bits); there are some for "
            f"{', '.join(sorted(table))}; measure them with a C probe (compl_core.layout_probe) and add a row"
        )
    return table[wanted.name]


def _said(found: object) -> str:
    return "not measured" if found is None else f"measured {found}"


def _prefix(byteorder: ByteOrder) -> str:
    return "<" if byteorder == "little" else ">"


@functools.cache
def _codec(layout: Layout, byteorder: ByteOrder) -> struct.Struct:
    parts = [_prefix(byteorder)]
    position = 0
    for field in layout.fields:
        if not field.overlay:
            parts += [f"{field.offset - position}x", field.code]
            position = field.end
    return struct.Struct("".join([*parts, f"{layout.size - position}x"]))
