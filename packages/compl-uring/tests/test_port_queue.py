"""Queues that are too small: far more operations, cancels and completions than the ring has places for."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import selectors
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import Completion, Interest, Kind
from compl_uring import UringPort

Pair = tuple[socket.socket, socket.socket]
Background = Callable[..., Future[Any]]
Until = Callable[[Callable[[], Any]], None]

MANY = 5000


@pytest.fixture(params=[1, 4])
def small(request: pytest.FixtureRequest) -> Iterator[UringPort]:
    with UringPort(request.param) as port:
        yield port


@pytest.fixture
def counter() -> Iterator[int]:
    counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    yield counter
    os.close(counter)


def collect(port: UringPort, count: int) -> list[Completion]:
    """So many completions, and no more."""
    found: list[Completion] = []
    while len(found) < count:
        some = port.wait(1000, timeout=30)
        assert some, f"{len(found)} of {count}: {port.statistics()}"
        found += some
    assert len(found) == count
    assert port.wait(timeout=0) == []
    return found


# ---- opening --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [0, 32769, 1 << 31])
def test_sizes_that_are_refused(entries: int) -> None:
    with pytest.raises(ValueError, match="entries"):
        UringPort(entries)


@pytest.mark.parametrize("entries", [-1, 1 << 64, 1.5, "8", None])
def test_what_is_no_size(entries: Any) -> None:
    with pytest.raises((TypeError, OverflowError, ValueError)):
        UringPort(entries)


@pytest.mark.parametrize("entries", [1, 2, 3, 1000, 4096])
def test_sizes(entries: int, pair: Pair) -> None:
    with UringPort(entries) as port:
        buffer = bytearray(1)
        port.recv(pair[0], buffer)
        pair[1].send(b"x")
        assert [done.result for done in port.wait(timeout=30)] == [1]


# ---- more than fit --------------------------------------------------------------------------------------------------


def test_thousands_of_receives(small: UringPort, pair: Pair) -> None:
    """In the order of submission, as one socket asks for."""
    left, right = pair
    buffers = [bytearray(2) for _ in range(MANY)]
    for number, buffer in enumerate(buffers):
        small.recv(left, buffer, 0, number)
    assert small.in_flight == MANY
    expected = b"".join(number.to_bytes(2, "little") for number in range(MANY))
    right.sendall(expected)
    assert [done.token for done in collect(small, MANY)] == list(range(MANY))
    assert b"".join(buffers) == expected


def test_thousands_of_reads(small: UringPort, tmp_path: Path) -> None:
    size = 16
    path = tmp_path / "file"
    path.write_bytes(b"".join(number.to_bytes(size, "little") for number in range(MANY)))
    with path.open("rb", buffering=0) as file:
        buffers = [bytearray(size) for _ in range(MANY)]
        for number, buffer in enumerate(buffers):
            small.read(file, buffer, number * size, number)
        found = collect(small, MANY)
    assert {done.token for done in found} == set(range(MANY))
    assert {done.result for done in found} == {size}
    assert b"".join(buffers) == path.read_bytes()


def test_thousands_of_files(small: UringPort) -> None:
    """Registrations, operations and cancels of each take turns in the queue."""
    pairs = [socket.socketpair() for _ in range(300)]
    for number, (left, _) in enumerate(pairs):
        small.register(left, number, Interest.READABLE)
        small.recv(left, bytearray(1), 0, number)
        small.poll(left, Interest.READABLE, number)
    for left, _ in pairs:
        assert small.cancel_all(left) == 2
    found = collect(small, 600)
    assert {done.result for done in found} == {-errno.ECANCELED}
    for _, right in pairs:
        right.send(b"x")
    keys: set[int] = set()
    while len(keys) < 300:
        some = small.wait(1000, timeout=30)
        assert some
        keys |= {done.key for done in some}
        assert {done.kind for done in some} == {Kind.READY}
    for left, _ in pairs:
        small.unregister(left)
    assert small.wait(timeout=0) == []
    for left, right in pairs:
        left.close()
        right.close()


@pytest.mark.parametrize("entries", [1, 4, 256])
def test_the_completion_queue_overflows(entries: int, counter: int) -> None:
    """All polls of one eventfd end in one moment, many more than the ring has places for: the kernel keeps the rest."""
    count = 8 * entries + MANY
    with UringPort(entries) as port:
        for number in range(count):
            port.poll(counter, Interest.READABLE, number)
        while port.statistics()["prepared"]:
            assert port.wait(timeout=0) == []
        os.eventfd_write(counter, 1)
        found = collect(port, count)
        assert {done.token for done in found} == set(range(count))
        assert {done.readiness for done in found} == {Interest.READABLE}
        # The ring counts what is lost; the kernel's own backlog of completions is no loss.
        assert port.statistics()["overflowed"] == 0
        assert (port.in_flight, port.statistics()["held"]) == (0, 1)  # the doorbell stays


def test_overflow_with_one_at_a_time(counter: int) -> None:
    """max_completions=1 takes everything all the same, and posts are not starved by it."""
    with UringPort(1) as port:
        for number in range(500):
            port.poll(counter, Interest.READABLE, number)
        while port.statistics()["prepared"]:
            assert port.wait(timeout=0) == []
        os.eventfd_write(counter, 1)
        port.post(7)
        tokens: set[object] = set()
        posted_after = None
        while len(tokens) < 500:
            (done,) = port.wait(1, timeout=30)
            if done.kind is Kind.POSTED:
                posted_after = len(tokens)
            else:
                tokens.add(done.token)
        assert posted_after is not None and posted_after < 500


def test_no_multishot_ends_by_overflow(pair: Pair) -> None:
    """The kernel ends a multishot whose completions find no place; the port starts it again."""
    clients = []
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener, UringPort(1) as port:
        identity = port.accept(listener, multishot=True)
        port.wait(timeout=0)
        for _ in range(200):
            clients.append(socket.create_connection(listener.getsockname()))
        found: list[Completion] = []
        while len(found) < 200:
            some = port.wait(timeout=30)
            assert some
            found += some
        assert all(done.more and done.result == 0 for done in found)
        peers = sorted(done.value.getpeername() for done in found)
        assert peers == sorted(client.getsockname() for client in clients)
        port.cancel(identity)
        assert [done.result for done in port.wait(timeout=30)] == [-errno.ECANCELED]
        for done in found:
            done.value.close()
    for client in clients:
        client.close()


# ---- cancels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("submitted", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_cancels_are_not_lost(small: UringPort, pair: Pair, submitted: bool, backwards: bool) -> None:
    """Of operations that the kernel has, that have an entry, and that have none yet."""
    polls = [small.poll(pair[0], Interest.READABLE, number) for number in range(MANY)]
    if submitted:
        while small.statistics()["prepared"]:
            assert small.wait(timeout=0) == []
    for identity in reversed(polls) if backwards else polls:
        assert small.cancel(identity)
        small.cancel(identity)  # twice is as good as once
    found = collect(small, MANY)
    assert {done.token for done in found} == set(range(MANY))
    assert {done.result for done in found} == {-errno.ECANCELED}
    assert small.in_flight == 0


def test_cancelled_before_the_kernel_has_heard_of_it(port: UringPort, pair: Pair) -> None:
    """Nothing is received by it, and the socket is as it was."""
    left, right = pair
    right.send(b"stays")
    buffer = bytearray(b"....")
    assert port.cancel(port.recv(left, buffer))
    (done,) = port.wait(timeout=30)
    assert (done.result, bytes(buffer)) == (-errno.ECANCELED, b"....")
    assert left.recv(10) == b"stays"
    assert port.wait(timeout=0) == []


def test_every_second_is_cancelled(small: UringPort, pair: Pair) -> None:
    """The bytes go to those that stay, in order."""
    left, right = pair
    buffers = [bytearray(1) for _ in range(1000)]
    identities = [small.recv(left, buffer, 0, number) for number, buffer in enumerate(buffers)]
    small.wait(timeout=0)
    for identity in identities[::2]:
        small.cancel(identity)
    small.flush()  # else the first of them may take a byte before the kernel hears of its cancel
    data = bytes(n % 251 for n in range(500))
    right.send(data)
    found = collect(small, 1000)
    kept = [done for done in found if done.result == 1]
    assert {done.result for done in found} == {1, -errno.ECANCELED}
    assert [done.token for done in kept] == list(range(1, 1000, 2))
    assert b"".join(bytes(buffers[done.token]) for done in kept) == data  # type: ignore[call-overload]


def test_cancelled_while_the_leader_sleeps(small: UringPort, pair: Pair, background: Background, until: Until) -> None:
    """It is woken to hand the cancel over."""
    identities = [small.recv(pair[0], bytearray(1)) for _ in range(100)]
    waiting = background(lambda: small.wait(200, timeout=30, min_completions=100))
    until(lambda: small.statistics()["held"] > 1)
    for identity in identities:
        small.cancel(identity)
    found = waiting.result(30)
    assert [done.result for done in found] == [-errno.ECANCELED] * 100


# ---- handing over ---------------------------------------------------------------------------------------------------


def test_flush_counts_operations(port: UringPort, pair: Pair) -> None:
    assert port.flush() == 0
    for _ in range(3):
        port.poll(pair[0], Interest.READABLE)
    assert port.statistics()["prepared"] >= 3
    assert port.flush() == 3
    assert port.flush() == 0
    assert port.statistics()["prepared"] == 0
    pair[1].send(b"x")
    assert len(collect(port, 3)) == 3


def test_flush_empties_the_software_queue(small: UringPort, pair: Pair) -> None:
    for _ in range(100):
        small.poll(pair[0], Interest.READABLE)
    assert small.flush() == 100
    assert small.statistics()["prepared"] == 0
    pair[1].send(b"x")
    assert len(collect(small, 100)) == 100


def test_flush_from_another_thread(port: UringPort, pair: Pair, background: Background) -> None:
    """Its operations are handed over by it, and outlive it."""
    port.poll(pair[0], Interest.READABLE)
    assert background(port.flush).result(30) == 1
    pair[1].send(b"x")
    assert [done.readiness for done in port.wait(timeout=30)] == [Interest.READABLE]


@pytest.mark.parametrize("entries", [1, 256])
def test_watched_instead_of_waited_for(entries: int, pair: Pair, tmp_path: Path) -> None:
    """Once fileno() is known, what is submitted goes to the kernel at once: a selector is all that waits."""
    left, right = pair
    path = tmp_path / "file"
    path.write_bytes(b"contents")
    with UringPort(entries) as port, selectors.DefaultSelector() as selector, path.open("rb", buffering=0) as file:
        early = bytearray(8)
        port.recv(left, early, 0, "early")
        selector.register(port, selectors.EVENT_READ)
        buffer = bytearray(8)
        right.send(b"comes")
        assert selector.select(30)
        assert drain(port, selector) == {"early": 5}
        port.read(file, buffer, 0, "read")
        port.timeout(0.01, "timer")
        port.poll(right, Interest.WRITABLE, "poll")
        found: dict[object, int] = {}
        while len(found) < 3:
            assert selector.select(30)
            found |= drain(port, selector)
        assert found == {"read": 8, "timer": 0, "poll": Interest.WRITABLE}
        assert (bytes(buffer), bytes(early[:5])) == (b"contents", b"comes")
        assert selector.select(0) == []


def drain(port: UringPort, selector: selectors.BaseSelector) -> dict[object, int]:
    """As long as the port is readable."""
    found: dict[object, int] = {}
    while selector.select(0):
        found |= {done.token: done.result for done in port.wait(timeout=0)}
    return found


# ---- calm -----------------------------------------------------------------------------------------------------------


def expect_calm(port: UringPort) -> None:
    """A wait that blocks looks at the kernel a few times only."""
    assert port.wait(timeout=0) == []
    before = port.statistics()["kernel_waits"]
    assert port.wait(timeout=0.2) == []
    assert port.statistics()["kernel_waits"] - before <= 4


@pytest.mark.parametrize("how", ["register", "poll", "send"])
def test_a_half_closed_peer_does_not_spin(port: UringPort, pair: Pair, how: str) -> None:
    """io_uring reports RDHUP whatever was asked for; here only room to write would be news."""
    left, right = pair
    left.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            left.send(bytes(1 << 12))
    right.shutdown(socket.SHUT_WR)
    if how == "register":
        port.register(left, 1, Interest.WRITABLE)
    elif how == "poll":
        port.poll(left, Interest.WRITABLE, 1)
    else:
        port.send(left, bytes(1 << 16), 0, 1)
    expect_calm(port)
    right.setblocking(False)
    found: list[Completion] = []
    while not found:
        with contextlib.suppress(BlockingIOError):
            while right.recv(1 << 20):
                pass
        found = port.wait(timeout=0.01)
    (done,) = found
    assert 1 in (done.key, done.token)
    assert done.result > 0 if how == "send" else done.readiness == Interest.WRITABLE


def test_an_idle_port_sleeps(port: UringPort, pair: Pair, pipe: tuple[int, int]) -> None:
    port.recv(pair[0], bytearray(1))
    port.read(pipe[0], bytearray(1))
    port.register(pair[1], 1, Interest.READABLE)
    port.recv(pair[1], pool=port.buffer_pool(2, 16))
    port.timeout(3600)
    expect_calm(port)


def test_statistics(port: UringPort, pair: Pair) -> None:
    assert {
        "submitted", "in_flight", "ready", "posted", "via_thread", "resubmitted", "kernel_waits", "prepared", "held",
        "overflowed",
    } <= set(port.statistics())  # fmt: skip
    port.recv(pair[0], bytearray(1))
    found = port.statistics()
    assert (found["submitted"], found["in_flight"], found["prepared"]) == (1, 1, 2)  # with the doorbell
    port.wait(timeout=0)
    found = port.statistics()
    assert (found["prepared"], found["held"]) == (0, 2)
    with mmap.mmap(-1, 1 << 12) as memory:
        port.send(pair[1], memory)
        assert sorted(done.kind.name for done in port.wait(timeout=30, min_completions=2)) == ["RECV", "SEND"]
