"""``python -m compl_uring``: what io_uring gives on this host."""

from __future__ import annotations

import sys

from compl_core import Capability
from compl_uring.opcodes import Opcode
from compl_uring.probe import probe
from compl_uring.ring import Ring


def main() -> int:
    found = probe()
    if not found.available:
        print(f"uring: not available: {found.reason}; {found.fix}")
        return 1
    declared = [str(one.name) for one in Capability if one in found.capabilities]
    print("uring: available")
    print("capabilities:", ", ".join(declared))
    for name, value in found.details.items():
        print(f"{name}: {value}")
    with Ring(2) as ring:
        kernel = ring.probe()
    lacking = [code.name for code in Opcode if code not in kernel.opcodes]
    print("features:", ", ".join(str(one.name) for one in kernel.features))
    print(f"opcodes: {len(kernel.opcodes)} of {len(Opcode)}" + (f", not {', '.join(lacking)}" if lacking else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
