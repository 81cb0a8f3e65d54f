"""Views of a pool from beginning to end: who keeps the memory, who gives it back and where; that nothing is left."""

from __future__ import annotations

import gc
import os
import queue
import signal
import socket
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest

from compl_core import BufferPool
from compl_epoll import EpollPort

Pair = tuple[socket.socket, socket.socket]
Child = Callable[[str], str]
Background = Callable[..., Future[Any]]
Until = Callable[[Callable[[], Any]], None]


class Holder:
    """Something that refers to others, and that a weak reference can watch."""

    def __init__(self, *held: object) -> None:
        self.held: object = held


def filled(port: EpollPort, pair: Pair, pool: BufferPool) -> list[memoryview]:
    """A receive that has used up the pool, with more to come; the views of all its buffers."""
    left, right = pair
    port.recv(left, pool=pool)
    right.send(b"x" * pool.count * pool.size + b"more")
    views = [done.value for done in port.wait(pool.count, timeout=30, min_completions=pool.count)]
    assert pool.available == 0
    return views


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_a_view_outlives_everything(pair: Pair) -> None:
    """The receive, the port, the pool and the other views are gone; the bytes are there, and may be written."""
    left, right = pair
    port = EpollPort()
    pool = port.buffer_pool(3, 1 << 20)
    port.recv(left, pool=pool)
    right.send(b"the bytes stay")
    (done,) = port.wait(timeout=30)
    right.send(b"nobody takes these")
    port.close()
    view, ghost = done.value[4:9], weakref.ref(pool)
    del done, pool, port
    gc.collect()
    assert ghost() is not None
    assert bytes(view) == b"bytes"
    view[:] = b"BYTES"
    assert bytes(view) == b"BYTES"
    view.release()
    gc.collect()
    assert ghost() is None


def test_completions_that_nobody_took_give_their_buffers_back(pair: Pair) -> None:
    with EpollPort() as port:
        pool = port.buffer_pool(4, 4)
        port.recv(pair[0], pool=pool)
        pair[1].send(b"x" * 11)
        assert len(port.wait(1, timeout=30)) == 1
        assert port.statistics()["ready"] == 2
        assert pool.available == 2
    assert pool.available == 4


def test_every_slice_has_to_be_let_go_of(port: EpollPort, pair: Pair) -> None:
    pool = port.buffer_pool(1, 8)
    (view,) = filled(port, pair, pool)
    slices = [view[1:3], view.cast("H"), memoryview(view)]
    view.release()
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    while slices:
        assert pool.available == 0
        assert port.wait(timeout=0) == []
        slices.pop()
    assert pool.available == 1
    (done,) = port.wait(timeout=0)
    assert bytes(done.value) == b"more"


