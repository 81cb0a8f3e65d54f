"""MSG_RING between rings and to oneself: messages reach the request they are addressed to, and end nothing."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    Exit,
    Opcode,
    OperationRing,
    Ring,
    RingOperation,
    Submitter,
)

Background = Callable[..., Future[Any]]
Until = Callable[[Callable[[], Any]], None]


@pytest.fixture(autouse=True)
def _messages(needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.MSG_RING)


class Box(RingOperation[str]):
    """Keeps what comes; ends when it is sent 99."""

    def __init__(self, setup: Callable[[Submitter[str]], object]) -> None:
        self.start = setup
        self.log: list[tuple[str, int, bool]] = []
        self.ready = threading.Event()

    def setup(self, submitter: Submitter[str]) -> None:
        self.start(submitter)
        self.ready.set()

    def on_completion(
        self, entry: CompletionEntry, data: str, submitter: Submitter[str]
    ) -> tuple[ControlFlow, str | None]:
        self.log.append((data, entry.res, submitter.is_message(entry)))
        return Exit() if entry.res == 99 else Continue(), f"{data}+"

    def on_teardown_completion(self, entry: CompletionEntry, data: str, submitter: Submitter[str]) -> None:
        self.log.append((f"end {data}", entry.res, submitter.is_message(entry)))


def send(ring: Ring, target: Ring, number: int, *results: int, cqe_flags: int | None = None) -> None:
    """From a ring that has no loop."""
    for res in results:
        ring.msg_ring(target, res, number, cqe_flags=cqe_flags)
    assert [entry.res for entry in ring.submit_and_wait(len(results), 10.0)] == [0] * len(results)


@pytest.mark.parametrize("cqe_flags", [None, 0, 2], ids=["default", "none", "F_MORE"])
def test_a_mailbox_outlives_its_messages(ring: Ring, background: Background, cqe_flags: int | None) -> None:
    """Whatever flags the sender gives them; the data that is returned goes with the next."""
    numbers: list[int] = []
    box = Box(lambda submitter: numbers.append(submitter.open_mailbox("box")))
    with Ring(8) as other:
        program = OperationRing(other, box=box)
        run = background(program.run)
        assert box.ready.wait(30)
        send(ring, other, numbers[0], 1, 2, 3, cqe_flags=cqe_flags)
        assert program.in_flight == 1
        send(ring, other, numbers[0], 99, cqe_flags=cqe_flags)
        run.result(30)
        assert other.in_flight == 0
    assert box.log == [
        ("box", 1, True),
        ("box+", 2, True),
        ("box++", 3, True),
        ("box+++", 99, True),
        ("end box++++", -errno.ECANCELED, False),
    ]


@pytest.mark.parametrize("cqe_flags", [None, 0, 2], ids=["default", "none", "F_MORE"])
def test_a_message_does_not_end_the_request_it_is_sent_to(
    ring: Ring, background: Background, cqe_flags: int | None
) -> None:
    """A request that the kernel has is still in flight after it, and completes once, by itself."""
    numbers: list[int] = []
    box = Box(lambda submitter: numbers.append(submitter.push(submitter.prepare.timeout(0.5), "timeout")))
    with Ring(8) as other:
        program = OperationRing(other, box=box)
        run = background(program.run)
        assert box.ready.wait(30)
        send(ring, other, numbers[0], 1, 2, cqe_flags=cqe_flags)
        run.result(30)
        assert (program.in_flight, other.in_flight) == (0, 0)
    assert box.log == [("timeout", 1, True), ("timeout+", 2, True), ("timeout++", -errno.ETIME, False)]


def test_the_senders_count_is_intact(background: Background) -> None:
    """Two loops that send to one another, raw and with data, end with nothing in flight."""
    rings = Ring(8), Ring(8)
    both = threading.Barrier(2)
    counts = 200

    class Player(RingOperation[str]):
        def __init__(self, here: int) -> None:
            self.there = rings[1 - here]
            self.seen = 0
            self.sent = 0

        def setup(self, submitter: Submitter[str]) -> None:
            submitter.open_mailbox("box", 7)
            both.wait(30)
            for number in range(counts):
                entry = submitter.prepare.msg_ring(self.there, number, 7, user_data=number)
                if number % 2:
                    submitter.push(entry, "sent")
                else:
                    submitter.push_raw(entry)

        def done(self) -> ControlFlow:
            return Exit() if self.seen == self.sent == counts else Continue()

        def on_completion(
            self, entry: CompletionEntry, data: str, submitter: Submitter[str]
        ) -> tuple[ControlFlow, str | None]:
            if data == "box":
                assert entry.res == self.seen
                self.seen += 1
            else:
                assert entry.res == 0
                self.sent += 1
            return self.done(), None

        def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[str]) -> ControlFlow:
            assert entry.res == 0
            self.sent += 1
            return self.done()

        def on_teardown_completion(self, entry: CompletionEntry, data: str, submitter: Submitter[str]) -> None:
            assert data == "box"

    programs = [OperationRing(ring, player=Player(here)) for here, ring in enumerate(rings)]
    for run in [background(program.run) for program in programs]:
        run.result(60)
    for ring in rings:
        assert ring.in_flight == 0
        ring.close()


def test_to_oneself(ring: Ring) -> None:
    def setup(submitter: Submitter[str]) -> None:
        number = submitter.open_mailbox("box")
        submitter.push_raw(submitter.prepare.msg_ring(submitter.ring, 99, number))

    box = Box(setup)
    OperationRing(ring, box=box).run()
    assert box.log == [("box", 99, True), ("end box+", -errno.ECANCELED, False)]


def test_a_message_for_nobody_is_said(
    ring: Ring, background: Background, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(lambda submitter: submitter.open_mailbox("box", 1))
    with Ring(8) as other, caplog.at_level(logging.WARNING, "compl_uring"):
        program = OperationRing(other, box=box)
        run = background(program.run)
        assert box.ready.wait(30)
        send(ring, other, 0, 5)
        send(ring, other, 1, 99)
        run.result(30)
        until(lambda: not program.running)
    assert box.log[0] == ("box", 99, True)
    (record,) = caplog.records
    assert "for nobody" in record.getMessage()
