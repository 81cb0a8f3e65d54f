"""Rules of the area *leak*: descriptors, threads, memory and references are as before when the work is done."""

from __future__ import annotations

import errno
import gc
import socket
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import psutil

from compl_conformance.expect import expect, expect_completion, until, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import Token
from compl_conformance.scenarios.far_end import refusing_address
from compl_conformance.scenarios.payload import expect_released
from compl_conformance.sources import Sources
from compl_core import Backend, Capability, CompletionPort, Interest, Kind

FILE_IO = Capability.FILE_IO
SOCKET_IO = Capability.SOCKET_IO
CANCEL = Capability.CANCEL


def descriptors() -> int:
    """How many descriptors (Windows: handles) the process has open."""
    process: Any = psutil.Process()  # which of the two methods there is depends on the system
    return int(process.num_handles() if sys.platform == "win32" else process.num_fds())


def expect_no_more(count: Callable[[], int], before: int, what: str, slack: int = 0) -> None:
    """``count()`` comes back to ``before``; what the system frees in the background may take its time."""
    deadline = time.monotonic() + 2
    while (found := count()) > before + slack and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.005)  # nobody tells when a thread's last resources are gone
    expect(found <= before + slack, f"{before} {what}, as before", f"{found}")


def growth(work: Callable[[], object], warm_up: int = 2) -> int:
    """Bytes of Python memory that ``work()`` leaves behind each time, once caches and pools are warm.

    The least of three rounds: a leak shows in all of them, a helper thread that starts late in one.
    """
    for _ in range(warm_up):
        work()
    gc.collect()
    left = []
    tracemalloc.start()
    try:
        for _ in range(3):
            before, _ = tracemalloc.get_traced_memory()
            work()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
            left.append(after - before)
    finally:
        tracemalloc.stop()
    return min(left)


def expect_dead(references: list[weakref.ref[Token]], what: str) -> None:
    gc.collect()
    alive = sum(reference() is not None for reference in references)
    expect(alive == 0, f"no token kept alive {what}", f"{alive} of {len(references)} alive")


@rule("leak/1", timeout=90)
def test_open_and_close(backend: Backend) -> None:
    """Opening and closing a port a thousand times leaves no descriptor and no thread."""
    backend.open().close()
    before, threads = descriptors(), threading.active_count()
    for _ in range(1000):
        backend.open().close()
    expect_no_more(descriptors, before, "descriptors")
    expect_no_more(threading.active_count, threads, "threads")


@rule("leak/2", needs=FILE_IO | SOCKET_IO)
def test_use_and_close(backend: Backend, sources: Sources) -> None:
    """A port that has carried files and sockets leaves no descriptor, no thread of any kind and no operation behind."""
    one, other = sources.tcp()
    file = sources.file(b"0123456789")
    reading, _writing = sources.pipe()

    def work() -> None:
        with backend.open() as port:
            port.register(one, 1)
            port.read(file, bytearray(4), 0)
            port.fsync(file)
            port.read(reading, bytearray(4))
            port.recv(one, bytearray(4))
            port.send(one, b"a")
            wait_for(port, 3)
        other.recv(1)

    for _ in range(2):
        work()  # what is made once: by the first port, and by the first that is given a file that was another's
    process = psutil.Process()
    before, threads = descriptors(), process.num_threads()
    for _ in range(30):
        work()
    expect_no_more(descriptors, before, "descriptors")
    expect_no_more(process.num_threads, threads, "threads of the process")


@rule("leak/3")
def test_dropped_tokens(port: CompletionPort) -> None:
    """A token is let go as soon as its last completion is dropped, for posts and operations."""
    tokens = [Token() for _ in range(20)]
    watched = [weakref.ref(token) for token in tokens]
    for index, token in enumerate(tokens):
        if index % 2:
            port.post(1, 0, token)
        else:
            port.nop(token)
    del token
    tokens.clear()
    done = wait_for(port, 20)
    expect(all(reference() is not None for reference in watched), "the tokens in their completions", "some are gone")
    done.clear()
    expect_dead(watched, "after its completion")


@rule("leak/4")
def test_reference_counts(port: CompletionPort, sources: Sources) -> None:
    """Files, tokens and keys have as many references as before, once they are unregistered and completed."""
    one, _other = sources.tcp()
    token, key = Token(), 0x7FFF_1234_5678

    def work() -> None:
        for _ in range(50):
            port.register(one, key)
            port.modify(one, key=key)
            port.post(key, 0, token)
            port.nop(token)
            wait_for(port, 2)
            port.unregister(one)

    work()  # fills caches
    before = [sys.getrefcount(thing) for thing in (one, token, key)]
    work()
    after = [sys.getrefcount(thing) for thing in (one, token, key)]
    expect(after == before, f"the reference counts {before} of file, token and key", after)


