"""Ports as such: the host's count of requests, forks, what is refused, waking."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_aio import AioPort
from compl_core import ForkedPortError, Interest

Pair = tuple[socket.socket, socket.socket]
Until = Callable[[Callable[[], Any]], None]


def aio_nr() -> int:
    return int(Path("/proc/sys/fs/aio-nr").read_text(encoding="ascii"))


def test_what_it_is(port: AioPort) -> None:
    assert port.name == "aio"
    assert repr(port).startswith("<AioPort 0 in flight at 0x")
    port.close()
    assert repr(port).startswith("<AioPort closed at 0x")


def test_init_is_called_once(port: AioPort) -> None:
    with pytest.raises(RuntimeError, match="twice"):
        port.__init__()  # type: ignore[misc]


def test_it_takes_no_arguments() -> None:
    with pytest.raises(TypeError):
        AioPort(1)  # type: ignore[call-arg]


def test_a_thousand_ports_give_back_their_requests(pair: Pair, until: Until) -> None:
    """Each with polls armed when it is closed; eight threads, since io_destroy takes tens of milliseconds."""
    left, _ = pair
    before = aio_nr()

    def work() -> None:
        for _ in range(125):
            with AioPort() as port:
                port.recv(left, bytearray(1))
                port.poll(left, Interest.READABLE)
                assert port.wait(timeout=0) == []

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, aio_nr())
        time.sleep(0.001)
    assert most >= before  # others may come and go beside this process
    until(lambda: aio_nr() <= before)


def test_a_forked_child_does_not_disturb_the_parent(pair: Pair) -> None:
    """It has the parent's ring mapped, writable: neither calls nor the end of the child may touch it."""
    left, right = pair
    with AioPort() as port:
        port.recv(left, buffer := bytearray(4), 0, "parent's")
        assert port.wait(timeout=0) == []
        process = os.fork()
        if process == 0:
            status = 1
            try:
                for call in (lambda: port.wait(timeout=0), lambda: port.post(1), port.flush, port.statistics):
                    try:
                        call()
                    except ForkedPortError:
                        continue
                    os._exit(2)
                port.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
        right.send(b"data")
        (done,) = port.wait(timeout=10)
        assert (done.token, done.result, bytes(buffer)) == ("parent's", 4, b"data")


def test_posts_wake_a_sleeper_again_and_again(port: AioPort, background: Callable[..., Any]) -> None:
    """The bell's poll is armed anew for each sleep."""

    def take() -> list[int]:
        return [port.wait(1, 20)[0].key for _ in range(200)]

    waiter = background(take)
    for key in range(200):
        port.post(key)
        if key % 10 == 0:
            time.sleep(0.001)  # let it fall asleep now and then
    assert waiter.result(20) == list(range(200))


def test_a_watcher_sees_polls_that_were_armed_before(port: AioPort, pair: Pair) -> None:
    """Events are counted from the start: fileno() may be asked for later."""
    left, right = pair
    port.recv(left, bytearray(1))
    assert port.wait(timeout=0) == []
    number = port.fileno()
    watcher = select.poll()
    watcher.register(number, select.POLLIN)
    while watcher.poll(0):
        assert port.wait(timeout=0) == []
    right.send(b"x")
    assert watcher.poll(10_000)
    assert [done.result for done in port.wait(timeout=0)] == [1]
    assert port.wait(timeout=0) == []
    assert not watcher.poll(0)


def test_a_watcher_sees_more_than_one_wait_takes(port: AioPort) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    try:
        watcher = select.poll()
        watcher.register(port.fileno(), select.POLLIN)
        for key, (left, right) in enumerate(pairs):
            port.recv(left, bytearray(1), 0, key)
            right.send(b"x")
        seen: set[object] = set()
        while len(seen) < 5:
            assert watcher.poll(10_000)
            seen |= {done.token for done in port.wait(1, timeout=0)}
        assert seen == set(range(5))
    finally:
        for left, right in pairs:
            left.close()
            right.close()
