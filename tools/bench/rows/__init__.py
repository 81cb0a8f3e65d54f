"""The rows, in the order in which they are run and shown."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from bench.row import Row

#: Each is a module or package of this name with a ``ROW``.
NAMES = ("epoll", "idle", "nop", "post", "echo", "reads", "copy", "memory", "iocp", "iocp_echo")


def load(name: str) -> Row:
    row: Row = importlib.import_module(f"{__name__}.{name}").ROW
    return row


def load_all() -> Mapping[str, Row]:
    return {name: load(name) for name in NAMES}
