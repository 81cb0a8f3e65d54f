"""Where the kernel puts the fields of ``struct epoll_event``, for every architecture, as data.

Packed on x86 alone, so that 32-bit and 64-bit programs share one layout there: epoll_ctl(2), ``__EPOLL_PACKED`` in
<bits/epoll.h>, ``EPOLL_PACKED`` in <uapi/linux/eventpoll.h> (which packs x86-64 only; on i386, whose 64-bit integers
are aligned to 4, the offsets are the same anyway).
"""

from __future__ import annotations

from compl_core.layout import Field, Layout, Table

#: What a C probe of these layouts includes.
HEADERS = ("sys/epoll.h",)


def _epoll_event(size: int, align: int, data: int) -> tuple[Layout, ...]:
    return (Layout("struct epoll_event", size, align, (Field("events", 0, 4), Field("data.u64", data, 8))),)


LAYOUTS: Table = {
    "x86_64": _epoll_event(12, 1, 4),
    "x32": _epoll_event(12, 1, 4),
    "i386": _epoll_event(12, 1, 4),
    "aarch64": _epoll_event(16, 8, 8),
    "arm": _epoll_event(16, 8, 8),
    "riscv64": _epoll_event(16, 8, 8),
    "loongarch64": _epoll_event(16, 8, 8),
    "ppc64le": _epoll_event(16, 8, 8),
    "ppc64": _epoll_event(16, 8, 8),
    "s390x": _epoll_event(16, 8, 8),
}
