"""Pushing: one, many, raw; what has no room; mailboxes, cancels, and what is refused."""

from __future__ import annotations

import errno
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, assert_type

import pytest

from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    Error,
    ErrorKind,
    Exit,
    OperationRing,
    Prepare,
    Ring,
    RingError,
    RingOperation,
    SubmissionEntry,
    Submitter,
    Warn,
)

Setup = Callable[[Submitter[str]], object]


class Pushes(RingOperation[str]):
    """Calls ``push`` in its setup, and keeps all that comes."""

    def __init__(self, push: Setup) -> None:
        self.push = push
        self.completed: list[tuple[str, int]] = []
        self.torn_down: list[tuple[str, int]] = []
        self.raw: list[tuple[int, int, int]] = []

    def setup(self, submitter: Submitter[str]) -> None:
        self.push(submitter)

    def on_completion(
        self, entry: CompletionEntry, data: str, submitter: Submitter[str]
    ) -> tuple[ControlFlow, str | None]:
        self.completed.append((data, entry.res))
        return Continue(), None

    def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[str]) -> ControlFlow:
        user_data, res, flags = entry
        self.raw.append((user_data, res, flags))
        return Continue()

    def on_teardown_completion(self, entry: CompletionEntry, data: str, submitter: Submitter[str]) -> None:
        self.torn_down.append((data, entry.res))


def run(ring: Ring, push: Setup, limit: int | None = None) -> Pushes:
    operation = Pushes(push)
    OperationRing(ring, limit, one=operation).run()
    assert ring.in_flight == 0
    return operation


def refused(ring: Ring, push: Setup, kind: ErrorKind, words: str, limit: int | None = None) -> None:
    with pytest.raises(RingError, match=words) as caught:
        run(ring, push, limit)
    assert (caught.value.kind, caught.value.operation) == (kind, "one")
    assert ring.in_flight == 0


def nop(submitter: Submitter[str]) -> SubmissionEntry:
    return submitter.prepare.nop()


# ---- one and many ---------------------------------------------------------------------------------------------------


def test_push_gives_numbers(ring: Ring) -> None:
    numbers: list[int] = []

    def push(submitter: Submitter[str]) -> None:
        numbers.append(submitter.push(nop(submitter), "a"))
        numbers.extend(submitter.push_many([(nop(submitter), "b"), (nop(submitter), "c")]))
        assert submitter.push_many([]) == []
        assert submitter.ring is ring

    operation = run(ring, push)
    assert len(set(numbers)) == 3
    assert [data for data, _ in operation.completed] == ["a", "b", "c"]


def test_more_than_the_queue_has_room_for() -> None:
    """Unbounded: everything completes, in order."""

    def push(submitter: Submitter[str]) -> None:
        for number in range(500):
            submitter.push(nop(submitter), str(number))

    with Ring(4) as ring:
        operation = run(ring, push)
    assert [data for data, _ in operation.completed] == [str(number) for number in range(500)]


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_a_bounded_backlog(limit: int) -> None:
    """The queue's room (of which stop() has one place) and the limit; only the next push is refused."""

    def push(submitter: Submitter[str]) -> None:
        room = submitter.ring.room
        for number in range(room + limit):
            submitter.push(nop(submitter), str(number))
        with pytest.raises(RingError) as caught:
            submitter.push(nop(submitter), "too many")
        assert caught.value.kind is ErrorKind.PUSH

    with Ring(8) as ring:
        assert len(run(ring, push, limit).completed) == 7 + limit


def test_push_many_is_all_or_nothing() -> None:
    def push(submitter: Submitter[str]) -> None:
        while submitter.ring.room > 1:
            submitter.push(nop(submitter), "before")
        with pytest.raises(RingError, match="no room for 2 more"):
            submitter.push_many([(nop(submitter), "x"), (nop(submitter), "y")])
        submitter.push(nop(submitter), "after")

    with Ring(4) as ring:
        assert [data for data, _ in run(ring, push, 0).completed] == ["before", "before", "after"]
        entries = [(Prepare().nop(), "x") for _ in range(5)]
        refused(ring, lambda submitter: submitter.push_many(entries), ErrorKind.PUSH, "5 entries at once never fit")


def test_a_refused_entry_may_be_pushed_again() -> None:
    entry = Prepare().nop()

    def push(submitter: Submitter[str]) -> None:
        while submitter.ring.room:
            submitter.push(nop(submitter), "before")
        with pytest.raises(RingError):
            submitter.push(entry, "refused")

    with Ring(4) as ring:
        run(ring, push, 0)
        assert run(ring, lambda submitter: submitter.push(entry, "again")).completed == [("again", 0)]


