"""The end of a ring: a barrier, also where it is not closed, in forked children, and where it is not possible."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import signal
import socket
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import ForkedPortError, PortClosedError
from compl_uring import Prepare, Ring, SetupFlags, SqeFlags

Pair = tuple[socket.socket, socket.socket]
BLOCK = 4096
READS = 128


def test_close_takes_back_every_buffer(pair: Pair, pipe: tuple[int, int]) -> None:
    buffers = [bytearray(8) for _ in range(40)]
    with Ring(16) as ring:
        for buffer in buffers[:30]:
            ring.recv(pair[0], buffer)
        ring.submit()
        for buffer in buffers[30:]:
            ring.read(pipe[0], buffer)  # queued, and never submitted
        assert ring.in_flight == 40
    assert ring.in_flight == 0
    for buffer in buffers:
        buffer.append(1)
    os.write(pipe[1], b"x")
    pair[1].send(b"x")
    assert os.read(pipe[0], 1) == pair[0].recv(1) == b"x"


@pytest.mark.parametrize("flags", [SqeFlags.ASYNC, SqeFlags.IO_DRAIN, SqeFlags.IO_LINK])
def test_close_ends_what_waits_in_kernel_threads_and_chains(pipe: tuple[int, int], flags: SqeFlags) -> None:
    buffers = [bytearray(8) for _ in range(5)]
    with Ring(16) as ring:
        for buffer in buffers:
            ring.read(pipe[0], buffer, -1, 0, flags)
        ring.timeout(600)
        ring.submit()
    for buffer in buffers:
        buffer.append(1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ring(16, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN),
        lambda: Ring(16, flags=SetupFlags.COOP_TASKRUN),
        lambda: Ring(16, sq_thread_idle=1),
        lambda: Ring(1, cq_entries=2),
        lambda: Ring(16, flags=SetupFlags.SQE128 | SetupFlags.CQE32),
        lambda: Ring(16, flags=SetupFlags.R_DISABLED),
    ],
    ids=["bound", "cooperating", "polled", "smallest", "large entries", "disabled"],
)
def test_close_of_every_kind_of_ring(make: Callable[[], Ring], pair: Pair) -> None:
    buffers = [bytearray(8) for _ in range(16)]
    with make() as ring:
        for buffer in buffers[: ring.sq_entries // 2]:
            ring.recv(pair[0], buffer)
        if not ring.flags & SetupFlags.R_DISABLED:
            ring.submit()
        ring.nop(5)
    assert ring.in_flight == 0
    for buffer in buffers:
        buffer.append(1)


@pytest.fixture
def blocks(tmp_path: Path) -> Iterator[int]:
    """A file to be read past the page cache."""
    path = tmp_path / "blocks"
    path.write_bytes(os.urandom(BLOCK * READS))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip("this file system has no O_DIRECT")
    yield fd
    os.close(fd)


@pytest.mark.parametrize("how", ["close", "collect"])
def test_nothing_is_written_after_the_end(blocks: int, how: str) -> None:
    """Reads that no cancel stops: with the descriptor closed alone, most would still be writing."""
    for _ in range(10):
        with mmap.mmap(-1, BLOCK * READS) as pages:
            ring = Ring(READS)
            whole = memoryview(pages)
            for number in range(READS):
                ring.read(blocks, whole[number * BLOCK : (number + 1) * BLOCK], number * BLOCK)
            ring.submit()
            if how == "close":
                ring.close()
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ResourceWarning)
                    del ring
            whole.release()
            whole = memoryview(pages)
            pages[:] = bytes(BLOCK * READS)
            for _ in range(100):
                assert pages.find(b"\1") == -1
                os.sched_yield()
            whole.release()


def test_unclosed_ring_says_so_and_ends_its_operations(pair: Pair) -> None:
    buffer = bytearray(8)
    ring = Ring(4)
    ring.recv(pair[0], buffer)
    ring.submit()
    with pytest.warns(ResourceWarning, match="unclosed Ring on fd .*: 1 operations are in flight"):
        del ring
    buffer.append(1)


def test_an_idle_ring_needs_no_closing() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(100):
        ring = Ring(4)
        ring.nop()
        assert len(ring.submit_and_wait()) == 1
        del ring
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_rings_bound_to_a_thread_leave_nothing_open() -> None:
    """They register their descriptor with the thread, which would keep the ring open."""
    for _ in range(100):  # more than a thread may register
        with Ring(4, flags=SetupFlags.SINGLE_ISSUER) as ring:
            ring.nop()
            assert len(ring.submit_and_wait()) == 1


def test_what_does_not_end_in_time_is_never_freed(child: Callable[[str], str]) -> None:
    """A ring of a thread that is gone cannot be entered any more: its buffers stay exported for good."""
    printed = child("""
        import gc, socket, threading, warnings
        from compl_uring import Ring, SetupFlags
        warnings.simplefilter("always")
        left, right = socket.socketpair()
        buffer, rings = bytearray(8), []
        def make():
            ring = Ring(4, flags=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN)
            ring.recv(left, buffer)
            ring.submit()
            rings.append(ring)
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        with warnings.catch_warnings(record=True) as caught:
            rings.pop()
            gc.collect()
        print([str(each.message).split(": ", 1)[1] for each in caught])
        try:
            buffer.append(1)
        except BufferError:
            print("exported")
    """)
    first, second, held = printed.replace("', '", "\n").split("\n")
    assert "it ended in another thread than its own; their buffers are never freed" in first
    assert "1 operations are in flight" in second
    assert held == "exported"


def test_a_deadline_of_close(child: Callable[[str], str], tmp_path: Path) -> None:
    """An operation that cannot be ended now: nothing may be freed, and close() says so instead of waiting on."""
    printed = child("""
        import os, socket, warnings
        from compl_uring import Prepare, Ring
        warnings.simplefilter("always")
        left, right = socket.socketpair()
        buffer = bytearray(8)
        ring = Ring(4)
        ring.recv(left, buffer)
        ring.submit()
        with warnings.catch_warnings(record=True) as caught:
            ring.close(0)
        if caught:
            print(str(caught[0].message).split(": ", 1)[1])
            try:
                buffer.append(1)
            except BufferError:
                print("exported")
        print("closed", ring.closed)
        ring.close()
    """)
    lines = printed.splitlines()
    assert lines[-1] == "closed True"
    if len(lines) > 1:  # else it had ended within the first turn
        assert lines[0].startswith("1 operations are still in flight, as they did not end in time; their buffers")
        assert lines[1] == "exported"


def test_close_wakes_threads_that_wait(background: Callable[..., Future[Any]], until: Callable[..., None]) -> None:
    ring = Ring(4)
    ring.timeout(600)

    def wait() -> None:
        with pytest.raises(PortClosedError):
            ring.submit_and_wait()

    waiting = [background(wait) for _ in range(4)]
    until(lambda: ring.statistics()["submitted"] == 1)
    ring.close()
    for future in waiting:
        assert future.result(30) is None


def test_close_by_a_signal_handler_during_a_wait(pair: Pair) -> None:
    ring = Ring(4)
    buffer = bytearray(1)
    before = signal.signal(signal.SIGALRM, lambda number, frame: ring.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        ring.recv(pair[0], buffer)
        with pytest.raises(PortClosedError):
            ring.submit_and_wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    buffer.append(1)
    assert ring.in_flight == 0


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_refused_deadlines(ring: Ring, timeout: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        ring.close(timeout)
    assert not ring.closed


@pytest.mark.parametrize("kind", ["NONE", "SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN"])
@pytest.mark.parametrize("holder", ["here", "sys", "cycle", "thread"])
def test_an_interpreter_that_ends_with_operations_in_flight(
    child: Callable[[str], str], kind: str, holder: str
) -> None:
    if holder == "thread" and kind != "NONE":
        pytest.skip("such a ring cannot be waited for by another thread")
    printed = child(f"""
        import os, sys, threading, time
        from compl_uring import Ring, SetupFlags
        os.dup2(1, 2)  # nothing may be said there
        reader, writer = os.pipe()
        ring = Ring(8, flags=SetupFlags.{kind})
        ring.read(reader, bytearray(8), -1)
        ring.submit()
        if {holder!r} == "sys":
            sys.kept = ring
        elif {holder!r} == "cycle":
            ring.submit_raw(bytes(64), keep=[ring])
        elif {holder!r} == "thread":
            threading.Thread(target=ring.submit_and_wait, daemon=True).start()
            time.sleep(0.05)
        print("ended")
    """)
    assert printed == "ended"


# ---- forked children -------------------------------------------------------------------------------------------------


def in_child(call: Callable[[], object]) -> int:
    """The exit status of a forked child that calls it: 0 when it returned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
        pid = os.fork()
    if pid == 0:
        status = 99
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_is_refused(ring: Ring, pair: Pair) -> None:
    buffer = bytearray(8)
    ring.recv(pair[0], buffer, 5)
    ring.submit()

    def use() -> None:
        for call in (ring.nop, ring.submit, ring.submit_and_wait, ring.reap, ring.probe, ring.fileno):
            with pytest.raises(ForkedPortError, match="belongs to process"):
                call()

    assert in_child(use) == 0
    pair[1].send(b"parent")
    (entry,) = ring.submit_and_wait(1, 30)
    assert (entry.user_data, entry.res) == (5, 6)


