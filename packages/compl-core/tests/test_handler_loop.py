"""The loop of handlers over a queue in memory: setup, control flow, data, the backlog, cancels, stopping."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest

from compl_core.backlog import Request, State
from compl_core.handler_loop import HandlerLoop
from compl_core.handlers import (
    Arrival,
    Continue,
    ControlFlow,
    Error,
    ErrorKind,
    Exit,
    Handler,
    HandlerError,
    Member,
    Queue,
    Warn,
)


class Entry(NamedTuple):
    result: Any
    more: bool = False


CANCELLED = Entry("cancelled")


class Submitter:
    """Work is the list of entries that it completes with; one without any stays until it is cancelled."""

    def __init__(self, loop: HandlerLoop[Entry], member: Member) -> None:
        self.loop, self.member = loop, member

    def push(self, data: str, *entries: Entry) -> int:
        return self.many((data, list(entries)))[0]

    def many(self, *items: tuple[str, list[Entry]]) -> list[int]:
        self.loop.check(self.member, "push")
        return [one.number for one in self.loop.push(self.member, [(work, data) for data, work in items])]


class MemoryQueue(Queue[Entry]):
    """A kernel with room for ``room`` entries, which completes what it can in the next turn."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.filled: list[tuple[Request[Member], list[Entry]]] = []
        self.held: dict[int, Request[Member]] = {}
        self.ready: list[Arrival[Entry]] = []
        self.bell = threading.Event()
        self.taken: list[int] = []

    def open(self, loop: HandlerLoop[Entry]) -> None:
        assert not self.held

    def close(self) -> None:
        assert not self.held
        assert not self.filled

    def submitter(self, loop: HandlerLoop[Entry], member: Member) -> Submitter:
        return Submitter(loop, member)

    def start(self, group: Sequence[Request[Member]]) -> bool:
        if len(self.filled) + len(group) > self.room:
            return False
        self.filled += [(request, request.work) for request in group]
        return True

    def flush(self) -> bool:
        some = bool(self.filled)
        for request, entries in self.filled:
            self.taken.append(request.number)
            self.ready += [(request, entry, not entry.more) for entry in entries]
            if not entries or entries[-1].more:
                self.held[request.number] = request
        self.filled.clear()
        return some

    def turn(self, timeout: float | None) -> Iterable[Arrival[Entry]]:
        self.flush()
        if not self.ready and timeout is None:
            assert self.bell.wait(30), "nothing would ever come"
        ready, self.ready = self.ready, []
        return ready

    def cancel(self, request: Request[Member]) -> None:
        self.flush()
        if self.held.pop(request.number, None):
            self.ready.append((request, CANCELLED, True))

    def settle(self) -> None:
        self.bell.set()

    @property
    def settled(self) -> bool:
        return self.bell.is_set()

    @property
    def lost(self) -> bool:
        return False

    def cancelled(self, request: Request[Member]) -> Entry:
        return CANCELLED

    def wake(self) -> None:
        self.bell.set()


class Scripted(Handler[str, Entry, Submitter]):
    """Does in its callbacks what a test says, and keeps what it was called with in a log that may be shared."""

    def __init__(
        self,
        setup: Callable[[Submitter], object],
        completion: Callable[[Entry, str, Submitter], Any] = lambda entry, data, submitter: (Continue(), None),
        teardown: Callable[[Entry, str, Submitter], object] = lambda entry, data, submitter: None,
        log: list[Any] | None = None,
    ) -> None:
        self.log: list[Any] = [] if log is None else log
        self.calls = setup, completion, teardown

    def setup(self, submitter: Submitter) -> None:
        self.log.append("setup")
        self.calls[0](submitter)

    def on_completion(self, entry: Entry, data: str, submitter: Submitter) -> tuple[ControlFlow, str | None]:
        self.log.append((data, entry.result))
        return self.calls[1](entry, data, submitter)  # type: ignore[no-any-return]

    def on_teardown_completion(self, entry: Entry, data: str, submitter: Submitter) -> None:
        self.log.append((f"end {data}", entry.result))
        self.calls[2](entry, data, submitter)


def loop_of(*handlers: Handler[Any, Entry, Any], room: int = 100, limit: int | None = None) -> HandlerLoop[Entry]:
    named = dict(zip("abcdef", handlers, strict=False))
    return HandlerLoop(MemoryQueue(room), named, limit, what="loop")


def fails(loop: HandlerLoop[Entry], kind: ErrorKind, name: str | None = "a") -> HandlerError:
    with pytest.raises(HandlerError) as caught:
        loop.run()
    assert (caught.value.kind, caught.value.operation) == (kind, name)
    return caught.value


