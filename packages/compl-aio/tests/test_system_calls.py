"""What reaping costs, counted from outside by strace: events that are there are taken without a system call."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CALLS = ("io_submit", "io_getevents", "io_pgetevents")


def traced(source: str, folder: Path) -> dict[str, int]:
    """How often a program makes each call between the two lines that it writes to descriptor 2."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no strace, which counts the system calls (Debian: apt-get install strace)")
    log = folder / "calls"
    command = [strace, "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)},write", sys.executable, "-c"]
    done = subprocess.run([*command, textwrap.dedent(source)], capture_output=True, text=True, timeout=100, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this sandbox does not let strace trace (ptrace: EPERM)")
    assert done.returncode == 0, done.stderr
    text = log.read_text(encoding="utf-8")
    between = text.partition('write(2, "begin')[2].partition('write(2, "end')[0]
    assert between, text
    return {name: len(re.findall(rf"\b{name}\(", between)) for name in CALLS}


def test_events_of_a_context(tmp_path: Path) -> None:
    calls = traced(
        """
        import os
        from compl_aio import EventArray, IocbCmd, IoContext, IoControlBlock

        reader, writer = os.pipe()
        with IoContext(64) as context:
            blocks = [IoControlBlock(IocbCmd.POLL, writer, 4) for _ in range(16)]
            events = EventArray(16)
            os.write(2, b"begin")
            for _ in range(100):
                assert context.submit(blocks) == 16
                assert context.get_events(16, events) == 16
                assert context.get_events(0, events) == 0
            os.write(2, b"end")
        """,
        tmp_path,
    )
    assert calls == {"io_submit": 100, "io_getevents": 0, "io_pgetevents": 0}


def test_completions_of_a_port(tmp_path: Path) -> None:
    """One io_submit for all that wait, and nothing to learn what is ready."""
    calls = traced(
        """
        import os, socket
        from compl_aio import AioPort

        pairs = [socket.socketpair() for _ in range(16)]
        with AioPort() as port:
            buffers = [bytearray(1) for _ in pairs]
            os.write(2, b"begin")
            for _ in range(50):
                for (left, _), buffer in zip(pairs, buffers):
                    port.recv(left, buffer)
                port.flush()
                for _, right in pairs:
                    right.send(b"x")
                got = 0
                while got < 16:
                    got += len(port.wait(timeout=0))
            os.write(2, b"end")
        """,
        tmp_path,
    )
    assert calls == {"io_submit": 50, "io_getevents": 0, "io_pgetevents": 0}