# ---- raw ------------------------------------------------------------------------------------------------------------


def test_raw_entries_keep_their_user_data(ring: Ring) -> None:
    """Any u64, 0 and the numbers that requests have included, and the same one several times."""
    wanted = [0, 0, 1, 1 << 32, 1 << 62, 1 << 63, 2**64 - 1]

    def push(submitter: Submitter[str]) -> None:
        submitter.push(nop(submitter), "with data")
        for user_data in wanted:
            submitter.push_raw(submitter.prepare.nop(user_data))

    operation = run(ring, push)
    assert operation.raw == [(user_data, 0, 0) for user_data in wanted]
    assert operation.completed == [("with data", 0)]


def test_a_failed_raw_entry_is_a_warning(ring: Ring, caplog: pytest.LogCaptureFixture) -> None:
    class Plain(Pushes):
        on_raw_completion = RingOperation.on_raw_completion

    operation = Plain(lambda submitter: submitter.push_raw(submitter.prepare.fsync(1 << 30, 77)))
    with caplog.at_level(logging.WARNING, "compl_uring"):
        OperationRing(ring, one=operation).run()
    (record,) = caplog.records
    assert "Bad file descriptor" in record.getMessage()
    assert (
        record.exc_info
        and record.exc_info[1]
        and record.exc_info[1].__notes__ == ["completion of a raw entry with user_data 0x4d"]
    )


@pytest.mark.parametrize("flow", [Exit(), Error(ValueError("odd")), Warn(ValueError("odd"))])
def test_raw_completions_have_their_say(ring: Ring, flow: ControlFlow) -> None:
    class Says(Pushes):
        def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[str]) -> ControlFlow:
            return flow if entry.user_data == 5 else Continue()

    def push(submitter: Submitter[str]) -> None:
        submitter.push_raw(submitter.prepare.nop(5))
        submitter.push(submitter.prepare.timeout(0.05), "timeout")

    operation = Says(push)
    program = OperationRing(ring, one=operation)
    if isinstance(flow, Error):
        with pytest.raises(RingError) as caught:
            program.run()
        assert caught.value.kind is ErrorKind.COMPLETION
    else:
        program.run()
    went_on = isinstance(flow, Warn)
    assert operation.completed == ([("timeout", -errno.ETIME)] if went_on else [])
    assert operation.torn_down == ([] if went_on else [("timeout", -errno.ECANCELED)])


def test_raw_entries_are_torn_down_too(ring: Ring) -> None:
    operation = Pushes(lambda submitter: submitter.push_raw(submitter.prepare.timeout(3600, 9)))
    program = OperationRing(ring, one=operation)
    program.stop()
    program.run()
    assert operation.raw == [(9, -errno.ECANCELED, 0)]
    assert operation.torn_down == []


def test_keep_is_kept_until_the_end(ring: Ring) -> None:
    class Owner:
        pass

    gone = threading.Event()

    def push(submitter: Submitter[str]) -> None:
        owner = Owner()
        weak = weakref.finalize(owner, gone.set)
        submitter.push_raw(submitter.prepare.timeout(0.02), keep=owner)
        del owner
        assert weak.alive

    run(ring, push)
    assert gone.is_set()


# ---- mailboxes and cancels ------------------------------------------------------------------------------------------


def test_cancel(ring: Ring) -> None:
    def push(submitter: Submitter[str]) -> None:
        started = submitter.push(submitter.prepare.timeout(3600), "started")
        mailbox = submitter.open_mailbox("mailbox")
        raw = submitter.push_raw(submitter.prepare.timeout(3600, 3))
        assert [submitter.cancel(number) for number in (started, mailbox, raw)] == [True] * 3
        assert [submitter.cancel(number) for number in (mailbox, 12345)] == [False] * 2

    operation = run(ring, push)
    assert sorted(operation.completed) == [("mailbox", -errno.ECANCELED), ("started", -errno.ECANCELED)]
    assert operation.raw == [(3, -errno.ECANCELED, 0)]
    assert operation.torn_down == []


def test_cancel_of_what_waits_for_room() -> None:
    """It never reaches the kernel, and a group goes as one."""

    def push(submitter: Submitter[str]) -> None:
        while submitter.ring.room:
            submitter.push(nop(submitter), "nop")
        numbers = submitter.push_many([(submitter.prepare.timeout(3600), name) for name in ("first", "second")])
        assert submitter.cancel(numbers[1])
        assert not submitter.cancel(numbers[0])

    with Ring(4) as ring:
        operation = run(ring, push)
    assert operation.completed[:2] == [("first", -errno.ECANCELED), ("second", -errno.ECANCELED)]


