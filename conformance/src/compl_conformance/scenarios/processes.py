"""Programs in a process of their own, and forked children, for what would take the judging process down with it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from compl_conformance.expect import ExpectationFailed, expect, patience
from compl_conformance.sources import host_lacks

_OPENING = """\
import sys
from compl_core import registry
port = registry.load(sys.argv[1]).open()
"""


def program(spec: str, source: str) -> list[str]:
    """The command line of a Python program that opens a ``port`` of the backend, then runs ``source``."""
    return [sys.executable, "-X", "faulthandler", "-c", _OPENING + textwrap.dedent(source), spec]


def run_program(spec: str, source: str, *, timeout: float = 8.0) -> str:
    """Run :func:`program` to its end: it exits with 0 within ``timeout`` seconds.  Returns what it printed."""
    timeout = patience(timeout)
    try:
        done = subprocess.run(program(spec, source), capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ExpectationFailed(f"the program to end within {timeout:g} s", f"it still ran; {error.stderr!r}") from None
    expect(
        done.returncode == 0,
        "the program to exit with status 0",
        f"status {done.returncode}; stdout {done.stdout.strip()!r}; stderr {done.stderr.strip()!r}",
    )
    return done.stdout.strip()


def in_fork(call: Callable[[], Any], *, timeout: float = 5.0) -> str:
    """Fork, and call in the child; ``str`` of what it returned, ExpectationFailed with its traceback if it raised."""
    if sys.platform == "win32":
        host_lacks("this system has no fork()", fix="judge this rule on a POSIX system")
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # CPython 3.12+ warns of fork() beside other threads, and a port may own some; this child only asks and exits.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(call, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        answered, _, _ = select.select([answers], [], [], patience(timeout))
        if not answered:
            os.kill(child, signal.SIGKILL)
        answer = answers.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if not answer:
        raise ExpectationFailed(f"the forked child to answer within {timeout:g} s", f"none, status {status}")
    if answer[0] == "!":
        raise ExpectationFailed("the forked child to keep the rule", answer[1:])
    return answer[1:]


def _answer(call: Callable[[], Any], writing: int) -> NoReturn:
    try:
        answer = f"={call()}"
    except BaseException:  # whatever it is, nothing of the parent's may run on in the child
        answer = "!" + traceback.format_exc()
    os.write(writing, answer.encode())
    os._exit(0)
