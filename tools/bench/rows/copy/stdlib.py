"""Row `copy`, the standard library: shutil, which picks sendfile(2) or copy_file_range(2), and a plain loop."""

from __future__ import annotations

import functools
import os
import shutil

from bench.row import Values
from bench.rows.copy.files import measured, measured_call


def copyfile(source: str, target: str, copies: int, cold: int, seconds: float) -> Values:
    del seconds  # the work is fixed
    return measured_call(functools.partial(shutil.copyfile, source, target), source, target, copies, cold)


def read_and_write(source: str, target: str, copies: int, cold: int, seconds: float) -> Values:
    del seconds

    def copy(reading: int, writing: int, size: int) -> None:
        buffer = memoryview(bytearray(1 << 18))
        while size:
            count = os.readv(reading, [buffer])
            if os.write(writing, buffer[:count]) != count or not count:
                raise RuntimeError("short")
            size -= count

    return measured(copy, source, target, copies, cold)
