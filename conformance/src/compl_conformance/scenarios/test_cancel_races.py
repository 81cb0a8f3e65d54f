"""Rules of the area *cancel*: cancels that race with what they cancel, timers, cancels of other threads."""

from __future__ import annotations

import errno
import itertools
import queue
import random
import socket
import threading
import time

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, patience, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionPort, Kind

CANCEL = Capability.CANCEL
SOCKETS = Capability.CANCEL | Capability.SOCKET_IO
TIMERS = Capability.CANCEL | Capability.TIMEOUT


@rule("cancel/24", needs=SOCKETS)
def test_recv_race(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """In 2,000 races of a recv, its cancel and a byte of the peer, each recv completes once and no byte is lost or
    doubled.
    """
    one, other = sources.stream()
    data = pattern(2000)
    received = bytearray()
    sent = 0
    while sent < len(data):
        buffer = bytearray(8)
        operation = port.recv(one, buffer, 0, sent)
        chance = rng.randrange(4)
        if chance == 0:
            port.flush()
        if chance % 2:
            port.cancel(operation)
        other.send(data[sent : sent + 1])
        if not chance % 2:
            port.cancel(operation)
        _take(wait_one(port), sent, buffer, received)
        sent += 1
        if sent - len(received) > 100:  # before the peer's side is full, and its plain send blocks
            _rest(port, one, sent, received)
    _rest(port, one, len(data), received)
    expect_bytes(received, data, "what was received")


def _take(done: Completion, token: object, buffer: bytearray, received: bytearray) -> None:
    expect_completion(done, token=token, kind=Kind.RECV, eof=False)
    if done.error is None:
        expect(done.result > 0, "at least one byte", done)
        received += buffer[: done.result]
    else:
        expect_completion(done, error=errno.ECANCELED)


def _rest(port: CompletionPort, sock: socket.socket, length: int, received: bytearray) -> None:
    """What the cancelled recvs left for others."""
    while len(received) < length:
        buffer = bytearray(4096)
        port.recv(sock, buffer)
        done = expect_completion(wait_one(port), error=None, eof=False)
        received += buffer[: done.result]


@rule("cancel/25", needs=SOCKETS)
def test_recv_race_of_threads(port: CompletionPort, sources: Sources) -> None:
    """The same holds when the peer sends in one thread, another cancels, and a third waits."""
    one, other = sources.tcp()
    data = pattern(500)
    starts: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    operations: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def send() -> None:
        while (index := starts.get()) is not None:
            other.send(data[index : index + 1])

    def cancel() -> None:
        while (operation := operations.get()) is not None:
            port.cancel(operation)

    threads = [background(send), background(cancel)]
    received = bytearray()
    try:
        for index in range(len(data)):
            buffer = bytearray(8)
            starts.put(index)
            operations.put(port.recv(one, buffer, 0, index))
            _take(wait_one(port), index, buffer, received)
    finally:
        starts.put(None)
        operations.put(None)
        for thread in threads:
            thread.result()
    _rest(port, one, len(data), received)
    expect_bytes(received, data, "what was received")


@rule("cancel/26", needs=SOCKETS)
def test_send_race(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """When sends race with their cancels, the peer receives exactly what the completions told of, in that order."""
    one, other = sources.stream()
    wanted = bytearray()
    other.settimeout(0)
    received = bytearray()
    for index in range(300):
        piece = pattern(rng.randrange(1, 500_000 if index % 4 == 1 else 20_000), index)
        operation = port.send_all(one, piece, index) if index % 2 else port.send(one, piece, 0, index)
        done = port.wait(timeout=0.001) if index % 4 == 1 else []  # some are half-way when the cancel comes
        if index % 3:
            port.cancel(operation)
        while not done and not (done := port.wait(timeout=0 if index % 5 else 0.001)):
            received += _some(other)
        expect_completion(done[0], token=index, kind=Kind.SEND)
        if done[0].error is not None:
            expect_completion(done[0], error=errno.ECANCELED)
        wanted += piece[: max(0, done[0].result)]
    one.shutdown(socket.SHUT_WR)
    other.settimeout(patience())
    while piece := other.recv(1 << 16):
        received += piece
    expect_bytes(received, bytes(wanted), "the peer")


def _some(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 16)
    except BlockingIOError:
        return b""


@rule("cancel/27", needs=SOCKETS)
def test_accept_race(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """When accepts race with their cancels, every client is accepted exactly once in the end."""
    listener = sources.listener()
    clients = []
    peers = []
    for index in range(60):
        operation = port.accept(listener, index)
        if rng.random() < 0.5:
            clients.append(sources.client(listener))
            port.cancel(operation)
        else:
            port.cancel(operation)
            clients.append(sources.client(listener))
        done = expect_completion(wait_one(port), token=index, kind=Kind.ACCEPT)
        if done.error is None:
            peers.append(sources.keep(done.value).getpeername())
        else:
            expect_completion(done, error=errno.ECANCELED, value=None)
    while len(peers) < len(clients):
        port.accept(listener)
        done = expect_completion(wait_one(port), error=None)
        peers.append(sources.keep(done.value).getpeername())
    expect(sorted(peers) == sorted(client.getsockname() for client in clients), "each client once", len(set(peers)))


@rule("cancel/28", needs=TIMERS)
def test_timeout(port: CompletionPort) -> None:
    """A pending timeout that is cancelled completes once, with ECANCELED, long before its time."""
    token = object()
    operation = port.timeout(3600, token)
    expect_nothing(port, 0.01)
    expect(port.cancel(operation) is True, "cancel() to be True", False)
    expect_completion(wait_one(port), token=token, kind=Kind.TIMEOUT, error=errno.ECANCELED, more=False)
    expect_nothing(port, 0.01)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("cancel/29", needs=TIMERS)
def test_timeout_race(port: CompletionPort, rng: random.Random) -> None:
    """A timeout that is cancelled about when it expires completes once, with 0 or with ECANCELED."""
    for index in range(100):
        operation = port.timeout(rng.choice((0, 0.00002, 0.0002, 0.001)), index)
        early = port.wait(timeout=rng.choice((0, 0.0001, 0.0005)))
        answer = port.cancel(operation)
        done = early or port.wait(timeout=5)
        expect(len(done) == 1, "exactly one completion", done)
        expect_completion(done[0], token=index, kind=Kind.TIMEOUT)
        if done[0].error is not None:
            expect(answer is True and not early, "the real result after cancel() was False", done[0])
            expect_completion(done[0], error=errno.ECANCELED)
    expect_nothing(port, 0.005)


@rule("cancel/30", needs=TIMERS)
def test_some_timeouts(port: CompletionPort, rng: random.Random) -> None:
    """Of many timeouts some may be cancelled, in any order: the others expire, in the order of their times."""
    order = list(range(60))
    rng.shuffle(order)
    earliest, latest, ids = {}, {}, {}
    for index in order:
        earliest[index] = time.perf_counter() + 0.0005 * index  # Windows' monotonic() ticks every 16 ms
        ids[index] = port.timeout(0.0005 * index, index)
        latest[index] = time.perf_counter() + 0.0005 * index
    cancelled = [index for index in order if index % 3 and index > 40]
    for index in cancelled:
        port.cancel(ids[index])
    done = wait_for(port, 60)
    expect(len({one.token for one in done}) == 60, "each of the 60 once", len({one.token for one in done}))
    expired = [int(str(one.token)) for one in done if one.error is None]
    for earlier, later in itertools.pairwise(expired):
        expect(earliest[earlier] <= latest[later], "the order of their times", f"{earlier} before {later}")
    expect(set(expired) >= set(order) - set(cancelled), "all that were not cancelled", expired)


@rule("cancel/31", needs=SOCKETS | Capability.MULTISHOT)
def test_multishot(port: CompletionPort, sources: Sources) -> None:
    """A multishot operation that is cancelled gives what it had already, then one completion without MORE, then
    nothing.
    """
    listener = sources.listener()
    operation = port.accept(listener, "many", multishot=True)
    clients = [sources.client(listener) for _ in range(5)]
    expect_completion(first := wait_for(port, 1)[0], token="many", more=True)
    sources.keep(first.value)
    for _ in range(2):
        port.cancel(operation)
    more = True
    accepted = 1
    while more:
        done = wait_for(port, 1)[0]
        expect_completion(done, token="many", kind=Kind.ACCEPT)
        more = done.more
        if more:
            accepted += 1
            sources.keep(expect_completion(done, error=None).value)
        else:
            expect_completion(done, error=errno.ECANCELED, value=None)
    expect_nothing(port, 0.01)
    for _ in range(len(clients) - accepted):
        port.accept(listener)
        sources.keep(expect_completion(wait_one(port), error=None).value)
    expect_nothing(port, 0.01)


@rule("cancel/32", needs=SOCKETS)
def test_many_threads(port: CompletionPort, sources: Sources) -> None:
    """Several threads may cancel the same operations at once: each operation completes once, each buffer is released
    once.
    """
    pairs = [sources.stream() for _ in range(40)]
    buffers = [bytearray(4) for _ in pairs]
    ids = [
        port.recv(one, buffer, 0, index) for index, ((one, _), buffer) in enumerate(zip(pairs, buffers, strict=True))
    ]
    gate = threading.Barrier(4)

    def cancel_all_of_them() -> int:
        gate.wait(5)
        return sum(port.cancel(operation) for operation in ids)

    threads = [background(cancel_all_of_them) for _ in range(4)]
    done = wait_for(port, 40)
    counts = [thread.result() for thread in threads]
    expect(len({one.token for one in done}) == 40, "each of the 40 once", len({one.token for one in done}))
    expect(all(one.result == -errno.ECANCELED for one in done), "ECANCELED for each", {one.result for one in done})
    expect(sum(counts) >= 40, "every operation cancelled by at least one thread", counts)
    for buffer in buffers:
        buffer.append(0)  # BufferError while anybody holds it
    expect_nothing(port, 0)


@rule("cancel/33", needs=SOCKETS)
def test_not_unasked(port: CompletionPort, sources: Sources) -> None:
    """ECANCELED never comes unasked: not when other operations on the file are cancelled, fail, or end."""
    one, other = sources.tcp()
    port.recv(one, bytearray(4), 0, "stays")
    for _ in range(3):
        port.cancel(port.recv(one, bytearray(4), 0, "goes"))
        expect_completion(wait_one(port), token="goes", error=errno.ECANCELED)
    one.shutdown(socket.SHUT_WR)
    port.send(one, b"abc", 0, "fails")
    expect_completion(wait_one(port), token="fails", error=errno.EPIPE)
    expect_nothing(port, 0.01)
    other.sendall(b"abc")
    expect_completion(wait_one(port), token="stays", result=3, error=None)


@rule("cancel/34", needs=CANCEL)
def test_nop(port: CompletionPort) -> None:
    """A nop that is cancelled completes once: with 0, or with ECANCELED if cancel was True."""
    for index in range(50):
        answer = port.cancel(port.nop(index))
        done = expect_completion(wait_one(port), token=index, kind=Kind.NOP, more=False)
        expect(done.result == 0 or (answer and done.result == -errno.ECANCELED), "0, or ECANCELED after True", done)
    expect_nothing(port, 0)