@rule("leak/5", needs=SOCKET_IO)
def test_reference_counts_of_sockets(port: CompletionPort, sources: Sources) -> None:
    """Sockets, buffers and tokens have as many references as before, whether operations on them succeed, fail or
    raise.
    """
    one, other = sources.tcp()
    buffer, payload, token = bytearray(4), bytes(range(4)), Token()
    closed, _ = sources.tcp()
    closed.close()

    def work() -> None:
        for _ in range(20):
            port.send(one, payload, 0, token)
            wait_one(port)
            other.recv(4)
            port.recv(one, buffer, 0, token)
            other.send(b"abcd")
            wait_one(port)
            port.recv(closed, buffer, 0, token)
            wait_one(port)
            try:
                port.recv(one, payload, 0, token)
            except (BufferError, TypeError):
                pass

    things = (one, buffer, payload, token, closed)
    work()
    before = [sys.getrefcount(thing) for thing in things]
    work()
    after = [sys.getrefcount(thing) for thing in things]
    expect(after == before, f"the reference counts {before} of socket, buffers, token and closed socket", after)
    expect_released(buffer, "when nothing is in flight")


@rule("leak/6")
def test_memory_of_nops(port: CompletionPort) -> None:
    """Thousands of posts and nops leave no memory behind."""

    def work() -> None:
        for _ in range(20):
            for number in range(50):
                port.post(1, number)
                port.nop(number)
            wait_for(port, 100)

    left = growth(work)
    expect(left < 8192, "less than 8 KiB left after 2,000 completions", f"{left} bytes")


@rule("leak/7", needs=SOCKET_IO)
def test_memory_of_sockets(port: CompletionPort, sources: Sources) -> None:
    """Hundreds of sends and recvs, successful and failed, leave no memory behind."""
    one, other = sources.stream()
    number = sources.closed_number()

    def work() -> None:
        for _ in range(200):
            port.send_all(one, b"abcd")
            port.recv_exactly(other, bytearray(4))
            port.recv(number, bytearray(4))
            for done in wait_for(port, 3):
                expect(done.result in (4, -errno.EBADF), "4, or EBADF", done)

    left = growth(work, 1)
    expect(left < 8192, "less than 8 KiB left after 600 completions", f"{left} bytes")


@rule("leak/8", needs=FILE_IO)
def test_memory_of_files(port: CompletionPort, sources: Sources) -> None:
    """Hundreds of reads and writes, successful and failed, leave no memory and no held buffer behind."""
    file = sources.file(b"0123456789")
    number = sources.closed_number()
    buffer = bytearray(4)

    def work() -> None:
        for _ in range(100):
            port.read(file, buffer, 2)
            port.write(file, b"abcd", 0)
            port.read(number, buffer, 0)
            wait_for(port, 3)

    left = growth(work, 1)
    expect(left < 8192, "less than 8 KiB left after 300 completions", f"{left} bytes")
    expect_released(buffer, "when nothing is in flight")


@rule("leak/9", needs=SOCKET_IO)
def test_native_memory(port: CompletionPort, sources: Sources) -> None:
    """Memory that Python does not count stays bounded too, over thousands of operations with buffers of their own."""
    one, other = sources.stream()

    def work() -> None:
        for _ in range(1000):
            port.send(one, bytes(4096))
            port.recv(other, bytearray(8192))
            wait_for(port, 2)

    process = psutil.Process()
    work()
    before = process.memory_info().rss
    work()
    work()
    left = process.memory_info().rss - before
    # One of the two buffers of each turn alone would be 8 MiB or more.
    expect(left < 6 << 20, "less than 6 MiB more after 4,000 operations with 4 and 8 KiB", f"{left >> 10} KiB")


@rule("leak/10", needs=SOCKET_IO)
def test_accepted_sockets(port: CompletionPort, sources: Sources) -> None:
    """Accepted sockets that are closed leave no descriptor, nor do failed accepts and connects."""
    listener = sources.listener()
    address = refusing_address(sources)

    def work() -> None:
        for _ in range(15):
            sources.client(listener).close()
            port.accept(listener)
            expect_completion(wait_one(port), error=None).value.close()
            port.accept(sources.closed_number())
            wait_one(port)
            with socket.socket() as sock:
                port.connect(sock, address)
                expect_completion(wait_one(port), error=errno.ECONNREFUSED)

    work()  # a port may open what it needs when it first needs it
    before = descriptors()
    work()
    work()
    expect_no_more(descriptors, before, "descriptors")


@rule("leak/11", needs=SOCKET_IO)
def test_accepted_and_dropped(backend: Backend, sources: Sources) -> None:
    """Connections that were accepted and never taken leave no descriptor when the port is closed."""
    listener = sources.listener()
    before = descriptors()
    for _ in range(5):
        port = backend.open()
        clients = [sources.client(listener) for _ in range(4)]
        for _ in range(4):
            port.accept(listener)
        (taken,) = port.wait(1, 5)
        taken.value.close()
        port.close()
        for client in clients:
            client.close()
    expect_no_more(descriptors, before, "descriptors")


@rule("leak/12", needs=CANCEL)
def test_closed_files(port: CompletionPort, sources: Sources) -> None:
    """close_file leaves no descriptor, and nothing of the file in the port."""
    port.close_file(sources.tcp()[0])
    wait_one(port)
    before = descriptors()
    tokens = []
    for index in range(50):
        one, other = sources.stream()
        port.register(one, index)
        token = Token()
        tokens.append(weakref.ref(token))
        port.close_file(one, token)
        port.close_file(other)
        del token
        wait_for(port, 2)
    expect_no_more(descriptors, before, "descriptors")
    expect_dead(tokens, "by a file that is closed")


