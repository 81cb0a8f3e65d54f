"""``python -m compl_uring``, and what the package exports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import compl_uring
from compl_core import Probe
from compl_uring import Opcode, __main__


def test_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "compl_uring"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *rest = done.stdout.splitlines()
    assert first == "uring: available"
    assert second.startswith("capabilities: READINESS, ")
    assert any(line.startswith("features: ") and "NODROP" in line for line in rest)
    assert any(line.startswith("opcodes: ") and line.partition(",")[0].endswith(f"of {len(Opcode)}") for line in rest)


def test_the_command_where_it_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Probe(available=False, reason="io_uring_setup: EPERM", fix="use compl-epoll")
    monkeypatch.setattr(__main__, "probe", lambda: refused)
    assert __main__.main() == 1
    assert capsys.readouterr().out == "uring: not available: io_uring_setup: EPERM; use compl-epoll\n"


def test_what_is_exported_exists() -> None:
    assert all(hasattr(compl_uring, name) for name in compl_uring.__all__)
    assert len(set(compl_uring.__all__)) == len(compl_uring.__all__)
