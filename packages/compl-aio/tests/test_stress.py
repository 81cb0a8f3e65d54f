"""The stress program, for a moment: each seed is another course of events."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

STEPS = 20_000
run = runpy.run_path(str(Path(__file__).with_name("stress.py")))["run"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost(seed: int) -> None:
    counts = run(STEPS, seed)
    assert {"RECV", "READ", "WRITE", "FSYNC", "POSTED", "READY", "TIMEOUT"} <= set(counts)
    assert sum(counts.values()) > STEPS / 10
