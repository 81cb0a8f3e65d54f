"""PyPI's liburing, set up as its fastest: for one thread, the ring's descriptor registered."""

from __future__ import annotations

import importlib
from typing import Any


def binding() -> Any:
    """The module, which has no types."""
    return importlib.import_module("liburing")


def open_ring(entries: int) -> Any:
    liburing = binding()
    ring = liburing.Ring()
    liburing.io_uring_queue_init(
        entries, ring, liburing.IORING_SETUP_SINGLE_ISSUER | liburing.IORING_SETUP_DEFER_TASKRUN
    )
    liburing.io_uring_register_ring_fd(ring)
    return ring
