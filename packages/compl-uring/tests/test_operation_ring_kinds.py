"""OperationRing on rings of every kind: a kernel thread that submits, one thread alone, large entries, small queues."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from typing import Any

import pytest

from compl_core import WrongThreadError
from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    ErrorKind,
    OperationRing,
    Ring,
    RingError,
    RingOperation,
    SetupFlags,
    Submitter,
)

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "SQPOLL": {"sq_thread_idle": 10},
    "COOP_TASKRUN": {"flags": SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG},
    "DEFER_TASKRUN": {"flags": SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN},
    "SQE128": {"flags": SetupFlags.SQE128},
    "CQE32": {"flags": SetupFlags.CQE32},
    "SUBMIT_ALL": {"flags": SetupFlags.SUBMIT_ALL},
    "small": {"cq_entries": 8},
}


def ring_of(kind: str, entries: int = 8) -> Ring:
    """Skips where the kernel knows no such ring."""
    try:
        return Ring(entries, **KINDS[kind])
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip(f"this kernel has no IORING_SETUP_{kind}")


class Mixed(RingOperation[str]):
    """Entries that complete at once, later, when something comes, and never; each does so once."""

    def __init__(self, ears: socket.socket, mouth: socket.socket) -> None:
        self.ears, self.mouth = ears, mouth
        self.pushed: Counter[str] = Counter()
        self.completed: Counter[str] = Counter()
        self.torn_down: list[tuple[str, int]] = []

    def push(self, submitter: Submitter[str], entry: Any, data: str) -> None:
        submitter.push(entry, data)
        self.pushed[data] += 1

    def setup(self, submitter: Submitter[str]) -> None:
        for number in range(300):
            self.push(submitter, submitter.prepare.nop(), f"nop {number}")
        for number in range(50):
            self.push(submitter, submitter.prepare.timeout(number / 5000), f"timeout {number}")
        self.push(submitter, submitter.prepare.timeout(3600), "never")
        self.push(submitter, submitter.prepare.recv(self.ears, bytearray(10)), "hears")

    def on_completion(
        self, entry: CompletionEntry, data: str, submitter: Submitter[str]
    ) -> tuple[ControlFlow, str | None]:
        self.completed[data] += 1
        if data == "timeout 49":
            self.push(submitter, submitter.prepare.send(self.mouth, b"hello"), "speaks")
        if sum(self.completed.values()) == sum(self.pushed.values()) - 1:
            self.program.stop()
        return Continue(), None

    def on_teardown_completion(self, entry: CompletionEntry, data: str, submitter: Submitter[str]) -> None:
        self.torn_down.append((data, entry.res))

    program: OperationRing


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_ring(kind: str, pair: tuple[socket.socket, socket.socket]) -> None:
    with ring_of(kind) as ring:
        mixed = Mixed(*pair)
        mixed.program = OperationRing(ring, mixed=mixed)
        mixed.program.run()
        assert ring.in_flight == 0
    assert mixed.torn_down == [("never", -errno.ECANCELED)]
    assert mixed.completed + Counter(["never"]) == mixed.pushed


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_ring_is_torn_down(kind: str, pair: tuple[socket.socket, socket.socket]) -> None:
    """With most of it in the backlog."""
    with ring_of(kind) as ring:
        mixed = Mixed(*pair)
        program = OperationRing(ring, mixed=mixed)
        program.stop()
        program.run()
        assert ring.in_flight == 0
    assert Counter(data for data, _ in mixed.torn_down) == mixed.pushed
    assert not mixed.completed


def test_a_ring_of_another_thread_alone(pair: tuple[socket.socket, socket.socket], background: Any) -> None:
    """It is refused there, with the reason, and nothing hangs."""
    with ring_of("DEFER_TASKRUN") as ring:
        run = background(OperationRing(ring, mixed=Mixed(*pair)).run)
        error = run.exception(30)
        assert isinstance(error, RingError)
        assert error.kind is ErrorKind.API
        assert isinstance(error.__cause__, WrongThreadError)
