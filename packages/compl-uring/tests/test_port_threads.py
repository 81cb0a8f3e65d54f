"""Operations of a thread that waits and exits go on: the kernel ends them then, and the port hands them over again.

io_uring belongs to the threads that enter it.  What such a thread had armed ends with ECANCELED when it would have
gone on, although nobody cancelled it and its bytes are still there.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import Completion, Interest, Kind
from compl_uring import UringPort

Pair = tuple[socket.socket, socket.socket]
Gone = Callable[[Callable[[], Any]], None]
Background = Callable[..., Future[Any]]
Until = Callable[[Callable[[], Any]], None]


@pytest.fixture
def gone(until: Until) -> Gone:
    """``gone(call)`` runs it in a thread, and returns when the kernel has ended that thread."""

    def run(call: Callable[[], Any]) -> None:
        failures: list[BaseException] = []

        def guarded() -> None:
            try:
                call()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
        until(lambda: not Path(f"/proc/self/task/{thread.native_id}").exists())  # join() is a little earlier
        assert not failures, failures

    return run


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def clients(listener: socket.socket) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(listener.getsockname()))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def armed(port: UringPort) -> Callable[[], None]:
    """What the thread does last: hand everything to the kernel."""

    def hand_over() -> None:
        assert port.wait(timeout=0) == []

    return hand_over


def only(port: UringPort) -> Completion:
    (done,) = port.wait(timeout=30)
    return done


def fill(sock: socket.socket) -> int:
    """Until it takes no more; how much that was."""
    count = 0
    sock.setblocking(False)
    try:
        while True:
            count += sock.send(bytes(1 << 16))
    except BlockingIOError:
        sock.setblocking(True)
        return count


# ---- sockets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recv", "recv_exactly", "recv_from"])
def test_receives(port: UringPort, tcp: Pair, gone: Gone, how: str) -> None:
    client, server = tcp
    buffer = bytearray(4)
    getattr(port, how)(client, buffer, token=how)
    gone(armed(port))
    server.send(b"real")
    done = only(port)
    assert (done.result, bytes(buffer), done.token) == (4, b"real", how)
    assert port.statistics()["resubmitted"] == 1


def test_what_was_received_before_it_exits_is_kept(port: UringPort, tcp: Pair, gone: Gone) -> None:
    """The second half arrives in another thread's time."""
    client, server = tcp
    buffer = bytearray(8)
    port.recv_exactly(client, buffer)
    server.send(b"half")

    def take_half() -> None:
        before = port.statistics()["kernel_waits"]
        while port.statistics()["kernel_waits"] < before + 3:
            assert port.wait(timeout=0.001) == []

    gone(take_half)
    server.send(b"more")
    assert (only(port).result, bytes(buffer)) == (8, b"halfmore")


def test_several_in_order(port: UringPort, tcp: Pair, gone: Gone) -> None:
    client, server = tcp
    buffers = [bytearray(2) for _ in range(20)]
    for number, buffer in enumerate(buffers):
        port.recv(client, buffer, 0, number)
    gone(armed(port))
    server.send(bytes(range(40)))
    found = port.wait(timeout=30, min_completions=20)
    assert [done.token for done in found] == list(range(20))
    assert b"".join(buffers) == bytes(range(40))


def test_a_blocked_send_all(port: UringPort, pair: Pair, gone: Gone, background: Background) -> None:
    """What the kernel took of it before the thread went is not sent twice."""
    left, right = pair
    data = bytes(n % 251 for n in range(1 << 21))
    port.send_all(left, data)
    gone(armed(port))

    def read_all() -> bytes:
        received = bytearray()
        while len(received) < len(data):
            received += right.recv(1 << 16)
        return bytes(received)

    reader = background(read_all)
    assert only(port).result == len(data)
    assert reader.result(30) == data


def test_accept(port: UringPort, listener: socket.socket, clients: Callable[[], socket.socket], gone: Gone) -> None:
    port.accept(listener)
    gone(armed(port))
    client = clients()
    done = only(port)
    with done.value as server:
        assert (done.result, server.getpeername()) == (0, client.getsockname())
    assert port.statistics()["resubmitted"] == 1


def test_multishot_accept(
    port: UringPort, listener: socket.socket, clients: Callable[[], socket.socket], gone: Gone
) -> None:
    """Again and again: each thread takes one, and goes."""
    identity = port.accept(listener, multishot=True)

    def take_one() -> None:
        clients()
        done = only(port)
        assert (done.result, done.more) == (0, True)
        done.value.close()

    for _ in range(5):
        gone(take_one)
    assert port.statistics()["resubmitted"] >= 4
    port.cancel(identity)
    done = only(port)
    assert (done.result, done.more) == (-errno.ECANCELED, False)


def test_connect(port: UringPort, gone: Gone) -> None:
    """A listener whose queue is full makes it wait; TCP tries again after a second."""
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            port.connect(waiting, full.getsockname())
            gone(armed(port))
            with full.accept()[0]:
                done = only(port)
                assert (done.kind, done.result) == (Kind.CONNECT, 0)
                with full.accept()[0] as server:
                    waiting.send(b"through")
                    assert server.recv(10) == b"through"


def test_pooled_receive(port: UringPort, pair: Pair, gone: Gone) -> None:
    left, right = pair
    pool = port.buffer_pool(4, 16)
    port.recv(left, pool=pool)

    def take_one() -> None:
        right.send(b"ab")
        done = only(port)
        assert (bytes(done.value), done.more) == (b"ab", True)

    for _ in range(5):
        gone(take_one)
    right.send(b"cd")
    done = only(port)
    assert (bytes(done.value), done.more) == (b"cd", True)
    del done
    assert pool.available == 4
    assert port.statistics()["resubmitted"] >= 1
    right.close()
    done = only(port)
    assert (done.result, done.eof, done.more) == (0, True, False)


