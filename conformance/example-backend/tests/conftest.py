"""Fixtures of these tests."""

from __future__ import annotations

import select
from collections.abc import Callable

import pytest


@pytest.fixture
def watch() -> Callable[[int], bool]:
    """Whether a descriptor is readable now."""

    def readable(number: int) -> bool:
        return bool(select.select([number], [], [], 0)[0])

    return readable
