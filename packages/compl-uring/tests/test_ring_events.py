"""Entries for readiness, time, cancelling, messages between rings, futexes, processes and epoll, each run for real."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from compl_uring import CompletionEntry, MsgRingFlags, Opcode, Ring, SqeFlags, TimeoutFlags

ETIME = CompletionEntry(1, -errno.ETIME)
Pair = tuple[socket.socket, socket.socket]


def result(ring: Ring) -> int:
    (entry,) = ring.submit_and_wait(1, 30)
    assert ring.in_flight == 0
    return entry.res


def results(ring: Ring, count: int) -> dict[int, int]:
    return {entry.user_data: entry.res for entry in ring.submit_and_wait(count, 30)}


# ---- readiness -------------------------------------------------------------------------------------------------------


def test_poll(ring: Ring, pair: Pair) -> None:
    left, right = pair
    ring.poll_add(left, select.POLLIN, 1)
    assert ring.submit_and_wait(1, 0.01) == []
    right.send(b"x")
    assert result(ring) == select.POLLIN
    ring.poll_add(left, select.POLLIN | select.POLLOUT, 1)
    assert result(ring) == select.POLLIN | select.POLLOUT
    right.close()
    ring.poll_add(left, select.POLLPRI, 1)
    assert result(ring) & select.POLLHUP


def test_poll_many_times(ring: Ring, pair: Pair) -> None:
    left, right = pair
    ring.poll_add(left, select.POLLIN, 1, multishot=True)
    for _ in range(3):
        right.send(b"x")
        (entry,) = ring.submit_and_wait(1, 30)
        assert (entry.res & select.POLLIN, entry.more) == (select.POLLIN, True)
        left.recv(10)
    ring.poll_remove(1, 2)
    assert results(ring, 2) == {1: -errno.ECANCELED, 2: 0}
    ring.poll_remove(1, 2)
    assert results(ring, 1) == {2: -errno.ENOENT}


def test_poll_update(ring: Ring, pair: Pair) -> None:
    left, _ = pair
    ring.poll_add(left, select.POLLIN, 1)
    ring.poll_update(1, select.POLLOUT, 2)
    assert results(ring, 2) == {1: select.POLLOUT, 2: 0}
    assert ring.in_flight == 0


# ---- time ------------------------------------------------------------------------------------------------------------


def test_timeout(ring: Ring) -> None:
    began = time.monotonic()
    ring.timeout(0.05, 1)
    assert ring.submit_and_wait(1, 30) == [ETIME]
    assert 0.05 <= time.monotonic() - began < 10


def test_timeout_of_a_number_of_completions(ring: Ring) -> None:
    ring.timeout(30, 1, count=2)
    ring.nop(2)
    ring.nop(3)
    assert results(ring, 3) == {1: 0, 2: 0, 3: 0}


def test_absolute_timeout_and_success(ring: Ring) -> None:
    ring.timeout(time.monotonic() + 0.02, 1, timeout_flags=TimeoutFlags.ABS)
    assert ring.submit_and_wait(1, 30) == [ETIME]
    ring.timeout(time.time() + 0.02, 1, timeout_flags=TimeoutFlags.ABS | TimeoutFlags.REALTIME)
    assert ring.submit_and_wait(1, 30) == [ETIME]


def test_timeout_that_succeeds_lets_its_link_go_on(ring: Ring) -> None:
    ring.timeout(0.01, 1, SqeFlags.IO_LINK, timeout_flags=TimeoutFlags.ETIME_SUCCESS)
    ring.nop(2)
    assert results(ring, 2) == {1: -errno.ETIME, 2: 0}


def test_timeout_again_and_again(ring: Ring) -> None:
    ring.timeout(0.01, 1, timeout_flags=TimeoutFlags.MULTISHOT)
    entries = ring.submit_and_wait(3, 30)
    if entries[0].res == -errno.EINVAL:
        pytest.skip("this kernel has no IORING_TIMEOUT_MULTISHOT (Linux 6.4)")
    assert {(entry.res, entry.more) for entry in entries} == {(-errno.ETIME, True)}
    ring.timeout_remove(1, 2)
    while ring.in_flight:
        entries += ring.submit_and_wait(1, 30)
    assert CompletionEntry(2) in entries
    assert CompletionEntry(1, -errno.ECANCELED) in entries


def test_timeout_removed_and_updated(ring: Ring) -> None:
    ring.timeout(600, 1)
    ring.timeout_remove(1, 2)
    assert results(ring, 2) == {1: -errno.ECANCELED, 2: 0}
    ring.timeout_remove(1, 2)
    assert results(ring, 1) == {2: -errno.ENOENT}
    ring.timeout(600, 1)
    ring.timeout_update(1, 0.01, 2)
    assert results(ring, 2) == {1: -errno.ETIME, 2: 0}


def test_link_timeout(ring: Ring, pair: Pair) -> None:
    left, right = pair
    ring.recv(left, bytearray(8), 1, SqeFlags.IO_LINK)
    ring.link_timeout(0.02, 2)
    assert results(ring, 2) == {1: -errno.ECANCELED, 2: -errno.ETIME}
    right.send(b"in time")
    ring.recv(left, bytearray(8), 1, SqeFlags.IO_LINK)
    ring.link_timeout(600, 2)
    assert results(ring, 2) == {1: 7, 2: -errno.ECANCELED}


def test_link_timeout_updated(ring: Ring, pair: Pair) -> None:
    ring.recv(pair[0], bytearray(8), 1, SqeFlags.IO_LINK)
    ring.link_timeout(600, 2)
    ring.submit()
    ring.timeout_update(2, 0.01, 3, timeout_flags=TimeoutFlags.LINK_TIMEOUT_UPDATE)
    assert results(ring, 3) == {1: -errno.ECANCELED, 2: -errno.ETIME, 3: 0}


@pytest.mark.parametrize("call", ["timeout", "link_timeout", "timeout_update"])
def test_refused_times(ring: Ring, call: str) -> None:
    arguments = (1,) if call == "timeout_update" else ()
    with pytest.raises(ValueError, match="at least 0"):
        getattr(ring, call)(*arguments, -1)
    with pytest.raises(TypeError, match="number of seconds"):
        getattr(ring, call)(*arguments, "1")
    assert ring.in_flight == 0


def test_endless_timeout(ring: Ring) -> None:
    ring.timeout(float("inf"), 1)
    assert ring.submit_and_wait(1, 0.01) == []
    ring.cancel(1, 2)
    assert results(ring, 2) == {1: -errno.ECANCELED, 2: 0}


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_cancel_takes_the_oldest(ring: Ring, pair: Pair) -> None:
    first, second = bytearray(8), bytearray(8)
    ring.recv(pair[0], first, 0)
    ring.recv(pair[1], second, 0)
    ring.cancel(0, 1)
    assert results(ring, 2) == {0: -errno.ECANCELED, 1: 0}
    first.append(1)
    with pytest.raises(BufferError):
        second.append(1)
    pair[0].send(b"x")
    assert ring.submit_and_wait(1, 30) == [CompletionEntry(0, 1)]


def test_cancel_of_nothing(ring: Ring) -> None:
    ring.cancel(5, 5)
    assert results(ring, 1) == {5: -errno.ENOENT}
    ring.cancel(5, 5, all=True)
    assert results(ring, 1) == {5: 0}


@pytest.mark.parametrize("count", [1, 2, 5, 300])
def test_cancel_all_of_a_number(ring: Ring, pair: Pair, count: int) -> None:
    """More than the queue has entries: one completion says how many."""
    left, right = pair
    ring.recv(left, bytearray(8), 6)
    buffers = [bytearray(8) for _ in range(count)]
    for buffer in buffers:
        ring.recv(right, buffer, 7)
    ring.submit()
    ring.cancel(7, 8, all=True)
    entries = ring.submit_and_wait(count + 1, 30)
    assert entries.count(CompletionEntry(7, -errno.ECANCELED)) == count
    assert CompletionEntry(8, count) in entries
    assert ring.in_flight == 1
    for buffer in buffers:
        buffer.append(1)
    assert ring.reap() == []


def test_cancel_all_of_its_own_number(ring: Ring, pair: Pair) -> None:
    for _ in range(3):
        ring.recv(pair[0], bytearray(1), 7)
    ring.cancel(7, 7, all=True)
    assert sorted(entry.res for entry in ring.submit_and_wait(4, 30)) == [-errno.ECANCELED] * 3 + [3]


def test_cancel_of_a_file(ring: Ring, pair: Pair) -> None:
    left, right = pair
    for number in range(3):
        ring.recv(left, bytearray(1), number)
    ring.recv(right, bytearray(1), 5)
    ring.cancel_fd(left, 9)
    found = ring.submit_and_wait(4, 30)
    assert sorted(entry.user_data for entry in found) == [0, 1, 2, 9]
    assert CompletionEntry(9, 3) in found
    ring.register_files([right.fileno()])
    ring.recv(0, bytearray(1), 6, SqeFlags.FIXED_FILE)
    ring.cancel_fd(0, 9, fixed=True)
    assert results(ring, 3) == {5: -errno.ECANCELED, 6: -errno.ECANCELED, 9: 2}


def test_cancel_of_anything(ring: Ring, pair: Pair) -> None:
    for number in range(3):
        ring.recv(pair[0], bytearray(1), number)
    ring.cancel_any(9)
    assert results(ring, 4) == {0: -errno.ECANCELED, 1: -errno.ECANCELED, 2: -errno.ECANCELED, 9: 3}
    ring.cancel_any(9)
    assert results(ring, 1) == {9: 0}
    for number in range(3):
        ring.recv(pair[0], bytearray(1), number)
    ring.cancel_any(9, all=False)
    assert len(ring.submit_and_wait(2, 30)) >= 2


def test_cancel_and_wait_for_it(ring: Ring, pair: Pair, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.SEND_ZC)  # of the same release as IORING_REGISTER_SYNC_CANCEL
    for number in (1, 2, 2, 3):
        ring.recv(pair[0], bytearray(1), number)
    ring.recv(pair[1], bytearray(1), 4)
    ring.submit()
    ring.cancel_sync(1)
    assert ring.reap() == [CompletionEntry(1, -errno.ECANCELED)]
    ring.cancel_sync(1)
    ring.cancel_sync(2, timeout=10)
    ring.cancel_sync(fd=pair[1])
    assert sorted(entry.user_data for entry in ring.reap()) == [2, 2, 4]
    ring.cancel_sync()
    assert ring.reap() == [CompletionEntry(3, -errno.ECANCELED)]
    ring.cancel_sync()
    with pytest.raises(TypeError, match="not both"):
        ring.cancel_sync(1, fd=pair[0])


# ---- other rings -----------------------------------------------------------------------------------------------------


def test_message_to_another_ring(ring: Ring) -> None:
    with Ring(8) as other:
        buffer = bytearray(4)
        reader, writer = os.pipe()
        other.read(reader, buffer, -1, 0)
        other.submit()
        for number in (0, 5, 2**64 - 1):
            ring.msg_ring(other, -7, number, 1)
            assert result(ring) == 0
            assert other.submit_and_wait(1, 30) == [CompletionEntry(number, -7)]
        ring.msg_ring(other.fileno(), 3, 0, 1, cqe_flags=2)
        assert result(ring) == 0
        assert other.submit_and_wait(1, 30) == [CompletionEntry(0, 3, 2)]
        assert other.in_flight == 1  # the read with the same number goes on
        with pytest.raises(BufferError):
            buffer.append(1)
        assert other.statistics()["foreign"] == 4
        os.write(writer, b"x")
        assert other.submit_and_wait(1, 30) == [CompletionEntry(0, 1)]
        os.close(reader)
        os.close(writer)
    ring.msg_ring(pair_fd := os.eventfd(0), 0, 0, 1)
    assert result(ring) == -errno.EBADFD
    os.close(pair_fd)


def test_file_to_another_ring(ring: Ring, pipe: tuple[int, int], needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.SEND_ZC)
    ring.register_files([pipe[1]])
    with Ring(8) as other:
        other.register_files_sparse(4)
        ring.msg_ring_fd(other, 0, 77, 1)
        index = result(ring)
        assert 0 <= index < 4
        (entry,) = other.submit_and_wait(1, 30)
        assert entry.user_data == 77
        other.write(index, b"sent", -1, 1, SqeFlags.FIXED_FILE)
        assert result(other) == 4
        assert os.read(pipe[0], 10) == b"sent"
        ring.msg_ring_fd(other, 0, 78, 1, target=3, msg_flags=MsgRingFlags.CQE_SKIP)
        assert result(ring) == 0
        other.write(3, b"too", -1, 1, SqeFlags.FIXED_FILE)
        assert result(other) == 3


# ---- waiting ---------------------------------------------------------------------------------------------------------


def test_futex(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.FUTEX_WAIT)
    word = bytearray(struct.pack("=I", 7))
    ring.futex_wait(word, 8, 1)
    assert result(ring) == -errno.EAGAIN
    ring.futex_wait(word, 7, 1)
    ring.submit()
    with pytest.raises(BufferError):
        word.append(0)
    ring.futex_wake(word, 1, 2)
    assert results(ring, 2) == {1: 0, 2: 1}
    word.append(0)
    with pytest.raises(ValueError, match="writes 4 bytes"):
        ring.futex_wait(bytearray(3), 0)


def test_waitid(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.WAITID)
    child = subprocess.Popen([sys.executable, "-S", "-c", "input(); raise SystemExit(9)"], stdin=subprocess.PIPE)
    info = bytearray(128)
    ring.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT, 1, info=info)
    assert ring.submit_and_wait(1, 0.01) == []
    assert child.stdin is not None
    child.stdin.close()
    child.kill()
    assert result(ring) == 0
    assert struct.unpack_from("=i", info)[0] == signal.SIGCHLD
    child.wait()
    ring.waitid(os.P_PID, child.pid, os.WEXITED, 1)
    assert result(ring) == -errno.ECHILD
    with pytest.raises(ValueError, match="writes 128 bytes"):
        ring.waitid(os.P_PID, child.pid, os.WEXITED, 1, info=bytearray(64))


def test_epoll(ring: Ring, pair: Pair, needs: Callable[[Opcode], None]) -> None:
    left, right = pair
    with select.epoll() as epoll:
        ring.epoll_ctl(epoll, 1, left, select.EPOLLIN, 2**64 - 3, 1)
        assert result(ring) == 0
        right.send(b"x")
        assert epoll.poll(10) != []
        needs(Opcode.EPOLL_WAIT)
        size = 12 if os.uname().machine == "x86_64" else 16
        buffer = bytearray(4 * size)
        ring.epoll_wait(epoll, buffer, 2)
        assert result(ring) == 1
        events, data = struct.unpack("=IQ" if size == 12 else "=I4xQ", buffer[:size])
        assert (events, data) == (select.EPOLLIN, 2**64 - 3)
        ring.epoll_ctl(epoll, 2, left, 0, 0, 1)
        assert result(ring) == 0
        ring.epoll_ctl(epoll, 2, left, 0, 0, 1)
        assert result(ring) == -errno.ENOENT
        with pytest.raises(ValueError, match="the kernel writes"):
            ring.epoll_wait(epoll, bytearray(8))


def test_eventfd_rings_for_completions(ring: Ring) -> None:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    ring.register_eventfd(fd)
    ring.nop(1)
    ring.submit()
    assert os.eventfd_read(fd) == 1
    ring.unregister_eventfd()
    ring.nop(1)
    ring.submit()
    with pytest.raises(BlockingIOError):
        os.eventfd_read(fd)
    os.close(fd)
    assert len(ring.reap()) == 2


def test_nop_from_another_thread_wakes_the_one_that_waits(ring: Ring) -> None:
    def poke() -> None:
        ring.nop(5)
        ring.submit()

    timer = threading.Timer(0.05, poke)
    timer.start()
    assert ring.submit_and_wait(1, 30) == [CompletionEntry(5)]
    timer.join()
