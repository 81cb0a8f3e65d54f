"""Completion ports as Windows has them: the kernel's own names, u64 keys, several packets in one call.

A port is a queue in the kernel.  ``associate`` has the operations of a handle put a packet there when they end;
``post`` puts one there by hand, from any thread; ``get_many`` takes packets, and ``status`` only counts them.

What is not done here: starting operations.  Any way to start an overlapped operation will do (:mod:`compl_iocp.winsock`
loads those of sockets that have to be asked for), and :class:`compl_iocp.IocpPort` does all of it.

https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports
"""

from __future__ import annotations

import sys

from compl_iocp.entry import OverlappedEntry

if sys.platform == "win32":
    from compl_iocp._native import Iocp
else:
    from compl_iocp.elsewhere import Iocp

__all__ = ["Iocp", "OverlappedEntry"]
