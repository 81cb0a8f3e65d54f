"""Waiting: how long, through signals, in several threads, while others register."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from compl_epoll import Epoll, EpollEvents, Event, EventArray

Pipe = tuple[int, int]
Background = Callable[..., "Future[Any]"]
Until = Callable[[Callable[[], Any]], None]


class Minus(int):
    """An int of a type of its own."""


# ---- how long -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_ms", [1, 20, 1.0, 0.2, 0.001, 1e-6, 1.7, 12.3456789])
def test_never_early(epoll: Epoll, timeout_ms: float) -> None:
    events = EventArray(1)
    for _ in range(5):
        start = time.monotonic_ns()
        assert epoll.wait(events, timeout_ms) == 0
        passed = time.monotonic_ns() - start
        assert passed >= timeout_ms * 1e6
        assert passed < 20e9  # nor seconds for milliseconds


@pytest.mark.parametrize("timeout_ms", [0, 0.0])
def test_zero_never_blocks(epoll: Epoll, pipe: Pipe, timeout_ms: float) -> None:
    events = EventArray(1)
    assert epoll.wait(events, timeout_ms) == 0
    epoll.register(pipe[1], Event(EpollEvents.OUT, 1))
    assert epoll.wait(events, timeout_ms) == 1


@pytest.mark.parametrize("timeout_ms", [-1, -2, -1000, Minus(-3), -1.0, float("inf"), 2**40, 2**44, 2**62, 1e13, 1e300])
def test_for_ever_and_nearly(epoll: Epoll, pipe: Pipe, background: Background, timeout_ms: float) -> None:
    """Negative is for ever, as in epoll_wait(2), and what is longer than a clock can say is no different."""
    reader, writer = pipe
    events = EventArray(1)
    epoll.register(reader, Event(EpollEvents.IN, 1))
    waiting = background(epoll.wait, events, timeout_ms)
    with pytest.raises(TimeoutError):
        waiting.result(0.05)
    os.write(writer, b"x")
    assert waiting.result(30) == 1


def test_for_ever_is_the_default(epoll: Epoll, pipe: Pipe, background: Background) -> None:
    reader, writer = pipe
    events = EventArray(1)
    waiting = background(epoll.wait, events)
    epoll.register(reader, Event(EpollEvents.IN, 1))
    assert not waiting.done()
    os.write(writer, b"x")
    assert waiting.result(30) == 1


@pytest.mark.parametrize("timeout_ms", [None, "1", [1], 1j])
def test_a_timeout_is_a_number(epoll: Epoll, timeout_ms: Any) -> None:
    with pytest.raises(TypeError, match="timeout_ms"):
        epoll.wait(EventArray(1), timeout_ms)


def test_not_a_number(epoll: Epoll) -> None:
    with pytest.raises(ValueError, match="timeout_ms"):
        epoll.wait(EventArray(1), float("nan"))


@pytest.mark.parametrize("events", [None, [], [(0, 0)], 10])
def test_only_arrays_are_filled(epoll: Epoll, events: Any) -> None:
    with pytest.raises(TypeError, match="EventArray"):
        epoll.wait(events, 0)


# ---- signals --------------------------------------------------------------------------------------------------------


def test_a_storm_of_signals_does_not_move_the_end(child: Callable[[str], str]) -> None:
    """A signal each half millisecond: handlers run, the wait goes on with the time that is left."""
    output = child("""
        import signal, time
        from compl_epoll import Epoll, EventArray

        handled = 0
        def handle(number, frame):
            global handled
            handled += 1

        signal.signal(signal.SIGALRM, handle)
        with Epoll() as epoll:
            events = EventArray(1)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            for timeout_ms in (200, 200.5):
                start = time.monotonic()
                assert epoll.wait(events, timeout_ms) == 0
                passed = time.monotonic() - start
                assert timeout_ms / 1000 <= passed < 20, passed
            signal.setitimer(signal.ITIMER_REAL, 0)
        print(handled)
    """)
    assert int(output) > 10


def test_an_event_in_a_storm(child: Callable[[str], str]) -> None:
    child("""
        import os, signal, threading
        from compl_epoll import Epoll, EpollEvents, Event, EventArray

        signal.signal(signal.SIGALRM, lambda number, frame: None)
        reader, writer = os.pipe()
        with Epoll() as epoll:
            events = EventArray(1)
            epoll.register(reader, Event(EpollEvents.IN | EpollEvents.ET, 2**64 - 1))
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for _ in range(20):
                threading.Timer(0.005, os.write, (writer, b"x")).start()
                assert epoll.wait(events) == 1
                assert events[0] == (EpollEvents.IN, 2**64 - 1)
            signal.setitimer(signal.ITIMER_REAL, 0)
    """)


def test_what_a_handler_raises_comes_out(child: Callable[[str], str]) -> None:
    output = child("""
        import os, signal, threading
        from compl_epoll import Epoll, EventArray

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        with Epoll() as epoll:
            events = EventArray(1)
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                epoll.wait(events)
            except KeyboardInterrupt:
                print("interrupted", len(events))
            assert epoll.wait(events, 1) == 0  # the set and the array are as good as before
    """)
    assert output == "interrupted 0"


def test_a_handler_may_close_the_set(child: Callable[[str], str]) -> None:
    """The wait must not go on with the number, which may be another set by then."""
    output = child("""
        import os, signal, threading
        from compl_epoll import Epoll, EpollEvents, Event, EventArray

        def handle(number, frame):
            before = epoll.fileno()
            epoll.close()
            other = Epoll()
            assert other.fileno() == before
            other.register(writer, Event(EpollEvents.OUT, 1))
            kept.append(other)

        kept = []
        reader, writer = os.pipe()
        signal.signal(signal.SIGUSR1, handle)
        epoll = Epoll()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        try:
            print(epoll.wait(EventArray(1), 5000))
        except ValueError as error:
            print(error)
    """)
    assert "the epoll set is closed" in output


# ---- threads --------------------------------------------------------------------------------------------------------


def test_several_threads_each_with_an_array(epoll: Epoll, background: Background) -> None:
    """Edge-triggered: each event wakes one of them, and is one thread's alone."""
    arrays = [EventArray(4) for _ in range(4)]
    waiting = [background(epoll.wait, array) for array in arrays]
    ends = [os.pipe() for _ in range(4)]
    for data, (reader, _) in enumerate(ends):
        epoll.register(reader, Event(EpollEvents.IN | EpollEvents.ONESHOT, data))
    found: list[int] = []
    for _, writer in ends:
        os.write(writer, b"x")
    for future, array in zip(waiting, arrays, strict=True):
        # A thread may take several at once; those that are left get another one each.
        while not future.done():
            reader, writer = os.pipe()
            ends.append((reader, writer))
            epoll.register(reader, Event(EpollEvents.IN | EpollEvents.ONESHOT, len(ends) - 1))
            os.write(writer, b"x")
            try:
                future.result(0.1)
            except TimeoutError:
                continue
        assert future.result() == len(array) >= 1
        found += [data for _, data in array]
    rest = EventArray(1000)
    epoll.wait(rest, 0)
    found += [data for _, data in rest]
    assert sorted(found) == list(range(len(ends)))
    for end in ends:
        for fd in end:
            os.close(fd)


def test_any_thread_registers_while_another_waits(epoll: Epoll, pipe: Pipe, background: Background) -> None:
    _, writer = pipe
    events = EventArray(1)
    for event in (Event(EpollEvents.OUT, 1), Event(EpollEvents.OUT, 2)):
        waiting = background(epoll.wait, events)
        with pytest.raises(TimeoutError):
            waiting.result(0.02)
        if event.data == 1:
            epoll.register(writer, event)
        else:
            epoll.modify(writer, event)
        assert waiting.result(30) == 1
        assert events[0] == event
        epoll.modify(writer, Event(EpollEvents.NONE))
    waiting = background(epoll.wait, events, 50)
    epoll.unregister(writer)
    assert waiting.result(30) == 0


def test_other_threads_run_meanwhile(epoll: Epoll, background: Background, until: Until) -> None:
    """The interpreter's lock is given up for the length of the wait."""
    waiting = background(epoll.wait, EventArray(1), 200)
    counted = 0
    while not waiting.done():
        counted += 1
    assert waiting.result() == 0
    assert counted > 1000
