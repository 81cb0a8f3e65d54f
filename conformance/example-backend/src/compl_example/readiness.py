"""What a file is ready for, exactly: selectors say "readable" for an error and a hang-up too."""

from __future__ import annotations

import select
import sys

from compl_core import Interest

if sys.platform != "win32":

    def readiness(number: int, interest: Interest) -> Interest:
        """The part of ``interest`` that holds now, with ERROR and HANGUP where they are; NONE if nothing does."""
        asked = (select.POLLIN if interest & Interest.READABLE else 0) | (
            select.POLLOUT if interest & Interest.WRITABLE else 0
        )
        poller = select.poll()
        poller.register(number, asked)
        ready = Interest.NONE
        for _, events in poller.poll(0):
            if events & select.POLLIN:
                ready |= Interest.READABLE
            if events & select.POLLOUT:
                ready |= Interest.WRITABLE
            if events & select.POLLERR:
                ready |= Interest.ERROR
            if events & select.POLLHUP:
                ready |= Interest.HANGUP
        if ready & (Interest.ERROR | Interest.HANGUP):
            ready |= interest  # reading or writing would not block: it would tell what is wrong
        return ready

else:

    def readiness(number: int, interest: Interest) -> Interest:
        """The part of ``interest`` that holds now; ERROR for a connection that did not come about."""
        readable, writable, failed = select.select(
            [number] if interest & Interest.READABLE else [],
            [number] if interest & Interest.WRITABLE else [],
            [number],
            0,
        )
        ready = Interest.NONE
        if readable:
            ready |= Interest.READABLE
        if writable:
            ready |= Interest.WRITABLE
        if failed:
            ready |= Interest.ERROR | interest
        return ready
