"""Ring: opening, what it says of itself, submitting, waiting, arguments."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import PortClosedError
from compl_uring import CompletionEntry, Features, Opcode, Ring, SetupFlags, SqeFlags

LIMIT = 2**64


def test_entries_are_rounded_up() -> None:
    with Ring(5) as ring:
        assert (ring.sq_entries, ring.cq_entries, ring.room) == (8, 16, 8)
    with Ring(4, cq_entries=100) as ring:
        assert (ring.sq_entries, ring.cq_entries) == (4, 128)
        assert ring.flags == SetupFlags.CQSIZE


@pytest.mark.parametrize(
    ("entries", "named", "error"),
    [
        (0, {}, OSError),
        (2**20, {}, OSError),
        (-1, {}, OSError),
        (8, {"flags": 1 << 31}, OSError),
        (8, {"flags": SetupFlags.DEFER_TASKRUN}, OSError),
        (8, {"cq_entries": 2}, OSError),
        (2**40, {}, OverflowError),
        ("8", {}, TypeError),
        (8.0, {}, TypeError),
        (True, {}, TypeError),
        (8, {"cq_entries": "8"}, TypeError),
        (8, {"flags": SetupFlags.NO_MMAP}, ValueError),
        (8, {"flags": 1 << 19}, ValueError),
        (8, {"attach": object()}, TypeError),
    ],
)
def test_refused_rings(entries: Any, named: dict[str, Any], error: type[Exception]) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(error) as caught:
        Ring(entries, **named)
    if caught.type is OSError:
        assert caught.value.errno == errno.EINVAL  # type: ignore[attr-defined]
        assert "io_uring_setup" in str(caught.value)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_too_many_entries_are_clamped_if_asked() -> None:
    with Ring(2**20, flags=SetupFlags.CLAMP) as ring:
        assert ring.sq_entries >= 4096


def test_probe_asks_the_kernel(ring: Ring) -> None:
    found = ring.probe()
    assert {Opcode.NOP, Opcode.READ, Opcode.ACCEPT} <= found.opcodes
    assert Features.NODROP in found.features
    assert found.features == ring.features
    assert all(isinstance(code, Opcode) for code in found.opcodes)
    assert {int(code) for code in found.opcodes} <= ring.opcodes()


def test_descriptor(ring: Ring) -> None:
    assert str(Path(f"/proc/self/fd/{ring.fileno()}").readlink()) == "anon_inode:[io_uring]"
    assert not os.get_inheritable(ring.fileno())
    assert f"fd {ring.fileno()}, 0 in flight" in repr(ring)


def test_closed_ring() -> None:
    ring = Ring(8)
    fd = ring.fileno()
    ring.close()
    ring.close()
    assert ring.closed
    assert "closed" in repr(ring)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    calls: list[Callable[[], object]] = [
        ring.fileno, ring.submit, ring.submit_and_wait, ring.reap, ring.nop, ring.probe, ring.enable,
        lambda: ring.submit_raw(bytes(64)), lambda: ring.read(0, bytearray(1)), ring.__enter__,
        lambda: ring.buffer_ring(1, 8, 8), lambda: ring.register_files([0]), lambda: ring.room,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(PortClosedError, match="closed"):
            call()


def test_user_data_is_any_u64(ring: Ring) -> None:
    numbers = [0, 1, 2**30, 2**31, 2**32, 2**63 - 1, 2**63, LIMIT - 1, 0, 0]
    for number in numbers:
        ring.nop(number)
    assert [entry.user_data for entry in ring.submit_and_wait(len(numbers))] == numbers


class Index:
    def __index__(self) -> int:
        return 77


def test_user_data_from_an_index(ring: Ring) -> None:
    ring.nop(Index())  # type: ignore[arg-type]
    (entry,) = ring.submit_and_wait()
    assert (entry.user_data, type(entry.user_data)) == (77, int)


@pytest.mark.parametrize(
    ("user_data", "error"),
    [
        (-1, OverflowError),
        (LIMIT, OverflowError),
        (1.0, TypeError),
        (True, TypeError),
        ("1", TypeError),
        (None, TypeError),
    ],
)
def test_refused_user_data_queues_nothing(ring: Ring, user_data: Any, error: type[Exception]) -> None:
    buffer = bytearray(8)
    with pytest.raises(error):
        ring.nop(user_data)
    with pytest.raises(error):
        ring.read(0, buffer, 0, user_data)
    buffer.append(0)  # not exported any more
    assert ring.unsubmitted == ring.in_flight == 0


@pytest.mark.parametrize("flags", [-1, 256])
def test_flags_are_eight_bits(ring: Ring, flags: int) -> None:
    with pytest.raises(OverflowError):
        ring.nop(0, flags)


def test_unknown_flag_is_the_kernels_to_refuse(ring: Ring) -> None:
    ring.nop(1, 1 << 7)
    assert ring.submit_and_wait() == [CompletionEntry(1, -errno.EINVAL)]


def test_submit_counts(ring: Ring) -> None:
    assert ring.submit() == 0
    for number in range(5):
        ring.nop(number)
    assert (ring.unsubmitted, ring.room, ring.in_flight) == (5, 59, 5)
    assert ring.submit() == 5
    assert (ring.unsubmitted, ring.room, ring.in_flight) == (0, 64, 5)
    assert len(ring.reap()) == 5
    assert ring.in_flight == 0
    assert ring.statistics() == {
        "submitted": 5, "completed": 5, "in_flight": 0, "foreign": 0, "skipped": 0, "resubmitted": 0, "overflowed": 0,
    }  # fmt: skip


def test_reap_neither_submits_nor_waits(ring: Ring) -> None:
    ring.nop(1)
    assert ring.reap() == []
    assert ring.unsubmitted == 1


def test_minimum_and_maximum(ring: Ring) -> None:
    for number in range(10):
        ring.nop(number)
    assert [entry.user_data for entry in ring.submit_and_wait(2, None, 3)] == [0, 1, 2]
    assert [entry.user_data for entry in ring.reap(4)] == [3, 4, 5, 6]
    assert ring.reap(0) == []
    assert [entry.user_data for entry in ring.submit_and_wait(0)] == [7, 8, 9]
    assert ring.submit_and_wait(0) == []
    with pytest.raises(ValueError, match="more than maximum"):
        ring.submit_and_wait(2, None, 1)


def test_timeout_waits_that_long(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.read(pipe[0], bytearray(8), -1, 1)
    began = time.monotonic()
    assert ring.submit_and_wait(1, 0.05) == []
    assert 0.05 <= time.monotonic() - began < 10
    began = time.monotonic()
    assert ring.submit_and_wait(1, 0) == []
    assert time.monotonic() - began < 5
    os.write(pipe[1], b"x")
    assert ring.submit_and_wait(1, 30) == [CompletionEntry(1, 1)]


def test_what_came_before_the_timeout_is_returned(ring: Ring) -> None:
    ring.nop(1)
    assert ring.submit_and_wait(2, 0.02) == [CompletionEntry(1)]


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (object(), TypeError)]
)
def test_refused_timeouts(ring: Ring, timeout: Any, error: type[Exception]) -> None:
    ring.nop(1)
    with pytest.raises(error):
        ring.submit_and_wait(1, timeout)
    assert ring.submit_and_wait() == [CompletionEntry(1)]


def test_infinite_timeout(ring: Ring) -> None:
    ring.timeout(0.01, 5)
    assert ring.submit_and_wait(1, float("inf")) == [CompletionEntry(5, -errno.ETIME)]


def test_signal_handlers_run_and_the_wait_goes_on(ring: Ring) -> None:
    seen = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 3:
            ring.nop(9)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        assert ring.submit_and_wait(1, 30) == [CompletionEntry(9)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) >= 3


def test_deadline_is_kept_among_signals(ring: Ring) -> None:
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        began = time.monotonic()
        assert ring.submit_and_wait(1, 0.2) == []
        assert 0.2 <= time.monotonic() - began < 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_keyboard_interrupt_loses_no_completion(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.nop(1)
    ring.read(pipe[0], bytearray(8), -1, 2)
    main = threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ring.submit_and_wait(2, 30)
    timer.join()
    signal.signal(signal.SIGINT, before)
    os.write(pipe[1], b"x")
    assert sorted(entry.user_data for entry in ring.submit_and_wait(2, 30)) == [1, 2]


def test_interrupted_after_a_submission_the_handler_runs(ring: Ring, pipe: tuple[int, int]) -> None:
    """The kernel then reports the submission, not EINTR."""

    class Rung(Exception):
        pass

    def handler(number: int, frame: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        ring.read(pipe[0], bytearray(8), -1, 2)
        with pytest.raises(Rung):
            ring.submit_and_wait(1, 30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_skipped_successes_are_not_returned_and_give_their_buffers_back(
    ring: Ring, pair: Any, background: Callable[..., Future[Any]]
) -> None:
    left, right = pair
    buffer = bytearray(4)
    right.send(b"skip")
    ring.recv(left, buffer, 1, SqeFlags.CQE_SKIP_SUCCESS)
    ring.nop(2)
    assert ring.submit_and_wait() == [CompletionEntry(2)]
    buffer.append(0)
    assert bytes(buffer) == b"skip\0"
    assert ring.statistics()["skipped"] == 1
    ring.close_file(2**20, 3, SqeFlags.CQE_SKIP_SUCCESS)
    assert ring.submit_and_wait() == [CompletionEntry(3, -errno.EBADF)]


def test_disabled_ring_starts_when_enabled() -> None:
    with Ring(8, flags=SetupFlags.R_DISABLED) as ring:
        ring.nop(1)
        with pytest.raises(OSError, match="io_uring_enter") as caught:
            ring.submit()
        assert caught.value.errno == errno.EBADFD
        ring.enable()
        assert ring.submit_and_wait() == [CompletionEntry(1)]


def test_attached_ring_shares_workers(ring: Ring) -> None:
    with Ring(8, attach=ring) as other:
        assert other.flags & SetupFlags.ATTACH_WQ
        other.nop(1, SqeFlags.ASYNC)
        assert other.submit_and_wait() == [CompletionEntry(1)]


def test_submission_thread() -> None:
    with Ring(8, sq_thread_idle=1) as ring:
        assert ring.flags & SetupFlags.SQPOLL
        for turn in range(20):
            for number in range(12):
                ring.nop(number)
            assert [entry.user_data for entry in ring.submit_and_wait(12, 30)] == list(range(12))
            if turn % 5 == 0:
                time.sleep(0.01)  # let the kernel's thread fall asleep, so that it has to be woken
        assert ring.statistics()["submitted"] == 240


@pytest.mark.parametrize("flags", [SetupFlags.COOP_TASKRUN, SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN,
                                   SetupFlags.SUBMIT_ALL, SetupFlags.NO_SQARRAY])  # fmt: skip
def test_kinds_of_rings(flags: SetupFlags, pair: Any) -> None:
    try:
        ring = Ring(8, flags=flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip(f"this kernel knows no {flags!r}")
    left, right = pair
    with ring:
        buffer = bytearray(8)
        ring.recv(left, buffer, 1)
        ring.submit()
        assert ring.reap() == []
        right.send(b"late")
        assert ring.submit_and_wait() == [CompletionEntry(1, 4)]
        for number in range(100):
            ring.nop(number)
        assert [entry.user_data for entry in ring.submit_and_wait(100)] == list(range(100))
        ring.recv(left, buffer, 2)
        ring.submit()
        right.send(b"x")
        deadline = time.monotonic() + 30
        while not (entries := ring.reap()):
            assert time.monotonic() < deadline
        assert entries == [CompletionEntry(2, 1)]
