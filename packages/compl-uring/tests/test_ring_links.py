"""Linked and drained entries, full queues, short submissions, overflowing completions."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from compl_uring import CompletionEntry, Opcode, Prepare, Ring, SetupFlags, SqeFlags

Pair = tuple[socket.socket, socket.socket]
#: No operation has it.
UNKNOWN = 250


def in_order(entries: list[CompletionEntry]) -> list[tuple[int, int]]:
    return [(entry.user_data, entry.res) for entry in entries]


def test_links_run_one_after_the_other(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w+b", 0) as file:
        buffer = bytearray(8)
        ring.write(file, b"chained!", 0, 1, SqeFlags.IO_LINK)
        ring.fsync(file, 2, SqeFlags.IO_LINK)
        ring.read(file, buffer, 0, 3, SqeFlags.IO_LINK)
        ring.nop(4)
        assert in_order(ring.submit_and_wait(4, 30)) == [(1, 8), (2, 0), (3, 8), (4, 0)]
        assert bytes(buffer) == b"chained!"


def test_a_failure_cancels_the_rest_of_the_chain(ring: Ring) -> None:
    buffer = bytearray(8)
    ring.read(2**20, buffer, 0, 1, SqeFlags.IO_LINK)
    ring.read(2**20, buffer, 0, 2, SqeFlags.IO_LINK)
    ring.nop(3)
    ring.nop(4)
    assert sorted(in_order(ring.submit_and_wait(4, 30))) == [
        (1, -errno.EBADF), (2, -errno.ECANCELED), (3, -errno.ECANCELED), (4, 0),
    ]  # fmt: skip
    buffer.append(1)


def test_a_hard_link_goes_on(ring: Ring) -> None:
    ring.close_file(2**20, 1, SqeFlags.IO_HARDLINK)
    ring.nop(2)
    assert in_order(ring.submit_and_wait(2, 30)) == [(1, -errno.EBADF), (2, 0)]


def test_a_failed_entry_that_is_skipped_silences_nobody(ring: Ring) -> None:
    """The kernel would drop the completions of those behind it, and nobody would know their buffers are free."""
    buffer = bytearray(8)
    ring.close_file(2**20, 1, SqeFlags.IO_LINK | SqeFlags.CQE_SKIP_SUCCESS)
    ring.read(0, buffer, 0, 2, SqeFlags.CQE_SKIP_SUCCESS)
    assert in_order(ring.submit_and_wait(2, 30)) == [(1, -errno.EBADF), (2, -errno.ECANCELED)]
    buffer.append(1)


def test_drain_waits_for_all_before(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.read(pipe[0], bytearray(1), -1, 1)
    ring.nop(2, SqeFlags.IO_DRAIN)
    ring.nop(3)
    assert ring.submit_and_wait(1, 0.02) == []
    os.write(pipe[1], b"x")
    assert in_order(ring.submit_and_wait(3, 30)) == [(1, 1), (2, 0), (3, 0)]


def test_a_full_queue_submits_itself() -> None:
    with Ring(4) as ring:
        for number in range(11):
            ring.nop(number)
        assert (ring.unsubmitted, ring.room) == (3, 1)
        assert [entry.user_data for entry in ring.submit_and_wait(11)] == list(range(11))


def test_a_chain_is_never_cut_in_two() -> None:
    with Ring(4) as ring:
        for number in range(3):
            ring.nop(number)
        ring.nop(3, SqeFlags.IO_LINK)
        buffer = bytearray(1)
        with pytest.raises(BlockingIOError, match="in the middle of a chain"):
            ring.read(0, buffer, 0, 4)
        with pytest.raises(BlockingIOError):
            ring.submit_raw(Prepare().nop(4))
        buffer.append(1)
        assert ring.in_flight == 4
        assert len(ring.submit_and_wait(4)) == 4
        for number in range(3):
            ring.nop(number, SqeFlags.IO_LINK)
        ring.nop(3)
        ring.nop(4)  # behind a whole chain there is room
        assert [entry.user_data for entry in ring.submit_and_wait(5)] == [0, 1, 2, 3, 4]


def test_an_entry_refused_by_a_full_queue_may_be_pushed_again() -> None:
    with Ring(1) as ring:
        buffer = bytearray(1)
        entry = Prepare().read(2**20, buffer, 0, 2)
        ring.nop(1, SqeFlags.IO_LINK)
        with pytest.raises(BlockingIOError):
            ring.submit_raw(entry, keep=[1])
        assert not entry.pushed
        assert ring.submit_and_wait() == [CompletionEntry(1)]
        ring.submit_raw(entry, keep=[1])
        assert ring.submit_and_wait() == [CompletionEntry(2, -errno.EBADF)]
        buffer.append(1)


@pytest.mark.parametrize("all_at_once", [False, True])
def test_a_refused_entry_does_not_lose_those_behind_it(all_at_once: bool) -> None:
    """Without SUBMIT_ALL the kernel stops at it: a short submission."""
    with Ring(16, flags=SetupFlags.SUBMIT_ALL if all_at_once else 0) as ring:
        bad = Prepare().nop(1)
        bad.opcode = UNKNOWN
        ring.nop(0)
        ring.submit_raw(bad)
        for number in range(2, 8):
            ring.nop(number)
        assert ring.submit() == 8
        assert ring.statistics()["resubmitted"] == (0 if all_at_once else 6)
        assert sorted(in_order(ring.reap())) == [(number, -errno.EINVAL if number == 1 else 0) for number in range(8)]


def test_a_wait_goes_on_behind_a_refused_entry(pair: Pair) -> None:
    left, right = pair
    with Ring(16) as ring:
        for number in range(4):
            bad = Prepare().nop(number)
            bad.opcode = UNKNOWN
            ring.submit_raw(bad)
        right.send(b"x")
        ring.recv(left, bytearray(1), 9)
        assert (9, 1) in in_order(ring.submit_and_wait(5, 30))
        assert ring.statistics()["resubmitted"] == 4 + 3 + 2 + 1


@pytest.mark.parametrize("flags", [0, SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN])
def test_overflowing_completions_all_come(flags: int) -> None:
    """Ten times more than the queue holds; none is lost, their order is kept."""
    with Ring(4, cq_entries=8, flags=flags) as ring:
        for number in range(80):
            ring.nop(number)
        ring.submit()
        assert [entry.user_data for entry in ring.submit_and_wait(80, 30)] == list(range(80))
        assert ring.in_flight == 0
        if not flags:
            assert ring.statistics()["overflowed"] > 0


def test_overflowing_completions_are_reaped_in_parts() -> None:
    with Ring(4, cq_entries=8) as ring:
        for number in range(40):
            ring.nop(number)
        ring.submit()
        found = [entry.user_data for _ in range(14) for entry in ring.reap(3)]
        assert found == list(range(40))


def test_more_than_the_queue_holds_can_be_waited_for(pair: Pair) -> None:
    left, right = pair
    with Ring(4, cq_entries=8) as ring:
        buffers = [bytearray(1) for _ in range(50)]
        for number, buffer in enumerate(buffers):
            ring.recv(left, buffer, number)
        ring.submit()
        for byte in range(50):
            right.send(bytes([byte]))
        entries = ring.submit_and_wait(50, 30)
        assert sorted(entry.user_data for entry in entries) == list(range(50))
        assert sorted(buffer[0] for buffer in buffers) == list(range(50))


def test_multishot_survives_an_overflow(pair: Pair, needs: Callable[[Opcode], None]) -> None:
    """It ends there, with a valid result: the last has no MORE."""
    needs(Opcode.SEND_ZC)
    left, right = pair
    with Ring(2, cq_entries=2) as ring:
        group = ring.buffer_ring(1, 64, 16)
        ring.recv_multishot(left, 1, 7)
        ring.submit()
        sent = received = 0
        for _ in range(30):
            right.send(b"ab")
            sent += 2
        while received < sent:
            entries = ring.submit_and_wait(1, 30)
            assert entries
            for entry in entries:
                assert entry.res > 0
                received += len(group.copy(entry))
                if not entry.more:
                    ring.recv_multishot(left, 1, 7)
        assert received == sent
