"""Thousands of connected stream sockets that stay silent, their other ends in a process of their own.

AF_UNIX, so that no local port is used up; a process of its own, so that the limit on descriptors holds twice.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def connected(count: int) -> Iterator[list[socket.socket]]:
    """Our ends, non-blocking."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "crowd")
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-P", "-m", "bench.crowd", str(path), str(count)]
        with subprocess.Popen(command, stdin=subprocess.PIPE):  # leaving the block closes stdin, which ends it
            ends = []
            for _ in range(count):
                end, _address = listener.accept()
                end.setblocking(False)
                ends.append(end)
            yield ends


def main() -> None:
    path, count = sys.argv[1:]
    ends = []
    for _ in range(int(count)):
        end = socket.socket(socket.AF_UNIX)
        end.connect(path)
        ends.append(end)
    sys.stdin.read()


if __name__ == "__main__":
    main()
