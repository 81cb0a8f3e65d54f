"""What needs Windows stands in ``windows`` and is collected there alone; all else is tested on every system."""

from __future__ import annotations

import sys

NEEDS_WINDOWS = "tests/windows need Windows' completion ports: tox -e wine runs them on a Windows CPython under Wine"
collect_ignore = [] if sys.platform == "win32" else ["windows"]


def pytest_report_header() -> str:
    return "tests/windows: collected" if sys.platform == "win32" else NEEDS_WINDOWS
