"""What the port's own threads have in common.

They refer to the parts of a port that they work on, never to the port itself: else a port that everybody has dropped
would be kept alive by its own threads, and never warn.  A token may refer to anything, the port included, so the
port keeps the tokens for itself, and its parts know them by number.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable


def start(target: Callable[[], None], name: str) -> threading.Thread:
    """Start a thread that keeps no interpreter alive and takes no signal.

    Signals are the main thread's business.  SIGPIPE belongs to the thread that wrote; blocked here, a write to a
    pipe that nobody reads just fails with EPIPE, also in a process that has SIGPIPE at its deadly default.
    """

    def run() -> None:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        target()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