# ---- readiness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interest", [Interest.READABLE, Interest.READABLE | Interest.WRITABLE])
def test_poll(port: UringPort, pair: Pair, gone: Gone, interest: Interest) -> None:
    left, right = pair
    if interest & Interest.WRITABLE:
        fill(left)
    port.poll(left, interest, "poll")
    gone(armed(port))
    right.send(b"x")
    done = only(port)
    assert (done.token, done.readiness) == ("poll", Interest.READABLE)
    assert port.statistics()["resubmitted"] == 1


@pytest.mark.parametrize("oneshot", [False, True])
def test_registration(port: UringPort, pair: Pair, gone: Gone, oneshot: bool) -> None:
    left, right = pair
    port.register(left, 5, Interest.READABLE, oneshot=oneshot)
    gone(armed(port))
    right.send(b"x")
    for _ in range(1 if oneshot else 3):
        done = only(port)
        assert (done.key, done.readiness) == (5, Interest.READABLE)
    left.recv(1)
    assert port.wait(timeout=0.05) == []
    assert port.statistics()["resubmitted"] >= 1


def test_level_readiness_through_many_threads(port: UringPort, pair: Pair, gone: Gone) -> None:
    left, right = pair
    port.register(left, 5, Interest.READABLE)
    right.send(b"x")

    def look() -> None:
        assert only(port).key == 5

    for _ in range(5):
        gone(look)
    left.recv(1)
    port.wait(timeout=0)
    assert port.wait(timeout=0.05) == []


def test_a_pipe_is_watched_again(port: UringPort, pipe: tuple[int, int], gone: Gone) -> None:
    """Pipes are tried and then watched: the watch is what ends with the thread."""
    reader, writer = pipe
    buffer = bytearray(4)
    port.read(reader, buffer)
    gone(armed(port))
    os.write(writer, b"real")
    assert (only(port).result, bytes(buffer)) == (4, b"real")
    assert port.statistics()["resubmitted"] == 1


# ---- files, timers, waking ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direct", [False, True])
def test_file_reads(port: UringPort, gone: Gone, tmp_path: Path, direct: bool) -> None:
    """Reads from a cold cache are retried in the submitter's name: EFAULT, when it is gone."""
    count, size = 256, 1 << 14
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([n % 251]) * size for n in range(count)))
    try:
        file = os.open(path, os.O_RDONLY | (os.O_DIRECT if direct else 0))
    except OSError:
        pytest.skip("the file system of the test's folder has no O_DIRECT")
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        buffers = [mmap.mmap(-1, size) for _ in range(count)]
        for number, buffer in enumerate(buffers):
            port.read(file, buffer, number * size, number)
        left = set(range(count))
        results = []

        def some() -> None:
            results.extend(port.wait(1, timeout=0))

        gone(some)
        while len(results) < count:
            found = port.wait(timeout=30)
            assert found
            results += found
        for done in results:
            assert done.result == size, done
            left.remove(done.token)  # type: ignore[arg-type]
        for number, buffer in enumerate(buffers):
            assert buffer[:] == bytes([number % 251]) * size
    finally:
        os.close(file)


def test_timers_need_no_thread(port: UringPort, gone: Gone) -> None:
    port.timeout(0.05, "timer")
    gone(armed(port))
    assert only(port).token == "timer"


def test_the_doorbell_is_heard_by_the_next_thread(
    port: UringPort, gone: Gone, background: Background, until: Until
) -> None:
    """It was watched in the name of a thread that is gone."""
    for number in range(5):
        gone(lambda: port.wait(timeout=0))
        before = port.statistics()["kernel_waits"]
        waiting = background(port.wait, 8, 30)
        until(lambda before=before: port.statistics()["kernel_waits"] > before)  # type: ignore[misc]
        port.post(number)
        assert [done.key for done in waiting.result(30)] == [number]


def test_operations_of_threads_that_only_submit(port: UringPort, pair: Pair, gone: Gone) -> None:
    """They never enter the kernel, so that there is nothing to hand over again."""
    left, right = pair
    buffer = bytearray(4)
    gone(lambda: port.recv(left, buffer))
    right.send(b"real")
    assert (only(port).result, port.statistics()["resubmitted"]) == (4, 0)


def test_cancelled_after_the_thread_has_gone(port: UringPort, pair: Pair, gone: Gone) -> None:
    """This ECANCELED was asked for."""
    left, _ = pair
    identity = port.recv(left, bytearray(4))
    gone(armed(port))
    assert port.cancel(identity)
    assert only(port).result == -errno.ECANCELED
    assert port.statistics()["resubmitted"] == 0
    assert port.in_flight == 0


def test_watched_by_fileno_after_the_thread_has_gone(port: UringPort, pair: Pair, gone: Gone) -> None:
    """Eager submission is by whoever calls, and outlives that thread as well."""
    left, right = pair
    buffer = bytearray(4)
    with select.epoll() as outer:
        outer.register(port.fileno(), select.EPOLLIN)
        gone(lambda: port.recv(left, buffer))
        while outer.poll(0.05):
            assert port.wait(timeout=0) == []
        right.send(b"real")
        found: list[Completion] = []
        while not found:
            assert outer.poll(30)
            found = port.wait(timeout=0)
        assert (found[0].result, bytes(buffer)) == (4, b"real")