def raises(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise error

    return call


# ---- completions and data -------------------------------------------------------------------------------------------


def test_until_nothing_is_left() -> None:
    one = Scripted(lambda submitter: submitter.push("x", Entry(1)))
    two = Scripted(lambda submitter: submitter.push("y", Entry(2)), log=one.log)
    loop = loop_of(one, two)
    loop.run()
    assert one.log == ["setup", "setup", ("x", 1), ("y", 2)]
    assert not loop.requests
    loop.run()  # as often as one likes
    assert len(one.log) == 8


def test_data_goes_on_with_the_request() -> None:
    """What is returned comes with the next completion; None leaves it; after the last it is of no use."""
    answers = {"1": "2", "2": None, "3": "x"}
    handler = Scripted(
        lambda submitter: submitter.push("1", Entry(0, more=True), Entry(1, more=True), Entry(2, more=True), Entry(3)),
        lambda entry, data, submitter: (Continue(), answers.get(data)),
    )
    loop_of(handler).run()
    assert handler.log[1:] == [("1", 0), ("2", 1), ("2", 2), ("2", 3)]


@pytest.mark.parametrize("falsy", ["", 0, False, ()])
def test_data_that_is_false_is_data(falsy: Any) -> None:
    handler = Scripted(
        lambda submitter: submitter.push("first", Entry(0, more=True), Entry(1)),
        lambda entry, data, submitter: (Continue(), falsy),
    )
    loop_of(handler).run()
    assert handler.log[2] == (falsy, 1)


def test_exit_leaves_the_rest_to_the_teardown() -> None:
    handler = Scripted(
        lambda submitter: [
            submitter.push(name, *entries) for name, *entries in (("x", Entry(1)), ("y", Entry(2)), ("z",))
        ],
        lambda entry, data, submitter: (Exit(), None),
    )
    loop_of(handler).run()
    assert handler.log == ["setup", ("x", 1), ("end y", 2), ("end z", "cancelled")]


def test_warn_logs_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    problem = ValueError("odd")
    handler = Scripted(
        lambda submitter: submitter.push("x", Entry(1, more=True), Entry(2)),
        lambda entry, data, submitter: (Warn(problem), None),
    )
    with caplog.at_level(logging.WARNING):
        loop_of(handler).run()
    assert len(handler.log) == 3
    assert [record.getMessage() for record in caplog.records] == ["loop: operation 'a': ValueError: odd"] * 2
    assert caplog.records[0].exc_info and caplog.records[0].exc_info[1] is problem
    assert caplog.records[0].name == "compl_core.handlers"


# ---- failures -------------------------------------------------------------------------------------------------------


def test_error_ends_the_loop() -> None:
    problem = ValueError("odd")
    handler = Scripted(
        lambda submitter: submitter.many(("x", [Entry(1)]), ("y", [])),
        lambda entry, data, submitter: (Error(problem), None),
    )
    assert fails(loop_of(handler), ErrorKind.COMPLETION).__cause__ is problem
    assert handler.log == ["setup", ("x", 1), ("end y", "cancelled")]


def test_what_a_callback_raises_is_an_error() -> None:
    problem = ValueError("odd")
    handler = Scripted(lambda submitter: submitter.push("x", Entry(1)), raises(problem))
    assert fails(loop_of(handler), ErrorKind.COMPLETION).__cause__ is problem


@pytest.mark.parametrize("answer", [None, Continue(), (None, None), (Continue(),), "no"])
def test_an_answer_that_is_none(answer: Any) -> None:
    handler = Scripted(lambda submitter: submitter.push("x", Entry(1)), lambda entry, data, submitter: answer)
    assert "return a pair" in str(fails(loop_of(handler), ErrorKind.API))


def test_a_setup_that_fails_takes_down_what_was_set_up() -> None:
    """Also what it had started itself."""
    problem = ValueError("odd")

    def half(submitter: Submitter) -> None:
        submitter.push("half")
        raise problem

    one = Scripted(lambda submitter: submitter.push("whole"))
    two = Scripted(half, log=one.log)
    never = Scripted(lambda submitter: submitter.push("never"), log=one.log)
    assert fails(loop_of(one, two, never), ErrorKind.SETUP, "b").__cause__ is problem
    assert one.log == ["setup", "setup", ("end half", "cancelled"), ("end whole", "cancelled")]


def test_several_failures_come_as_a_group() -> None:
    handler = Scripted(
        lambda submitter: submitter.many(("x", [Entry(1)]), ("y", []), ("z", [])),
        lambda entry, data, submitter: (Error(ValueError("first")), None),
        raises(KeyError("later")),
    )
    with pytest.raises(ExceptionGroup, match="loop: 3 failures") as caught:
        loop_of(handler).run()
    failures = [error for error in caught.value.exceptions if isinstance(error, HandlerError)]
    assert [error.kind for error in failures] == [ErrorKind.COMPLETION, ErrorKind.TEARDOWN, ErrorKind.TEARDOWN]
    assert handler.log[2:] == [("end y", "cancelled"), ("end z", "cancelled")]


def test_an_interrupt_comes_out_when_all_is_torn_down() -> None:
    handler = Scripted(
        lambda submitter: submitter.many(("x", [Entry(1)]), ("y", [])),
        raises(KeyboardInterrupt()),
        raises(OSError("no")),
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        loop_of(handler).run()
    assert handler.log[2:] == [("end y", "cancelled")]
    assert caught.value.__notes__ == ["loop: teardown of operation 'a': on_teardown_completion() raised OSError: no"]


def test_a_queue_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = loop_of(Scripted(lambda submitter: submitter.push("x")))
    problem = OSError(5, "gone")
    monkeypatch.setattr(loop.queue, "open", raises(problem))
    assert fails(loop, ErrorKind.API, None).__cause__ is problem


# ---- the backlog ----------------------------------------------------------------------------------------------------


def test_what_does_not_fit_waits_in_order() -> None:
    def setup(submitter: Submitter) -> None:
        for number in range(10):
            submitter.push(str(number), Entry(number))
        assert len(submitter.loop.backlog) == 7

    handler = Scripted(setup)
    loop_of(handler, room=3).run()
    assert handler.log[1:] == [(str(number), number) for number in range(10)]


def test_a_group_is_handed_over_as_one() -> None:
    def setup(submitter: Submitter) -> None:
        submitter.push("0", Entry(0))
        submitter.push("1", Entry(0))
        submitter.many(("2", [Entry(0)]), ("3", [Entry(0)]))  # room for one of them
        submitter.push("4", Entry(0))  # does not overtake
        assert len(submitter.loop.backlog) == 3

    handler = Scripted(setup)
    loop_of(handler, room=3).run()
    assert [data for data, _ in handler.log[1:]] == list("01234")


def test_a_full_backlog_refuses_all_of_a_push() -> None:
    def setup(submitter: Submitter) -> None:
        for number in range(5):
            submitter.push(str(number), Entry(number))
        with pytest.raises(HandlerError) as caught:
            submitter.many(("x", []), ("y", []))
        assert caught.value.kind is ErrorKind.PUSH
        assert "limit is 3" in str(caught.value)
        assert len(submitter.loop.requests) == 5
        submitter.push("5", Entry(5))

    handler = Scripted(setup)
    loop_of(handler, room=3, limit=3).run()
    assert handler.log[1:] == [(str(number), number) for number in range(6)]


def test_a_push_that_nobody_catches_keeps_its_kind() -> None:
    handler = Scripted(lambda submitter: submitter.many(("x", []), ("y", [])))
    fails(loop_of(handler, room=1, limit=1), ErrorKind.PUSH)
    assert handler.log == ["setup"]


# ---- cancelling and stopping ----------------------------------------------------------------------------------------


def test_cancel() -> None:
    """Of what the kernel has, of what waits (its whole group), of a mailbox; once each."""

    def setup(submitter: Submitter) -> None:
        started = submitter.push("started")
        group = submitter.many(("waits", []), ("waits too", []))
        mailbox = submitter.loop.listen(submitter.member, "mailbox").number
        loop = submitter.loop
        assert loop.cancel(started)
        assert loop.cancel(group[1])
        assert loop.cancel(mailbox)
        assert [loop.cancel(number) for number in (group[0], group[1], mailbox, 99)] == [False] * 4

    handler = Scripted(setup)
    loop_of(handler, room=1).run()
    assert sorted(handler.log[1:]) == [(name, "cancelled") for name in ("mailbox", "started", "waits", "waits too")]


def test_a_mailbox_of_ones_own_number() -> None:
    def setup(submitter: Submitter) -> None:
        assert submitter.loop.listen(submitter.member, "zero", 0).number == 0
        with pytest.raises(HandlerError, match="0 is the number of another"):
            submitter.loop.listen(submitter.member, "again", 0)
        submitter.loop.stop()

    handler = Scripted(setup)
    loop_of(handler).run()
    assert handler.log == ["setup", ("end zero", "cancelled")]


def test_stop_from_another_thread() -> None:
    handler = Scripted(lambda submitter: submitter.push("x"))
    loop = loop_of(handler)
    thread = threading.Thread(target=loop.run)
    thread.start()
    while not handler.log:
        thread.join(0.001)
    assert loop.running
    loop.stop()
    thread.join(30)
    assert handler.log == ["setup", ("end x", "cancelled")]
    assert not loop.running


def test_stop_before_the_run_ends_it_after_its_setup() -> None:
    handler = Scripted(lambda submitter: submitter.push("x", Entry(1)))
    loop = loop_of(handler)
    loop.stop()
    loop.run()
    assert handler.log == ["setup", ("end x", 1)]
    loop.run()
    assert handler.log[2:] == ["setup", ("x", 1)]


# ---- misuse ---------------------------------------------------------------------------------------------------------


def test_one_run_at_a_time() -> None:
    loop: HandlerLoop[Entry]
    loop = loop_of(Scripted(lambda submitter: loop.run()))
    assert "already run by thread" in str(fails(loop, ErrorKind.API, None))


def test_submitters_belong_to_callbacks() -> None:
    kept: list[Submitter] = []
    problems: list[HandlerError] = []

    def elsewhere() -> None:
        with pytest.raises(HandlerError) as caught:
            kept[0].push("x")
        problems.append(caught.value)

    def setup(submitter: Submitter) -> None:
        kept.append(submitter)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(30)

    loop_of(Scripted(setup)).run()
    elsewhere()
    assert [error.kind for error in problems] == [ErrorKind.API] * 2
    assert ["runs it" in str(error) for error in problems] == [True, False]


# ---- the teardown ---------------------------------------------------------------------------------------------------


def test_each_request_is_told_once_in_reverse_order_of_setup() -> None:
    def setup(name: str) -> Callable[[Submitter], object]:
        return lambda submitter: [submitter.push(f"{name}{number}") for number in (1, 2)]

    one = Scripted(setup("a"))
    two = Scripted(setup("b"), log=one.log)
    last = Scripted(lambda submitter: submitter.loop.stop(), log=one.log)
    loop_of(one, two, last, room=3).run()  # the fourth is in the backlog
    assert one.log[3:] == [(f"end {name}", "cancelled") for name in ("b1", "b2", "a1", "a2")]


def test_what_comes_before_the_end_is_still_a_completion() -> None:
    """A connection that a multishot accept brought meanwhile is not lost."""
    handler = Scripted(
        lambda submitter: submitter.many(("x", [Entry(1)]), ("y", [Entry(2, more=True), Entry(3, more=True)])),
        lambda entry, data, submitter: (Exit(), "y again") if data == "x" else (Continue(), "again"),
    )
    loop_of(handler).run()
    assert handler.log[1:] == [("x", 1), ("y", 2), ("again", 3), ("end again", "cancelled")]


def test_what_is_started_by_the_teardown_is_torn_down() -> None:
    def goodbye(entry: Entry, data: str, submitter: Submitter) -> None:
        if data == "x":
            submitter.many(("bye", [Entry("said")]), ("hanging", []))

    handler = Scripted(lambda submitter: submitter.push("x"), teardown=goodbye)
    loop = loop_of(handler)
    loop.stop()
    loop.run()
    assert handler.log[1:] == [("end x", "cancelled"), ("end bye", "said"), ("end hanging", "cancelled")]


def test_a_teardown_without_end_is_ended() -> None:
    handler = Scripted(
        lambda submitter: submitter.push("x"), teardown=lambda entry, data, submitter: submitter.push(data)
    )
    loop = loop_of(handler)
    loop.stop()
    assert "in circles" in str(fails(loop, ErrorKind.API))
    assert not loop.requests


def test_what_does_not_end_is_leaked_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compl_core.teardown.PATIENCE", 0.0)
    leaked: list[Any] = []
    monkeypatch.setattr("compl_core.teardown._leaked", leaked)
    handler = Scripted(lambda submitter: submitter.push("x"))
    loop = loop_of(handler)
    monkeypatch.setattr(loop.queue, "cancel", lambda request: None)
    monkeypatch.setattr(loop.queue, "close", lambda: None)
    loop.stop()
    error = fails(loop, ErrorKind.TEARDOWN, None)
    assert "1 requests did not end" in str(error)
    assert handler.log == ["setup"]
    ((_, (request,)),) = leaked
    assert (request.data, request.state) == ("x", State.ENDED)


def test_a_queue_that_is_closed_has_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Scripted(lambda submitter: submitter.push("x"))
    loop = loop_of(handler)
    monkeypatch.setattr(loop.queue, "turn", raises(ValueError("closed")))
    monkeypatch.setattr(loop.queue, "close", lambda: None)
    monkeypatch.setattr(type(loop.queue), "lost", property(lambda self: True))
    fails(loop, ErrorKind.API, None)
    assert handler.log == ["setup", ("end x", "cancelled")]