@rule("leak/13", needs=CANCEL | Capability.TIMEOUT)
def test_cancelled_timeouts(port: CompletionPort) -> None:
    """A cancelled timeout is let go at once, not when its time would have come."""

    def work() -> list[weakref.ref[Token]]:
        watched = []
        for _ in range(200):
            token = Token()
            watched.append(weakref.ref(token))
            port.cancel(port.timeout(100_000, token))
            del token
        for done in wait_for(port, 200):
            expect_completion(done, error=errno.ECANCELED)
        return watched

    expect_dead(work(), "by a timeout that was cancelled")
    left = growth(lambda: [work() for _ in range(10)], 0)
    # A port may put off some of the cleaning: 2,000 entries of a heap that are never cleaned are far more than this.
    expect(left < 65536, "less than 64 KiB left after 2,000 cancelled timeouts", f"{left} bytes")


@rule("leak/14", needs=CANCEL | SOCKET_IO)
def test_cancelled_recvs(port: CompletionPort, sources: Sources) -> None:
    """Cancelled recvs leave no memory, no reference and no held buffer behind."""
    one, _other = sources.stream()
    buffer = bytearray(64)
    before = sys.getrefcount(buffer), sys.getrefcount(one)

    def work() -> None:
        for _ in range(20):
            ids = [port.recv(one, buffer) for _ in range(10)]
            for operation in ids:
                port.cancel(operation)
            wait_for(port, 10)

    left = growth(work)
    expect(left < 8192, "less than 8 KiB left after 200 cancelled recvs", f"{left} bytes")
    expect_released(buffer, "when nothing is in flight")
    after = sys.getrefcount(buffer), sys.getrefcount(one)
    expect(after == before, f"the reference counts {before} of buffer and socket", after)


@rule("leak/15", needs=Capability.READINESS)
def test_registrations(port: CompletionPort, sources: Sources) -> None:
    """Registering, reporting and unregistering leave no memory, no reference and no descriptor behind."""
    one, other = sources.tcp()
    other.send(b"abc")
    before = sys.getrefcount(one)

    def work() -> None:
        for _ in range(100):
            port.register(one, 0x5EAF_0000_0001, Interest.READABLE)
            expect_completion(wait_one(port), kind=Kind.READY)
            port.modify(one, interest=Interest.READABLE | Interest.WRITABLE)
            expect_completion(wait_one(port), kind=Kind.READY)
            port.unregister(one)

    work()
    open_before = descriptors()
    left = growth(work)
    expect(left < 8192, "less than 8 KiB left after 100 registrations", f"{left} bytes")
    expect_no_more(descriptors, open_before, "descriptors")
    until(lambda: sys.getrefcount(one) == before, 1, f"the file's reference count to be {before}")


@rule("leak/16")
def test_raising_calls(port: CompletionPort, sources: Sources) -> None:
    """Calls that raise leave no reference to their arguments."""
    one, _other = sources.tcp()
    port.register(one, 1)
    token = Token()

    def work() -> None:
        for call in (
            lambda: port.register(one, 2),
            lambda: port.register(one, 1 << 64),
            lambda: port.modify(one, key=-1),
            lambda: port.post(-1, 0, token),
            lambda: port.post(1, 1 << 32, token),
            lambda: port.wait(0),
        ):
            for _ in range(10):
                try:
                    call()
                except (OSError, OverflowError, ValueError):
                    continue
                expect(False, "every one of the calls to raise", "one did not")

    work()
    before = sys.getrefcount(one), sys.getrefcount(token)
    work()
    after = sys.getrefcount(one), sys.getrefcount(token)
    expect(after == before, f"the reference counts {before} of file and token", after)
    expect(growth(work) < 8192, "less than 8 KiB left after 60 calls that raise", "more")


@rule("leak/17", needs=Capability.POOLED | SOCKET_IO | CANCEL, timeout=30)
def test_pools(port: CompletionPort, sources: Sources) -> None:
    """Pools, arrivals and views that are let go of leave no memory behind, neither Python's nor the system's."""
    mine, peer = sources.stream()

    def work() -> None:
        for _ in range(100):
            pool = port.buffer_pool(64, 1 << 14)
            operation = port.recv(mine, pool=pool)
            peer.sendall(b"some")
            view = wait_one(port).value
            port.cancel(operation)
            expect_completion(wait_one(port), error=errno.ECANCELED)
            circle: list[object] = [view[2:], pool]
            circle.append(circle)

    left = growth(work)
    expect(left < 8192, "less than 8 KiB left after 100 pools of 1 MiB", f"{left} bytes")
    before = psutil.Process().memory_info().vms
    for _ in range(4):
        work()
        gc.collect()
    more = psutil.Process().memory_info().vms - before
    expect(more < 200 << 20, "less than 200 MiB more after 400 pools of 1 MiB", f"{more >> 20} MiB")
