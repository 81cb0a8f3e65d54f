"""What this backend checks of its arguments beyond :mod:`compl_core.arguments`: Windows numbers, addresses."""

from __future__ import annotations

import ipaddress
import operator
import socket
import sys
from typing import Any

from compl_core.arguments import (
    buffer_or_pool,
    descriptor,
    flags,
    interest,
    offset,
    pool_shape,
    seconds,
    several,
    unsigned,
)

if sys.platform == "win32":
    from compl_example.nature import handle_of

__all__ = [
    "address",
    "buffer_or_pool",
    "flags",
    "interest",
    "number",
    "offset",
    "pool_shape",
    "seconds",
    "several",
    "unsigned",
]


def number(file: object) -> int:
    """The descriptor of ``file`` (Windows: the HANDLE or SOCKET); -1 for a closed one.  TypeError if it is none."""
    found = descriptor(file)
    if sys.platform == "win32" and found >= 0 and not isinstance(file, (int, socket.socket)):
        return handle_of(found)
    return found


def address(value: Any, family: int) -> Any:
    """An address that needs no resolving, for a socket of ``family``."""
    if family == getattr(socket, "AF_UNIX", None):
        if not isinstance(value, (str, bytes, bytearray)):
            raise TypeError(f"an AF_UNIX address is a path (str or bytes), not {type(value).__name__!r}")
    elif family in (socket.AF_INET, socket.AF_INET6):
        _internet(value, family)
    return value


def _internet(value: Any, family: int) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"an internet address is a tuple, (host, port), not {type(value).__name__!r}")
    if len(value) not in ((2,) if family == socket.AF_INET else (2, 3, 4)):
        raise TypeError(
            f"an internet address is (host, port), for IPv6 (host, port, flowinfo, scope_id) too, not {value!r}"
        )
    host, port = value[0], operator.index(value[1])
    if not isinstance(host, str):
        raise TypeError(f"a host is a str such as '127.0.0.1', not {type(host).__name__!r}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"a port is in 0..65535, not {port}")
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} is not a numeric address; resolve it first, with socket.getaddrinfo()") from None
    if parsed.version == 6 and family == socket.AF_INET:
        raise ValueError(f"{host!r} is an IPv6 address, the socket is IPv4")
    if parsed.version == 4 and family == socket.AF_INET6:
        raise ValueError(f"{host!r} is an IPv4 address, the socket is IPv6; write '::ffff:{host}'")
