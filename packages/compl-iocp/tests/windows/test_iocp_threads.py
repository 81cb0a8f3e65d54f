"""Many threads at one completion port: each packet to one of them, every waiter out when it closes, Ctrl-C."""

from __future__ import annotations

import collections
import ctypes
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from compl_iocp import Iocp

Background = Callable[..., Future[Any]]
Child = Callable[[str], str]
PATIENCE = 30.0


def test_posts_from_many_threads(iocp: Iocp, background: Background) -> None:
    """Each thread's own come in its order, none is lost or doubled."""

    def post(thread: int) -> None:
        for number in range(250):
            iocp.post(thread, number)

    threads = [background(post, thread) for thread in range(4)]
    found: dict[int, list[int]] = collections.defaultdict(list)
    while sum(map(len, found.values())) < 1000:
        for entry in iocp.get_many(timeout=PATIENCE):
            found[entry.key].append(entry.nbytes)
    assert found == {thread: [*range(250)] for thread in range(4)}
    for thread in threads:
        thread.result(PATIENCE)
    assert iocp.status() == (0, 0)


@pytest.mark.parametrize("room", [1, 16])
def test_each_packet_to_one_waiter(iocp: Iocp, background: Background, room: int) -> None:
    stop = 2**64 - 1

    def take() -> list[int]:
        found: list[int] = []
        while True:
            for entry in iocp.get_many(room, PATIENCE):
                found.append(entry.key)
            if stop in found:
                return found

    takers = [background(take) for _ in range(4)]
    for number in range(600):
        iocp.post(number)
    while not all(taker.done() for taker in takers):
        iocp.post(stop)  # a taker may have taken several of these
        time.sleep(0.01)
    found = [key for taker in takers for key in taker.result() if key != stop]
    assert sorted(found) == [*range(600)]


def test_closing_wakes_every_waiter(background: Background, until: Callable[[Callable[[], Any]], None]) -> None:
    """Never by the handle's end, of which Wine 8 tells nobody."""
    port = Iocp()
    started = threading.Barrier(6)

    def wait() -> None:
        started.wait(PATIENCE)
        port.get_many()

    waiters = [background(wait) for _ in range(5)]
    started.wait(PATIENCE)
    time.sleep(0.05)  # most of them are in the kernel by now; one that is not finds it closed
    number = port.fileno()
    port.close()
    for waiter in waiters:
        error = waiter.exception(PATIENCE)
        assert isinstance(error, ValueError)
        assert "closed" in str(error)
    kernel32 = ctypes.WinDLL("kernel32")
    until(lambda: not kernel32.GetHandleInformation(ctypes.c_void_p(number), ctypes.byref(ctypes.c_ulong())))


def interrupt() -> None:
    """Ctrl-C, a moment later: most likely within the wait, and no harm if not."""
    time.sleep(0.1)
    signal.raise_signal(signal.SIGINT)


def test_a_port_closed_by_a_signal_handler(background: Background) -> None:
    port = Iocp()

    def close(*_: object) -> None:
        port.close()

    before = signal.signal(signal.SIGINT, close)
    try:
        background(interrupt)
        with pytest.raises(ValueError, match="closed"):
            port.get_many()
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_wait_and_loses_nothing(iocp: Iocp, background: Background) -> None:
    background(interrupt)
    with pytest.raises(KeyboardInterrupt):
        iocp.get_many()
    iocp.post(1)
    assert iocp.status() == (1, 0)


def test_an_apc_runs_in_an_alertable_wait_alone(iocp: Iocp) -> None:
    kernel32 = ctypes.WinDLL("kernel32")
    kernel32.OpenThread.restype = ctypes.c_void_p
    ran: list[int] = []
    routine = ctypes.WINFUNCTYPE(None, ctypes.c_size_t)(ran.append)
    thread = kernel32.OpenThread(0x0010, False, threading.get_native_id())  # THREAD_SET_CONTEXT
    try:
        assert kernel32.QueueUserAPC(routine, ctypes.c_void_p(thread), ctypes.c_size_t(5))
        assert iocp.get_many(timeout=0.01) == []
        assert ran == []
        assert iocp.get_many(timeout=PATIENCE, alertable=True) == []
        assert ran == [5]
    finally:
        kernel32.CloseHandle(ctypes.c_void_p(thread))


def test_interpreter_exit_with_a_waiter(child: Child) -> None:
    output = child("""
        import threading, time
        from compl_iocp import Iocp
        port = Iocp()
        threading.Thread(target=port.get_many, daemon=True).start()
        time.sleep(0.05)
        print("end")
    """)
    assert output == "end"
