"""Puts rules to mutants, each in a child process of its own that is forked from this one.

Starting an interpreter, importing pytest and collecting take far longer than most rules do, so this process does the
first two once.  It reads jobs from standard input and answers on standard output, a JSON object on each line.
"""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

import mutants
from compl_conformance import events, plugin  # noqa: F401  the plugin is imported once, for all children
from compl_conformance.rule import Rule, catalogue

#: Seconds for a rule whose limit is the usual one: a mutant that hangs costs as much.
LIMIT: Final = 5.0
#: What comes at all comes at once; a mutant that loses something costs a fifth of the usual patience.
PATIENCE: Final = 0.2


def judge(spec: str, ids: list[str], rules: dict[str, Rule], options: list[str]) -> dict[str, Any]:
    """Rule by id: verdict, expected, actual, detail."""
    judged: dict[str, Any] = {}
    while remaining := [id for id in ids if id not in judged]:
        with tempfile.TemporaryDirectory(prefix="compl-mutant-", ignore_cleanup_errors=True) as directory:
            child = os.fork()
            if child == 0:
                _in_child(spec, {id: rules[id] for id in remaining}, Path(directory), options)
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what a scenario has started
            stream = Path(directory, "events")
            running = ""
            for event in events.EventReader(stream).read() if stream.exists() else ():
                running = event["rule"] if event["event"] == events.START else ""
                if event["event"] == events.JUDGED:
                    judged[event["rule"]] = event
            if running:
                stacks = Path(directory, "stacks").read_text()
                how = "hung" if "Timeout (" in stacks else f"crashed: status {status}"
                judged[running] = {"verdict": "FAIL", "expected": "", "actual": how, "detail": stacks}
            elif not any(id in judged for id in remaining):
                return {"broken": f"status {status}\n{Path(directory, 'output').read_text()}"}
    return judged


def _in_child(spec: str, rules: dict[str, Rule], directory: Path, options: list[str]) -> NoReturn:
    status = 70
    try:
        os.setsid()
        output = os.open(directory / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["TMPDIR"] = tempfile.tempdir = str(directory)  # goes with what a rule that hangs leaves there
        status = _pytest(spec, rules, directory, options)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # whatever it is, nothing of the parent's may run on in the child


def _pytest(spec: str, rules: dict[str, Rule], directory: Path, options: list[str]) -> int:
    settings = directory / "pytest.ini"
    settings.write_text("[pytest]\n")
    files = sorted({rule.file for rule in rules.values()})
    root = Path(files[0]).parent
    arguments = [*files, f"-c{settings}", "-q", "--tb=native", f"--rootdir={root}", f"--confcutdir={root}"]
    arguments += ["--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    arguments += ["-p", "compl_conformance.plugin", f"--compl-backend={spec}", "--compl-strict", "--compl-seed=1"]
    arguments += [f"--compl-events={directory / 'events'}", f"--compl-stacks={directory / 'stacks'}", *options]
    return pytest.main([*arguments, *(f"--compl-rule={id}" for id in rules)])


def main() -> None:
    """Serve until standard input ends."""
    rules = catalogue()
    mutants.everyone()
    gc.collect()
    gc.freeze()  # the children collect what is theirs
    for line in sys.stdin:
        job = json.loads(line)
        options = [f"--compl-timeout={LIMIT}", f"--compl-patience={PATIENCE}"] if job["impatient"] else []
        print(json.dumps(judge(job["spec"], job["rules"], rules, options)), flush=True)


if __name__ == "__main__":
    main()
