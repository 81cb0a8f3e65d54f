"""Teardowns that are disturbed: by interrupts, by completions that were lost, by requests that end out of turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import pytest

from compl_core.backlog import Request
from compl_core.handler_loop import HandlerLoop
from compl_core.handlers import Arrival, Continue, ControlFlow, Handler, HandlerError, Member, Queue
from compl_core.teardown import Teardown


class Held(Queue[str]):
    """Holds every request until it is cancelled; forgets those whose work is ``lose``."""

    def __init__(self) -> None:
        self.held: list[Request[Member]] = []
        self.ready: list[Arrival[str]] = []
        self.interrupts = 0
        self.closed = False

    def open(self, loop: HandlerLoop[str]) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def submitter(self, loop: HandlerLoop[str], member: Member) -> tuple[HandlerLoop[str], Member]:
        return loop, member

    def start(self, group: Sequence[Request[Member]]) -> bool:
        for request in group:
            if request.work == "ends":
                self.ready += [(request, "end", True), (request, "message", False)]
            elif request.work != "lose":
                self.held.append(request)
        return True

    def flush(self) -> bool:
        return False

    def turn(self, timeout: float | None) -> Iterable[Arrival[str]]:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        ready, self.ready = self.ready, []
        assert ready or timeout is not None, "nothing would ever come"
        return ready

    def cancel(self, request: Request[Member]) -> None:
        if request in self.held:
            self.held.remove(request)
            self.ready.append((request, "cancelled", True))

    def settle(self) -> None:
        pass

    @property
    def settled(self) -> bool:
        return True

    @property
    def lost(self) -> bool:
        return not self.held and not self.ready

    def cancelled(self, request: Request[Member]) -> str:
        return "cancelled here"

    def wake(self) -> None:
        pass


class Starts(Handler[str, str, tuple[HandlerLoop[str], Member]]):
    """Starts some works, each of which is its own data."""

    def __init__(self, *works: str) -> None:
        self.works = works
        self.log: list[tuple[str, str]] = []
        self.interrupt = False

    def setup(self, submitter: tuple[HandlerLoop[str], Member]) -> None:
        loop, member = submitter
        loop.push(member, [(work, work) for work in self.works])

    def on_completion(self, entry: str, data: str, submitter: object) -> tuple[ControlFlow, str | None]:
        self.log.append((data, entry))
        return Continue(), None

    def on_teardown_completion(self, entry: str, data: str, submitter: object) -> None:
        self.log.append((f"end {data}", entry))
        if self.interrupt:
            raise KeyboardInterrupt


def test_a_lost_completion_ends_its_request() -> None:
    """Without waiting for what will not come."""
    handler = Starts("lose", "held")
    loop = HandlerLoop(Held(), {"a": handler})
    loop.stop()
    loop.run()
    assert handler.log == [("end lose", "cancelled here"), ("end held", "cancelled")]


def test_interrupts_do_not_end_a_teardown() -> None:
    """Neither in its waits nor in its handlers; the first comes out in the end."""
    queue, handler = Held(), Starts("x", "y")
    handler.interrupt = True
    loop = HandlerLoop(queue, {"a": handler})
    queue.interrupts = 3
    with pytest.raises(KeyboardInterrupt) as caught:
        loop.run()
    assert handler.log == [("end x", "cancelled"), ("end y", "cancelled")]
    assert len(caught.value.__notes__) == 4
    assert queue.closed
    assert not loop.running


@pytest.mark.parametrize("method", ["_cancel", "_drain", "_tell"])
def test_an_interrupt_anywhere_else(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Behind a step, where nothing was under way: it goes on from there."""
    original = getattr(Teardown, method)
    interrupts = [KeyboardInterrupt()]

    def step(self: Teardown[str], *arguments: object) -> None:
        original(self, *arguments)
        if interrupts:
            raise interrupts.pop()

    monkeypatch.setattr(Teardown, method, step)
    queue, handler = Held(), Starts("x", "y")
    loop = HandlerLoop(queue, {"a": handler})
    loop.stop()
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert handler.log == [("end x", "cancelled"), ("end y", "cancelled")]
    assert queue.closed


def test_a_message_behind_the_last_completion_is_dropped() -> None:
    handler = Starts("ends")
    loop = HandlerLoop(Held(), {"a": handler})
    loop.run()
    assert handler.log == [("ends", "end")]


def test_two_threads_cannot_run_one_loop() -> None:
    started, go = threading.Event(), threading.Event()

    class Blocks(Starts):
        def setup(self, submitter: tuple[HandlerLoop[str], Member]) -> None:
            started.set()
            assert go.wait(30)

    loop = HandlerLoop(Held(), {"a": Blocks()})
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert started.wait(30)
    with pytest.raises(HandlerError, match="already run by thread"):
        loop.run()
    go.set()
    thread.join(30)
    loop.run()
