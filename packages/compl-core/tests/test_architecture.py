"""Naming the machine that a layout holds on."""

from __future__ import annotations

import struct
import sys

import pytest

from compl_core.architecture import ARCHITECTURES, ByteOrder, architecture, identify


@pytest.mark.parametrize(
    ("system", "machine", "byteorder", "pointer", "name"),
    [
        ("linux", "x86_64", "little", 8, "x86_64"),
        ("freebsd14", "amd64", "little", 8, "x86_64"),
        ("linux", "x86_64", "little", 4, "i386"),
        ("linux", "i386", "little", 4, "i386"),
        ("linux", "i686", "little", 4, "i386"),
        ("linux", "aarch64", "little", 8, "aarch64"),
        ("darwin", "arm64", "little", 8, "aarch64"),
        ("linux", "aarch64", "little", 4, "arm"),
        ("linux", "armv7l", "little", 4, "arm"),
        ("linux", "armv8l", "little", 4, "arm"),
        ("linux", "riscv64", "little", 8, "riscv64"),
        ("linux", "loongarch64", "little", 8, "loongarch64"),
        ("linux", "ppc64le", "little", 8, "ppc64le"),
        ("linux", "ppc64", "big", 8, "ppc64"),
        ("linux", "s390x", "big", 8, "s390x"),
        ("win32", "AMD64", "little", 8, "win64"),
        ("win32", "ARM64", "little", 8, "win64"),
        ("win32", "x86", "little", 4, "win32"),
    ],
)
def test_every_spelling_has_one_name(system: str, machine: str, byteorder: ByteOrder, pointer: int, name: str) -> None:
    assert identify(system, machine, byteorder, pointer) == ARCHITECTURES[name]


def test_x32_is_told_from_i386_by_its_triplet() -> None:
    assert identify("linux", "x86_64", "little", 4, "x86_64-linux-gnux32") == ARCHITECTURES["x32"]
    assert identify("linux", "x86_64", "little", 4, "i386-linux-gnu") == ARCHITECTURES["i386"]


def test_an_unknown_machine_keeps_its_name() -> None:
    found = identify("linux", "Quantum9", "big", 8)
    assert (found.name, found.byteorder, found.pointer) == ("quantum9", "big", 8)


def test_the_running_interpreter() -> None:
    running = architecture()
    assert running.byteorder == sys.byteorder
    assert running.pointer == struct.calcsize("P")
    assert (sys.platform == "win32") == running.name.startswith("win")


def test_names_are_keys() -> None:
    assert all(name == known.name for name, known in ARCHITECTURES.items())
