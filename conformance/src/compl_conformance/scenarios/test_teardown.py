"""Rules of the area *teardown*: what close does with everything that is still in flight."""

from __future__ import annotations

import gc
import mmap
import os
import socket
import threading
import time
import warnings
import weakref
from collections.abc import Callable

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    patience,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import Token
from compl_conformance.scenarios.far_end import fill, receive_all
from compl_conformance.scenarios.payload import expect_bytes, expect_released, pattern
from compl_conformance.sources import Sources
from compl_core import Capability, CompletionPort, Interest, PortClosedError

SOCKET_IO = Capability.SOCKET_IO
FILE_IO = Capability.FILE_IO
EVERYTHING = Capability.READINESS | FILE_IO | Capability.VECTORED | SOCKET_IO | Capability.DATAGRAM | Capability.TIMEOUT


@rule("teardown/1", needs=EVERYTHING)
def test_everything_pending(port: CompletionPort, sources: Sources) -> None:
    """close with operations of every kind pending returns, and all their buffers are released by then."""
    one, _far = sources.tcp()
    full, _other = sources.stream()
    fill(full)
    listener, udp = sources.listener(), sources.udp_bound()
    reading, writing = sources.pipe()
    buffers = [bytearray(1 << 20) for _ in range(10)]
    port.register(one, 1, Interest.READABLE)
    port.recv(one, buffers[0])
    port.recv_exactly(one, buffers[1])
    port.send(full, buffers[2])
    port.send_all(full, buffers[3])
    port.recv_from(udp, buffers[4])
    port.read(reading, buffers[5])
    port.read_vectored(reading, buffers[6:8])
    port.write(writing, buffers[8])
    port.write(writing, buffers[9])
    port.accept(listener)
    port.poll(one, Interest.READABLE)
    port.timeout(3600)
    port.wait(timeout=0.01)
    background(port.close).result()
    for index, buffer in enumerate(buffers):
        expect_released(buffer, f"when close() returns (buffer {index})")


@rule("teardown/2", needs=SOCKET_IO)
def test_nothing_is_lost(port: CompletionPort, sources: Sources) -> None:
    """close takes no byte from a socket: what comes later is there for a plain recv, and what was sent has been
    sent.
    """
    one, other = sources.tcp()
    buffer = bytearray(b"......")
    port.recv(one, buffer)
    port.send(one, b"abc")
    expect_completion(wait_one(port), result=3)
    port.close()
    other.sendall(b"xyz")
    one.settimeout(patience())
    expect_bytes(one.recv(8), b"xyz", "the socket after close()")
    expect_bytes(other.recv(8), b"abc", "the peer")
    expect_bytes(buffer, b"......")


@rule("teardown/3", needs=SOCKET_IO)
def test_nothing_is_taken_after_close(port: CompletionPort, sources: Sources) -> None:
    """Nobody writes into a buffer or takes from a socket once close has returned, though the operation was still
    pending.
    """
    pairs = [sources.stream() for _ in range(32)]
    buffers = [bytearray(8) for _ in pairs]
    for (one, _), buffer in zip(pairs, buffers, strict=True):
        port.recv(one, buffer)
    port.close()
    for _, other in pairs:
        other.sendall(b"abc")
    for (one, _), buffer in zip(pairs, buffers, strict=True):
        one.settimeout(patience())
        expect_bytes(one.recv(8), b"abc", "the socket after close()")
        expect_bytes(buffer, bytes(8))


@rule("teardown/4", needs=FILE_IO)
def test_reads_end_before_close_returns(port: CompletionPort, sources: Sources) -> None:
    """Nothing is written into the buffer of a file read once close has returned, also where the kernel does the
    reading.

    Closing an io_uring leaves direct reads running that go on writing into the memory.
    """
    size = 16 << 20
    path = sources.path(bytes(size))
    flag = getattr(os, "O_DIRECT", 0)
    try:
        number = os.open(path, os.O_RDONLY | flag | getattr(os, "O_BINARY", 0))
    except OSError:  # a file system without direct reads
        number = os.open(path, os.O_RDONLY)
    file = sources.keep(os.fdopen(number, "rb", buffering=0))
    room = mmap.mmap(-1, size)
    view = memoryview(room)
    for start in range(0, size, 1 << 18):
        port.read(file, view[start : start + (1 << 18)], start)
    port.flush()
    port.close()
    view[:] = b"\xa5" * size
    wanted = bytes(view)
    deadline = time.monotonic() + 0.03
    while time.monotonic() < deadline:  # a write that came late would come now
        expect(view == wanted, "the memory to stay as it is after close()", "something wrote into it")


