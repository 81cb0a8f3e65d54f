"""What is missing is named with the package that brings it, and nothing is called missing that is there."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

import prerequisites
import pytest


def test_nothing_is_missing_where_this_was_built() -> None:
    found = prerequisites.missing(native=shutil.which(prerequisites.compiler()[0]) is not None)
    assert not found


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    (lacking,) = prerequisites.missing(native=True)
    assert lacking.what == "a C compiler"
    assert "no-such-compiler" in lacking.why
    assert "gcc" in lacking.debian
    assert not prerequisites.missing(native=False)


def test_no_headers_of_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    lacking = {one.what: one for one in prerequisites.missing(native=True)}["Python.h"]
    assert lacking.debian[0].endswith("-dev")
    assert lacking.fedora == ("python3-devel",)


def test_no_ensurepip(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else known(name))
    (lacking,) = prerequisites.missing(native=False)
    assert lacking.debian[0].endswith("-venv")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the compiler")
def test_no_headers_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'probe.c:1:10: fatal error: stdio.h: No such file or directory' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    (lacking,) = prerequisites.missing(native=True)
    assert "stdio.h" in lacking.why
    assert "libc6-dev" in lacking.debian


def test_one_command_brings_all() -> None:
    text = prerequisites.report(
        [
            prerequisites.Missing("x", "why", ("a", "b"), ("c",)),
            prerequisites.Missing("y", "why", ("b", "d"), ("c", "e")),
        ]
    )
    assert "sudo apt-get install a b d" in text
    assert "sudo dnf install c e" in text
