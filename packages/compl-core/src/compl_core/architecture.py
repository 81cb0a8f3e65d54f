"""The machine a struct layout holds on: its name, byte order and pointer size."""

from __future__ import annotations

import dataclasses
import platform
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

ByteOrder: TypeAlias = Literal["little", "big"]


@dataclasses.dataclass(frozen=True, slots=True)
class Architecture:
    """What decides how a C compiler lays out a struct."""

    #: As ``uname -m`` has it, one spelling each; ``win64`` and ``win32`` for Windows, whatever the processor.
    name: str
    byteorder: ByteOrder
    #: Size of a pointer, in bytes.
    pointer: int


#: Those that a backend may state layouts for; others work just as well.
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        known.name: known
        for known in (
            Architecture("x86_64", "little", 8),
            Architecture("x32", "little", 4),
            Architecture("i386", "little", 4),
            Architecture("aarch64", "little", 8),
            Architecture("arm", "little", 4),
            Architecture("riscv64", "little", 8),
            Architecture("loongarch64", "little", 8),
            Architecture("ppc64le", "little", 8),
            Architecture("ppc64", "big", 8),
            Architecture("s390x", "big", 8),
            Architecture("win64", "little", 8),
            Architecture("win32", "little", 4),
        )
    }
)

_SPELLINGS = {"amd64": "x86_64", "arm64": "aarch64", "i86pc": "i386", "powerpc64le": "ppc64le", "powerpc64": "ppc64"}
#: What runs as a 32-bit process of a 64-bit kernel, whose uname does not say so.
_NARROW = {"x86_64": "i386", "aarch64": "arm"}


def architecture() -> Architecture:
    """The architecture of the running interpreter (not of its kernel: a 32-bit Python sees 32-bit structs)."""
    machine = "" if sys.platform == "win32" else platform.machine()  # not asked on Windows: it need not matter there
    triplet = getattr(sys.implementation, "_multiarch", "")
    return identify(sys.platform, machine, sys.byteorder, struct.calcsize("P"), triplet)


def identify(system: str, machine: str, byteorder: ByteOrder, pointer: int, triplet: str = "") -> Architecture:
    """Name what ``sys.platform``, ``uname -m``, byte order, a pointer's size and the multiarch triplet describe."""
    if system == "win32":
        name = "win64" if pointer == 8 else "win32"
    else:
        name = _SPELLINGS.get(machine.lower(), machine.lower())
        if len(name) == 4 and name[0] == "i" and name.endswith("86"):  # i486, i586, i686
            name = "i386"
        elif name.startswith("armv"):  # armv6l, armv7l, armv8l
            name = "arm"
        if pointer == 4:
            name = "x32" if triplet.endswith("x32") else _NARROW.get(name, name)
    return Architecture(name, byteorder, pointer)