def test_an_open_port_goes_with_its_last_view(pair: Pair) -> None:
    """The view keeps the pool, and that the port, which would have to be told."""
    port = EpollPort()
    view, ghost = filled(port, pair, port.buffer_pool(1, 1))[0], weakref.ref(port)
    port.cancel_all(pair[0])
    assert port.wait(timeout=30)
    del port
    gc.collect()
    assert ghost() is not None
    with pytest.warns(ResourceWarning, match="unclosed epoll port"):
        del view
    assert ghost() is None


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("pending", [True, False])
def test_cycles_are_found(pair: Pair, closed: bool, pending: bool) -> None:
    """Port, pool, chunk, view, token, and back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        port = EpollPort()
        pool = port.buffer_pool(2, 4)
        token = Holder(port, pool)
        if pending:
            port.recv(pair[0], pool=pool, token=token)
        else:
            port.recv(pair[0], pool=pool)
        pair[1].send(b"x" * 100)
        found = port.wait(timeout=30)
        token.held = (token.held, found, memoryview(found[0].value)[1:], Holder(found, port))
        port.post(1, 2, token)
        if not pending:
            port.cancel_all(pair[0])
        if closed:
            port.close()
        ghosts = [weakref.ref(each) for each in (port, pool, token)]
        del port, pool, token, found
        gc.collect()
        assert [ghost() for ghost in ghosts] == [None, None, None]


def test_a_receive_alone_keeps_no_port(pair: Pair) -> None:
    """Port and pool refer to one another through the operation: the collector finds that."""
    port = EpollPort()
    port.recv(pair[0], pool=port.buffer_pool(2, 2))
    ghost = weakref.ref(port)
    del port
    with pytest.warns(ResourceWarning, match="unclosed epoll port"):
        gc.collect()
    assert ghost() is None


# ---- giving back ----------------------------------------------------------------------------------------------------


def test_another_thread_wakes_a_paused_receive(
    port: EpollPort, pair: Pair, background: Background, until: Until
) -> None:
    """Everybody is blocked in wait(); a thread that knows nothing of the port lets go of a view."""
    views = filled(port, pair, port.buffer_pool(1, 2))
    port.wait(timeout=0)
    kernel_waits = port.statistics()["kernel_waits"]
    waiters = [background(port.wait, 1, 60) for _ in range(3)]
    until(lambda: port.statistics()["kernel_waits"] > kernel_waits)
    background(views.clear)
    for expected in (b"mo", b"re", None):
        until(lambda: any(waiter.done() for waiter in waiters))
        (waiter,) = [waiter for waiter in waiters if waiter.done()]  # one, and the others sleep on
        waiters.remove(waiter)
        (done,) = waiter.result()
        if expected is None:
            assert done.eof
            break
        assert bytes(done.value) == expected
        if expected == b"re":
            pair[1].close()
        background(done.value.release)


def test_the_waiting_thread_asks_for_more_than_there_are_buffers(
    port: EpollPort, pair: Pair, background: Background
) -> None:
    """min_completions counts on buffers that are given back meanwhile."""
    pool = port.buffer_pool(2, 2)
    views = filled(port, pair, pool)
    waiter = background(lambda: port.wait(10, 30, min_completions=2))
    for view in views:
        background(view.release).result(30)
    assert [bytes(done.value) for done in waiter.result(30)] == [b"mo", b"re"]


def collected(view: memoryview) -> None:
    """Only the collector can let go of the view."""
    cycle: list[object] = [view]
    cycle.append(cycle)


@pytest.mark.parametrize("where", ["cycle", "gc.callbacks", "finalizer", "weak reference", "signal handler"])
def test_given_back_in_the_middle_of_anything(port: EpollPort, pair: Pair, background: Background, where: str) -> None:
    views = filled(port, pair, port.buffer_pool(1, 4))

    def at_a_collection(phase: str, info: dict[str, int]) -> None:
        views.clear()

    class Last:
        def __del__(self) -> None:
            views.clear()

    last = Last()
    if where == "weak reference":
        ghost = weakref.ref(last, lambda _: views.clear())
        Last.__del__ = lambda self: None  # type: ignore[method-assign]
        del last
        assert ghost() is None
    elif where == "cycle":
        collected(views.pop())
        gc.collect()
    elif where == "gc.callbacks":
        gc.callbacks.append(at_a_collection)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(at_a_collection)
    elif where == "finalizer":
        collected(memoryview(b""))
        del last
    elif where == "signal handler":
        before = signal.signal(signal.SIGUSR1, lambda *_: views.clear())
        try:
            background(os.kill, os.getpid(), signal.SIGUSR1)
            (done,) = port.wait(timeout=30)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert bytes(done.value) == b"more"
        return
    (done,) = port.wait(timeout=30)
    assert bytes(done.value) == b"more"


@pytest.mark.parametrize("where", ["fileno", "close", "wait"])
def test_given_back_in_the_middle_of_a_call_of_the_port(port: EpollPort, pair: Pair, where: str) -> None:
    """Code of the user that such a call runs: fileno(), a file's close(), a token's end."""
    pool = port.buffer_pool(1, 4)
    views = filled(port, pair, pool)
    other = socket.socketpair()

    class File:
        def fileno(self) -> int:
            if where == "fileno":
                views.clear()
            return other[0].fileno()

        def close(self) -> None:
            views.clear()
            other[0].close()

    class Token:
        def __del__(self) -> None:
            views.clear()

    if where == "close":
        port.recv(other[0], bytearray(1), 0, Token())
        port.close()
        assert pool.available == 1
    else:
        getattr(port, "close_file" if where == "wait" else "cancel_all")(File())
        found = port.wait(timeout=30)
        found += port.wait(timeout=0)
        assert [bytes(done.value) for done in found if done.value is not None] == [b"more"]
    for end in other:
        end.close()


def test_a_closed_port_is_not_told(pair: Pair, background: Background) -> None:
    """What was paused is over; the numbers of the port's descriptors may be somebody else's by now."""
    port = EpollPort()
    views = filled(port, pair, port.buffer_pool(2, 1))
    port.close()
    counters = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(20)]
    background(views.clear).result(30)
    for counter in counters:
        with pytest.raises(BlockingIOError):
            os.eventfd_read(counter)
        os.close(counter)


def test_a_forked_child_does_not_ring(port: EpollPort, pair: Pair) -> None:
    """Its views are copies; the parent's receive goes on pausing, and its waiter goes on sleeping."""
    views = filled(port, pair, port.buffer_pool(1, 1))
    port.wait(timeout=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        views.clear()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    before = port.statistics()["kernel_waits"]
    assert port.wait(timeout=0.05) == []
    assert port.statistics()["kernel_waits"] == before + 1
    views.clear()
    (done,) = port.wait(timeout=30)
    assert bytes(done.value) == b"m"


# ---- many -----------------------------------------------------------------------------------------------------------


def test_nothing_is_left_of_a_hundred_thousand(child: Child) -> None:
    child("""
        import gc, resource, socket, sys
        from pathlib import Path
        from compl_epoll import EpollPort

        def rounds(port, pool, pair, count):
            for number in range(count):
                pair[1].send(b"12345678" if number % 3 else b"123456789012")
                for done in port.wait(timeout=30):
                    if number % 2:
                        done.value.release()
            del done

        with EpollPort() as port:
            pair, pool = socket.socketpair(), port.buffer_pool(4, 8)
            port.recv(pair[0], pool=pool)
            rounds(port, pool, pair, 1000)
            gc.collect()
            blocks, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            rounds(port, pool, pair, 100_000)
            gc.collect()
            left = sys.getallocatedblocks() - blocks
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
            assert pool.available == 4 and port.in_flight == 1
            assert left < 100 and grown < 4096, (left, grown)
            for _ in range(1000):
                port.recv(pair[0], pool=port.buffer_pool(4, 1 << 20))
                port.cancel_all(pair[0])
                port.wait(timeout=0)
            maps = Path("/proc/self/maps")
            before = maps.read_text().count("\\n")
            for _ in range(1000):
                port.buffer_pool(4, 1 << 20)
            assert maps.read_text().count("\\n") < before + 50  # the interpreter's own come and go
            for end in pair:
                end.close()
    """)


def test_views_cross_threads(port: EpollPort) -> None:
    """Four threads wait, and pass the views on to four that let go of them: each stream is whole and in order."""
    sockets = [socket.socketpair() for _ in range(6)]
    pool = port.buffer_pool(5, 7)
    data = [bytes((number + step) % 251 for step in range(20_000)) for number in range(len(sockets))]
    received: list[list[bytes]] = [[] for _ in sockets]
    lock = threading.Lock()
    handed: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()

    def take() -> None:
        while port.in_flight:
            with lock:  # the order of a stream is the one in which wait() returns its parts
                for done in port.wait(3, timeout=0.01):
                    if done.value is not None:
                        received[cast(int, done.token)].append(bytes(done.value))
                        handed.put(done.value)
                done = None  # type: ignore[assignment]

    def let_go() -> None:
        while (view := handed.get()) is not None:
            view.release()

    def send(end: socket.socket, sent: bytes) -> None:
        with end:
            end.sendall(sent)

    for number, (left, _) in enumerate(sockets):
        port.recv(left, pool=pool, token=number)
    takers = [threading.Thread(target=take) for _ in range(4)]
    others = [threading.Thread(target=let_go) for _ in range(4)]
    senders = [
        threading.Thread(target=send, args=(right, sent)) for (_, right), sent in zip(sockets, data, strict=True)
    ]
    for thread in takers + others + senders:
        thread.start()
    for thread in takers + senders:
        thread.join()
    for _ in others:
        handed.put(None)
    for thread in others:
        thread.join()
    assert [b"".join(parts) for parts in received] == data
    assert pool.available == pool.count
    for left, _ in sockets:
        left.close()