@rule("teardown/5", needs=FILE_IO)
def test_writes_end_before_close_returns(port: CompletionPort, sources: Sources) -> None:
    """Writes to a file have happened whole or not at all when close returns, and none happens later."""
    data = pattern(64 * 4096)
    path = sources.path(bytes(len(data)))
    file = sources.keep(path.open("r+b", buffering=0))
    payloads = [bytearray(data[start : start + 4096]) for start in range(0, len(data), 4096)]
    for index, payload in enumerate(payloads):
        port.write(file, payload, index * 4096)
    port.flush()
    port.close()
    after = path.read_bytes()
    for index, payload in enumerate(payloads):
        expect_released(payload, "when close() returns")
        found = after[index * 4096 :][:4096]
        expect(
            found in (bytes(payload), bytes(4096)),
            "each block wholly written or untouched",
            f"block {index} is neither",
        )
    deadline = time.monotonic() + 0.02
    while time.monotonic() < deadline:
        expect_bytes(path.read_bytes(), after, "the file after close()")


@rule("teardown/6", needs=SOCKET_IO)
def test_completions_nobody_took(port: CompletionPort, sources: Sources) -> None:
    """close drops what is finished and was not returned: its tokens and buffers are free afterwards."""
    one, other = sources.tcp()
    tokens = [Token() for _ in range(4)]
    watched = [weakref.ref(token) for token in tokens]
    buffers = [bytearray(4) for _ in range(2)]
    other.sendall(b"abcdefgh")
    port.recv(one, buffers[0], 0, tokens[0])
    port.recv_exactly(one, buffers[1], tokens[1])
    port.nop(tokens[2])
    port.post(1, 0, tokens[3])
    port.wait(1, 1)
    tokens.clear()
    port.close()
    gc.collect()
    alive = sum(reference() is not None for reference in watched)
    expect(alive == 0, "no token kept alive by a closed port", f"{alive} of 4 alive")
    for buffer in buffers:
        expect_released(buffer, "when close() returns")


@rule("teardown/7", needs=SOCKET_IO)
def test_connections_nobody_took(port: CompletionPort, sources: Sources) -> None:
    """An accepted connection whose completion nobody takes is closed by close, not leaked."""
    listener = sources.listener()
    for _ in range(4):
        port.accept(listener)
    clients = [sources.client(listener) for _ in range(4)]
    (taken,) = port.wait(1, 5)
    server = sources.keep(taken.value)
    port.close()
    listener.close()  # resets those that were not accepted at all
    server.close()
    for client in clients:
        _expect_over(client)


@rule("teardown/8", needs=Capability.SOCKET_IO | Capability.MULTISHOT)
def test_multishot_connections_nobody_took(port: CompletionPort, sources: Sources) -> None:
    """The connections of a multishot accept that nobody takes are closed by close, and so is the accept."""
    listener = sources.listener()
    port.accept(listener, multishot=True)
    clients = [sources.client(listener) for _ in range(4)]
    (taken,) = port.wait(1, 5)
    taken.value.close()
    port.close()
    listener.close()
    for client in clients:
        _expect_over(client)


def _expect_over(client: socket.socket) -> None:
    try:
        received = receive_all(client)
    except ConnectionError:
        return
    expect(received == b"", "the client's connection to end", received)


@rule("teardown/9", needs=SOCKET_IO)
def test_thousand_pending(port: CompletionPort, sources: Sources) -> None:
    """close with a thousand operations pending returns as soon, and as clean, as with one."""
    pairs = [sources.stream() for _ in range(20)]
    buffers = [bytearray(8) for _ in range(1000)]
    for index, buffer in enumerate(buffers):
        port.recv(pairs[index % 20][0], buffer)
    expect_nothing(port, 0)
    background(port.close).result()
    for buffer in buffers:
        expect_released(buffer, "when close() returns")


