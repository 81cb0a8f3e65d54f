"""IoContext: submitting, getting events, cancelling, ending."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_aio import MAX_REQUESTS, EventArray, IocbCmd, IocbFlags, IoContext, IoControlBlock

ZERO = Path("/dev/zero")
IN, OUT = select.POLLIN, select.POLLOUT
Background = Callable[..., "Future[Any]"]


@pytest.mark.parametrize("number", [0, MAX_REQUESTS + 1])
def test_numbers_of_requests_that_are_refused(number: int) -> None:
    with pytest.raises(OSError, match=f"io_setup.*{number}") as caught:
        IoContext(number)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("number", [-1, 2**64])
def test_numbers_of_requests_that_are_none(number: int) -> None:
    with pytest.raises(OverflowError, match="nr_events"):
        IoContext(number)


def test_more_than_the_host_has_left() -> None:
    limit = int(Path("/proc/sys/fs/aio-max-nr").read_text(encoding="ascii"))
    if limit > MAX_REQUESTS:
        pytest.skip(f"fs.aio-max-nr is {limit}, more than one context asks for")
    with IoContext(1), pytest.raises(BlockingIOError, match=r"fs\.aio-max-nr") as caught:
        IoContext(limit)
    assert caught.value.errno == errno.EAGAIN


def test_two_reads_of_zeros(context: IoContext) -> None:
    with ZERO.open("rb", buffering=0) as zero:
        buffers = [bytearray(b"x" * 4096) for _ in range(2)]
        blocks = [IoControlBlock(IocbCmd.PREAD, zero, buffer) for buffer in buffers]
        assert context.submit(blocks) == 2
        events = EventArray(1)
        for _ in range(2):
            assert context.get_events(1, events, None) == 1
            assert events[0].res == 4096
        assert buffers == [bytearray(4096)] * 2


def test_a_read_cannot_be_cancelled(context: IoContext) -> None:
    with ZERO.open("rb", buffering=0) as zero:
        block = IoControlBlock(IocbCmd.PREAD, zero, bytearray(16384))
        assert context.submit([block]) == 1
        with pytest.raises(OSError, match="io_cancel") as caught:
            context.cancel(block)
        assert caught.value.errno == errno.EINVAL
        events = EventArray(1)
        assert context.get_events(1, events) == 1
        assert events[0].res == 16384


def test_a_poll_can_be_cancelled(context: IoContext, pipe: tuple[int, int]) -> None:
    """The kernel says EINPROGRESS, and the event follows with a result of 0: not ECANCELED."""
    block = IoControlBlock(IocbCmd.POLL, pipe[0], IN, aio_data=7)
    assert context.submit([block]) == 1
    events = EventArray(2)
    assert context.get_events(0, events, 0) == 0
    with pytest.raises(BlockingIOError) as caught:
        context.cancel(block)
    assert caught.value.errno == errno.EINPROGRESS
    assert block.in_flight
    assert context.get_events(1, events, 10) == 1
    assert events[0] == (7, block.address, 0, 0)
    assert not block.in_flight
    with pytest.raises(OSError, match="io_cancel") as caught_again:
        context.cancel(block)
    assert caught_again.value.errno == errno.EINVAL


def test_a_wake_up_tells_bits_that_nobody_asked_for(context: IoContext, pipe: tuple[int, int]) -> None:
    """A poll that is ready when it is submitted has its own bits alone; one that is woken may have others."""
    reader, writer = pipe
    events = EventArray(1)
    block = IoControlBlock(IocbCmd.POLL, reader, IN)
    context.submit([block])
    os.write(writer, b"x")
    assert context.get_events(1, events, 10) == 1
    assert events[0].res & IN
    assert events[0].res & ~(IN | select.POLLRDNORM) == 0
    context.submit([block])
    assert context.get_events(1, events, 10) == 1
    assert events[0].res == IN


def test_partial_submissions_are_told_as_they_are(context: IoContext, pipe: tuple[int, int]) -> None:
    """What is wrong with a block comes out when it is the first one, and only then."""
    good = [IoControlBlock(IocbCmd.POLL, pipe[1], OUT, aio_data=n) for n in range(2)]
    bad = IoControlBlock(IocbCmd.POLL, 2**20, OUT)
    assert context.submit([good[0], bad, good[1]]) == 1
    assert [block.in_flight for block in (good[0], bad, good[1])] == [True, False, False]
    with pytest.raises(OSError, match="io_submit of 2 blocks") as caught:
        context.submit([bad, good[1]])
    assert caught.value.errno == errno.EBADF
    events = EventArray(4)
    assert context.get_events(1, events) == 1
    assert context.in_flight == 0


def test_nothing_to_submit(context: IoContext) -> None:
    assert context.submit([]) == 0


def test_what_is_no_control_block(context: IoContext) -> None:
    with pytest.raises(TypeError):
        context.submit([1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        context.submit(None)  # type: ignore[arg-type]
    assert context.in_flight == 0


def test_a_block_is_in_flight_once(context: IoContext, pipe: tuple[int, int]) -> None:
    block = IoControlBlock(IocbCmd.POLL, pipe[0], IN)
    with pytest.raises(ValueError, match="block 1 is in flight already"):
        context.submit([block, block])
    assert not block.in_flight
    context.submit([block])
    with pytest.raises(ValueError, match="in flight"):
        block.aio_data = 3
    with pytest.raises(ValueError, match="in flight"):
        IoControlBlock.__init__(block, IocbCmd.POLL, pipe[0], OUT)


def test_the_context_s_limit_is_eagain(pipe: tuple[int, int]) -> None:
    """Beyond what its ring holds; what is refused can be submitted once events have been got."""
    with IoContext(1) as context:
        blocks = [IoControlBlock(IocbCmd.POLL, pipe[0], IN) for _ in range(4000)]
        taken = context.submit(blocks)
        assert 1 <= taken < 4000
        with pytest.raises(BlockingIOError) as caught:
            context.submit(blocks[taken:])
        assert caught.value.errno == errno.EAGAIN
        os.write(pipe[1], b"x")
        events = EventArray(4000)
        assert context.get_events(taken, events, 10) == taken
        assert context.submit(blocks[:1]) == 1


# ---- events ---------------------------------------------------------------------------------------------------------


def test_a_timeout(context: IoContext, pipe: tuple[int, int]) -> None:
    context.submit([IoControlBlock(IocbCmd.POLL, pipe[0], IN)])
    events = EventArray(1)
    started = time.monotonic()
    assert context.get_events(1, events, 0.05) == 0
    assert 0.05 <= time.monotonic() - started < 10


def test_less_than_wanted_within_the_time(context: IoContext, pipe: tuple[int, int]) -> None:
    context.submit([IoControlBlock(IocbCmd.POLL, pipe[1], OUT), IoControlBlock(IocbCmd.POLL, pipe[0], IN)])
    events = EventArray(4)
    assert context.get_events(2, events, 0.02) == 1
    assert events[0].res == OUT


@pytest.mark.parametrize("least", [-1, 2])
def test_numbers_that_the_kernel_refuses(context: IoContext, least: int) -> None:
    with pytest.raises(OSError, match="io_getevents") as caught:
        context.get_events(least, EventArray(1), 0)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_timeouts_that_make_no_sense(context: IoContext, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        context.get_events(1, EventArray(1), timeout)


def test_a_signal_does_not_end_the_wait(context: IoContext, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    context.submit([IoControlBlock(IocbCmd.POLL, reader, IN)])
    before = signal.signal(signal.SIGALRM, lambda *_: os.write(writer, b"x"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert context.get_events(1, EventArray(1), 10) == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def test_threads_that_get_events_at_once(background: Background) -> None:
    """Each event to one of them, although one may be in the kernel while others would read the ring."""
    with IoContext(2500) as context, ZERO.open("rb", buffering=0) as zero:
        lock = threading.Lock()
        got: list[int] = []

        def get() -> None:
            events = EventArray(3)
            while True:
                context.get_events(1, events)
                with lock:
                    got.extend(event.data for event in events)
                if any(event.data >= 2000 for event in events):
                    return

        waiters = [background(get) for _ in range(4)]
        for start in range(0, 2000, 50):
            blocks = [IoControlBlock(IocbCmd.PREAD, zero, bytearray(1), aio_data=start + n) for n in range(50)]
            assert context.submit(blocks) == 50
        sent = 2000
        while not all(waiter.done() for waiter in waiters):
            if context.in_flight == 0:
                context.submit([IoControlBlock(IocbCmd.PREAD, zero, bytearray(1), aio_data=sent)])
                sent += 1
            time.sleep(0.0005)
        rest = EventArray(200)
        context.get_events(context.in_flight, rest, 10)
        got.extend(event.data for event in rest)
        assert sorted(got) == list(range(sent))


def test_one_array_serves_one_thread(context: IoContext, pipe: tuple[int, int], background: Background) -> None:
    events = EventArray(1)
    context.submit([IoControlBlock(IocbCmd.POLL, pipe[0], IN)])
    waiter = background(context.get_events, 1, events)
    refused = ""
    while not refused and not waiter.done():
        try:
            context.get_events(0, events, 0)
        except ValueError as error:
            refused = str(error)
    os.write(pipe[1], b"x")
    assert waiter.result(10) == 1
    assert "in use by another thread" in refused


def test_an_eventfd_counts(context: IoContext, pipe: tuple[int, int]) -> None:
    counter = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        blocks = [IoControlBlock(IocbCmd.POLL, pipe[1], OUT, aio_resfd=counter) for _ in range(3)]
        assert all(block.aio_flags == IocbFlags.RESFD for block in blocks)
        assert context.submit(blocks) == 3
        assert os.eventfd_read(counter) == 3
    finally:
        os.close(counter)


@pytest.mark.parametrize(("resfd", "number"), [(2**20, errno.EBADF), ("pipe", errno.EINVAL)])
def test_what_is_no_eventfd(context: IoContext, pipe: tuple[int, int], resfd: int | str, number: int) -> None:
    block = IoControlBlock(IocbCmd.POLL, pipe[1], OUT, aio_resfd=pipe[0] if isinstance(resfd, str) else resfd)
    with pytest.raises(OSError, match="io_submit") as caught:
        context.submit([block])
    assert caught.value.errno == number


# ---- the end --------------------------------------------------------------------------------------------------------


def test_closed_contexts_say_so(context: IoContext) -> None:
    context.close()
    context.close()
    assert context.closed
    for call in (
        lambda: context.submit([]),
        lambda: context.get_events(0, EventArray(1)),
        lambda: context.cancel(IoControlBlock(IocbCmd.POLL, 0, 1)),
        lambda: context.__enter__(),
    ):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_what_is_dropped_is_destroyed(child: Callable[[str], str]) -> None:
    """In a process of its own, whose requests the kernel would count until its end."""
    output = child("""
        import gc, time
        from pathlib import Path
        from compl_aio import IoContext

        def counted():
            return int(Path("/proc/sys/fs/aio-nr").read_text())

        before = counted()
        context = IoContext(9999)
        while counted() < before + 9999:
            before = min(before, counted())
        del context
        gc.collect()
        limit = time.monotonic() + 30
        while counted() >= before + 9999:
            assert time.monotonic() < limit, (before, counted())
            time.sleep(0.01)
        print("returned")
    """)
    assert output == "returned"


def test_buffers_are_held_until_the_event(context: IoContext, pipe: tuple[int, int]) -> None:
    buffer = bytearray(4096)
    block = IoControlBlock(IocbCmd.PREAD, os.open("/dev/zero", os.O_RDONLY), buffer)
    context.submit([block])
    address = block.address
    del block
    gc.collect()
    with pytest.raises(BufferError):
        buffer.extend(b"more")
    events = EventArray(1)
    assert context.get_events(1, events) == 1
    assert events[0].obj == address
    gc.collect()
    buffer.extend(b"more")


def test_closing_wakes_and_lets_go(pipe: tuple[int, int], background: Background) -> None:
    context = IoContext(8)
    block = IoControlBlock(IocbCmd.POLL, pipe[0], IN)
    context.submit([block])
    waiter = background(context.get_events, 1, EventArray(1))
    context.close()  # wherever the other thread is by now
    assert isinstance(waiter.exception(10), ValueError)
    assert not block.in_flight
    assert context.in_flight == 0


def test_a_forked_child_leaves_it_alone(context: IoContext, pipe: tuple[int, int]) -> None:
    context.submit([IoControlBlock(IocbCmd.POLL, pipe[1], OUT, aio_data=5)])
    process = os.fork()
    if process == 0:
        status = 1
        try:
            calls: list[Callable[[], int]] = [
                lambda: context.get_events(0, EventArray(1), 0),
                lambda: context.submit([]),
            ]
            for call in calls:
                with pytest.raises(RuntimeError, match="is a fork"):
                    call()
            context.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    events = EventArray(1)
    assert context.get_events(1, events, 10) == 1
    assert events[0].data == 5
