"""Small files of one idea: fails when a source file passes 400 lines, a test file 500, or a stub 800.

A stub is the list of what one compiled module has, and cannot be cut.
"""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SUFFIXES = frozenset({".c", ".h", ".pxd", ".pxi", ".py", ".pyi", ".pyx"})
_SOURCE, _TEST, _STUB = 400, 500, 800
_TEST_FOLDERS = frozenset({"scenarios", "tests"})
_GENERATED = frozenset({"build", "dist"})


def main() -> int:
    files = [path.relative_to(_ROOT) for path in _ROOT.rglob("*") if path.suffix in _SUFFIXES]
    files = [path for path in files if not any(part in _GENERATED or part.startswith(".") for part in path.parts)]
    found = [] if files else [f"no source files below {_ROOT}; run this from a checkout"]
    for path in sorted(files):
        lines = len((_ROOT / path).read_text(encoding="utf-8").splitlines())
        limit = _STUB if path.suffix == ".pyi" else _TEST if _TEST_FOLDERS.intersection(path.parts) else _SOURCE
        if lines > limit:
            found.append(f"{path}: {lines} lines, the limit is {limit}; split it by idea")
    print("\n".join(found) or f"{len(files)} files within {_SOURCE} lines (tests {_TEST})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
