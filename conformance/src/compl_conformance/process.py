"""One child process: pytest on the scenarios for one backend, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pytest

from compl_conformance import events

#: Seconds past a rule's own limit after which the parent no longer relies on the child's watchdog.
GRACE: Final = 10.0
#: Seconds that a child may take to import, probe and collect, and to exit.
STARTUP: Final = 60.0
_POLL: Final = 0.01


@dataclasses.dataclass(slots=True)
class Ending:
    """What is known of a child that has ended."""

    #: Exit status, negative for a signal.
    status: int = 0
    #: The rule that was running, and for how many seconds.
    running: str = ""
    ran_for: float = 0.0
    #: The limit that the child, or the rule, overstepped, in seconds; 0 when it did not.
    overstepped: float = 0.0
    #: The backend was imported and probed.
    probed: bool = False
    #: The last rule was through.
    finished: bool = False
    #: What faulthandler left.
    stacks: str = ""
    #: What pytest printed.
    output: str = ""

    @property
    def orderly(self) -> bool:
        """pytest itself chose to exit."""
        return not self.overstepped and self.status in set(pytest.ExitCode)

    def __str__(self) -> str:
        if self.overstepped:
            return f"hung: no end within {self.overstepped:g} s"
        if self.status < 0:
            with contextlib.suppress(ValueError):
                return f"crashed: {signal.Signals(-self.status).name}"
        return f"the process ended with status {self.status if abs(self.status) < 256 else hex(self.status)}"


def run(scenarios: Path, options: Sequence[str], directory: Path, on_event: Callable[[dict[str, Any]], None]) -> Ending:
    """Run pytest in a new process with its files in ``directory``; returns when it has ended, killed if need be."""
    stream, stacks, output, settings = (directory / name for name in ("events", "stacks", "output", "pytest.ini"))
    stream.touch()
    settings.write_text("[pytest]\n")  # nobody else's configuration has a say
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", str(scenarios), "-c", str(settings)]
    command += ["-q", "--tb=short"]
    command += [f"--rootdir={scenarios}", f"--confcutdir={scenarios}", "--import-mode=importlib"]
    command += ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "compl_conformance.plugin"]
    command += [f"--compl-events={stream}", f"--compl-stacks={stacks}", *options]
    ending = Ending()
    with output.open("wb") as printed:
        with _started(command, directory, printed) as process:
            _follow(process, events.EventReader(stream), ending, on_event)
    ending.stacks = stacks.read_text(errors="replace") if stacks.exists() else ""
    ending.output = output.read_text(errors="replace")
    return ending


@contextlib.contextmanager
def _started(command: list[str], directory: Path, printed: IO[bytes]) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(directory / "hypothesis")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # so that what a scenario has started can be ended with it
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)
        process.wait()


def _follow(
    process: subprocess.Popen[bytes],
    stream: events.EventReader,
    ending: Ending,
    on_event: Callable[[dict[str, Any]], None],
) -> None:
    limit, since = STARTUP, time.monotonic()
    while True:
        ended = process.poll() is not None  # asked first: nothing is written after it
        for event in stream.read():
            since = time.monotonic()
            kind = event["event"]
            ending.running = event["rule"] if kind == events.START else ""
            limit = event["limit"] + GRACE if kind == events.START else STARTUP
            ending.probed |= kind == events.BACKEND
            ending.finished |= kind == events.END
            on_event(event)
        ending.ran_for = time.monotonic() - since
        if ended:
            ending.status = process.returncode
            return
        if time.monotonic() - since > limit:
            ending.overstepped = limit
            _kill(process)
        time.sleep(_POLL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
