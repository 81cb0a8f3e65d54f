"""``python -m compl_iocp``: what completion ports give on this host."""

from __future__ import annotations

import sys

from compl_core import Capability
from compl_iocp.probe import probe


def main() -> int:
    found = probe()
    if not found.available:
        print(f"iocp: not available: {found.reason}; {found.fix}")
        return 1
    declared = [str(one.name) for one in Capability if one in found.capabilities]
    print("iocp: available")
    print("capabilities:", ", ".join(declared))
    for name, value in found.details.items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