@pytest.mark.parametrize("how", ["close", "collect"])
def test_a_forked_child_lets_go_without_touching_the_parents(pair: Pair, how: str) -> None:
    ring = Ring(4)
    buffer = bytearray(8)
    ring.recv(pair[0], buffer, 5)
    ring.nop(6)
    fd = ring.fileno()
    ring.submit()
    holder = [ring]
    del ring

    def leave() -> None:
        if how == "close":
            holder[0].close()
            assert holder[0].closed
        holder.clear()
        gc.collect()
        buffer.append(1)  # this process's copy
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)
        with Ring(4) as own:
            own.nop()
            assert len(own.submit_and_wait(1, 30)) == 1

    assert in_child(leave) == 0
    pair[1].send(b"on")
    with holder[0] as ring:
        assert sorted((entry.user_data, entry.res) for entry in ring.submit_and_wait(2, 30)) == [(5, 2), (6, 0)]


# ---- what is collected -----------------------------------------------------------------------------------------------


class Holder(bytearray):
    """A buffer that refers to things."""

    friend: object = None


def test_a_cycle_through_a_buffer_in_flight_is_collected(pair: Pair) -> None:
    ring = Ring(4)
    buffer = Holder(8)
    buffer.friend = ring
    ring.recv(pair[0], buffer)
    ring.submit()
    reference = weakref.ref(ring)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del ring, buffer
        gc.collect()
    assert reference() is None