def test_cancels_are_never_lost_to_a_full_queue() -> None:
    def push(submitter: Submitter[str]) -> None:
        numbers = [submitter.push(submitter.prepare.timeout(3600), str(number)) for number in range(50)]
        assert all(submitter.cancel(number) for number in numbers)

    with Ring(4) as ring:
        operation = run(ring, push)
    assert len(operation.completed) == 50
    assert {res for _, res in operation.completed} == {-errno.ECANCELED}


def test_another_entry_may_name_a_request(ring: Ring) -> None:
    def push(submitter: Submitter[str]) -> None:
        number = submitter.push(submitter.prepare.timeout(3600), "timeout")
        submitter.push(submitter.prepare.timeout_update(submitter.user_data(number), 0.001), "update")

    assert run(ring, push).completed == [("update", 0), ("timeout", -errno.ETIME)]


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_an_entry_is_pushed_once(ring: Ring) -> None:
    entry = Prepare().nop()

    def push(submitter: Submitter[str]) -> None:
        submitter.push(entry, "a")
        submitter.push(entry, "b")

    refused(ring, push, ErrorKind.API, "pushed already")


def test_an_entry_that_waits_is_not_pushed_again() -> None:
    entry = Prepare().nop()

    def push(submitter: Submitter[str]) -> None:
        while submitter.ring.room:
            submitter.push(nop(submitter), "nop")
        submitter.push(entry, "a")
        submitter.push(entry, "b")

    with Ring(4) as ring:
        refused(ring, push, ErrorKind.API, "pushed already")
        again = Prepare().nop()
        pairs = [(again, "a"), (again, "b")]
        refused(ring, lambda submitter: submitter.push_many(pairs), ErrorKind.API, "twice")


def test_an_entry_that_may_never_complete(ring: Ring) -> None:
    entry = Prepare().nop(flags=1 << 6)
    refused(ring, lambda submitter: submitter.push(entry, "a"), ErrorKind.API, "CQE_SKIP_SUCCESS")
    refused(ring, lambda submitter: submitter.push_raw(entry), ErrorKind.API, "CQE_SKIP_SUCCESS")


def test_an_entry_too_large_for_the_ring(ring: Ring) -> None:
    entry = Prepare(large=True).nop()
    refused(ring, lambda submitter: submitter.push(entry, "a"), ErrorKind.API, "SQE128")


@pytest.mark.parametrize("entry", [None, b"x" * 64, 1])
def test_what_is_no_entry(ring: Ring, entry: Any) -> None:
    refused_type: list[BaseException] = []

    def push(submitter: Submitter[str]) -> None:
        with pytest.raises(TypeError, match="SubmissionEntry") as caught:
            submitter.push(entry, "a")
        refused_type.append(caught.value)

    run(ring, push)
    assert refused_type


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_numbers_of_ones_own_are_small(ring: Ring, number: int) -> None:
    def push(submitter: Submitter[str]) -> None:
        with pytest.raises(ValueError, match=f"not {number}"):
            submitter.open_mailbox("a", number)

    run(ring, push)


def test_a_submitter_belongs_to_the_callbacks(ring: Ring) -> None:
    kept: list[Submitter[str]] = []
    run(ring, kept.append)
    calls: list[Callable[[], object]] = [
        lambda: kept[0].push(Prepare().nop(), "a"),
        lambda: kept[0].push_raw(Prepare().nop()),
        lambda: kept[0].open_mailbox("a"),
        lambda: kept[0].cancel(1),
    ]
    for call in calls:
        with pytest.raises(RingError, match="it does not run") as caught:
            call()
        assert caught.value.kind is ErrorKind.API


def test_the_type_of_the_data_is_known(ring: Ring) -> None:
    """To mypy, which would call the ignores needless if it took these; at run time data is any object."""

    class Typed(RingOperation[str]):
        def setup(self, submitter: Submitter[str]) -> None:
            submitter.push(submitter.prepare.nop(), 3)  # type: ignore[arg-type]
            submitter.push_many([(submitter.prepare.nop(), None)])  # type: ignore[list-item]
            submitter.open_mailbox(b"box", 0)  # type: ignore[arg-type]

        def on_completion(
            self, entry: CompletionEntry, data: str, submitter: Submitter[str]
        ) -> tuple[ControlFlow, str | None]:
            assert_type(entry.res, int)
            return Exit(), None

        def on_teardown_completion(self, entry: CompletionEntry, data: int, submitter: Submitter[str]) -> None:  # type: ignore[override]
            seen.append(data)

    seen: list[object] = []
    OperationRing(ring, one=Typed()).run()
    assert seen in ([None, b"box"], [b"box"])