@rule("teardown/10", needs=SOCKET_IO)
def test_two_threads_close(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """When several threads close a port, each returns only when the buffers are released."""
    one, _other = sources.stream()
    for _ in range(20):
        port = open_port()
        buffers = [bytearray(8) for _ in range(16)]
        for buffer in buffers:
            port.recv(one, buffer)
        gate = threading.Barrier(3)

        def close(
            port: CompletionPort = port, buffers: list[bytearray] = buffers, gate: threading.Barrier = gate
        ) -> None:
            gate.wait(5)
            port.close()
            for buffer in buffers:
                expect_released(buffer, "when close() returns, in whichever thread")

        for closing in [background(close) for _ in range(3)]:
            closing.result()


@rule("teardown/11", needs=SOCKET_IO)
def test_close_while_others_submit(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """While close runs, calls of other threads succeed or raise PortClosedError, and leave no buffer held
    either way.
    """
    pairs = [sources.stream() for _ in range(3)]
    for _ in range(10):
        port = open_port()
        gate = threading.Barrier(4)

        def submit(sock: socket.socket, port: CompletionPort = port, gate: threading.Barrier = gate) -> list[bytearray]:
            buffers = []
            gate.wait(5)
            try:
                while True:
                    buffers.append(bytearray(8))
                    port.recv(sock, buffers[-1])
            except PortClosedError:
                return buffers

        threads = [background(submit, one) for one, _ in pairs]
        gate.wait(5)
        port.wait(1, 0.001)
        background(port.close).result()
        for thread in threads:
            for buffer in thread.result():
                expect_released(buffer, "when close() has returned")


@rule("teardown/12", needs=SOCKET_IO)
def test_last_reference_to_a_buffer(port: CompletionPort, sources: Sources) -> None:
    """Dropping the last reference to a buffer in flight is safe: the port keeps it until its completion, not longer."""

    class Buffer(bytearray):
        """One that a weak reference can watch."""

    one, other = sources.tcp()
    buffer = Buffer(64)
    watched = weakref.ref(buffer)
    port.recv(one, buffer)
    del buffer
    gc.collect()
    expect(watched() is not None, "the buffer kept alive while the recv is pending", "it is gone")
    other.sendall(b"abc")
    expect_completion(wait_one(port), result=3, error=None)
    gc.collect()
    expect(watched() is None, "the buffer dropped once its completion is returned", "it is still alive")


@rule("teardown/13", needs=SOCKET_IO)
def test_memory_is_not_reused(port: CompletionPort, sources: Sources) -> None:
    """Memory of dropped buffers is not given to others while operations may write into it."""
    pairs = [sources.stream() for _ in range(50)]
    for one, _ in pairs:
        port.recv(one, bytearray(4096))
    expect_nothing(port, 0)
    gc.collect()
    others = [bytearray(4096) for _ in range(400)]  # would land in the freed memory
    for _, other in pairs:
        other.sendall(b"\xff" * 4096)
    for done in wait_for(port, 50):
        expect(done.error is None and done.result > 0, "every recv to succeed", done)
    dirty = sum(any(each) for each in others)
    expect(dirty == 0, "no other object's memory written to", f"{dirty} buffers overwritten")


@rule("teardown/14", needs=SOCKET_IO)
def test_closed_behind_the_back(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """A file that is closed behind the port's back with operations on it keeps close from neither returning nor
    releasing.
    """
    for registered in (False, True):
        port = open_port()
        one, other = sources.tcp()
        buffers = [bytearray(8), bytearray(8)]
        if registered:
            port.register(one, 1)
        port.recv(one, buffers[0])
        port.recv(one, buffers[1])
        expect_nothing(port, 0)
        one.close()
        other.close()
        port.wait(timeout=0.01)  # whatever it says of them
        background(port.close).result()
        for buffer in buffers:
            expect_released(buffer, "when close() returns")


@rule("teardown/15", needs=SOCKET_IO)
def test_reused_number(port: CompletionPort, sources: Sources) -> None:
    """An operation on a file that was closed behind the port's back takes nothing from the file that has its number
    now.
    """
    one, other = sources.tcp()
    number = one.fileno()
    port.recv(one, bytearray(8), 0, "old")
    expect_nothing(port, 0)
    one.close()
    fresh, peer = _with_number(number, sources)
    peer.sendall(b"abc")
    for done in port.wait(timeout=0.02):  # the old one may complete, but not with these bytes
        expect(done.token == "old" and done.result <= 0, "nothing received for the old file", done)
    buffer = bytearray(8)
    port.recv(fresh, buffer, 0, "new")
    arrived = wait_for(port, 1)
    if arrived[0].token == "old":
        arrived = wait_for(port, 1)
    expect_completion(arrived[0], token="new", result=3, error=None)
    expect_bytes(buffer[:3], b"abc")
    other.close()


def _with_number(number: int, sources: Sources) -> tuple[socket.socket, socket.socket]:
    """A connected pair whose first end has that number, if the system gives the lowest free number as POSIX says."""
    pairs = [sources.tcp() for _ in range(8)]
    for one, other in pairs:
        for here, there in ((one, other), (other, one)):
            if here.fileno() == number:
                return here, there
    return pairs[0]


@rule("teardown/16", needs=SOCKET_IO)
def test_close_says_nothing(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """close with operations pending, failed and finished raises nothing and warns of nothing."""
    one, other = sources.tcp()
    port = open_port()
    port.recv(one, bytearray(8))
    port.send(one, b"abc")
    port.recv(sources.closed_number(), bytearray(8))
    port.accept(one)
    pending = port.in_flight
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        port.close()
    expect(pending == 4, "4 operations in flight before close()", pending)
    expect(port.closed, "closed to be True", port.closed)
    other.close()