def test_a_cycle_through_what_is_kept_is_collected(pair: Pair) -> None:
    ring = Ring(4)
    entry = bytes(64)
    kept: list[object] = [ring]
    kept.append(kept)
    ring.submit_raw(entry, keep=kept)
    reference = weakref.ref(ring)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del ring, kept
        gc.collect()
    assert reference() is None


def test_a_prepared_entry_gives_its_buffer_back_when_collected(pair: Pair) -> None:
    buffer = Holder(8)
    buffer.friend = [Prepare().recv(pair[0], buffer)]
    reference = weakref.ref(buffer)
    del buffer
    gc.collect()
    assert reference() is None


def test_operations_leave_no_memory_behind(ring: Ring, pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))

    def turn() -> None:
        with path.open("rb", 0) as file:
            for number in range(8):
                ring.read(file, bytearray(10), 0, 2**40 + number)
                ring.readv(file, [bytearray(10), bytearray(5)], 0, 2**40 + number)
                ring.statx(path, bytearray(256), 2**40)
                ring.timeout(0, 2**40)
                ring.recv(pair[0], bytearray(4), 2**50)
            ring.cancel(2**50, 1, all=True)
            while ring.in_flight:
                ring.submit_and_wait()

    turn()
    gc.collect()
    before = len(gc.get_objects()), sys.getallocatedblocks()
    for _ in range(50):
        turn()
    gc.collect()
    assert len(gc.get_objects()) <= before[0] + 20
    assert sys.getallocatedblocks() <= before[1] + 200


def test_a_thread_that_ends_leaves_its_operation_to_end_once(pair: Pair) -> None:
    """The kernel cancels what the thread had submitted, unasked, once the thread is quite gone."""
    buffer = bytearray(8)
    with Ring(8) as ring:

        def submit() -> None:
            ring.recv(pair[0], buffer, 7)
            ring.submit()

        thread = threading.Thread(target=submit)
        thread.start()
        thread.join()
        pair[1].send(b"x")
        (entry,) = ring.submit_and_wait(1, 30)
        assert (entry.user_data, entry.more) == (7, False)
        assert entry.res in (1, -errno.ECANCELED)
        buffer.append(1)
        assert ring.submit_and_wait(1, 0.01) == []
