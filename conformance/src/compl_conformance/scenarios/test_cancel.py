"""Rules of the area *cancel*: what cancel and cancel_all ask for, and what they never do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import (
    close_number,
    drain,
    fill,
    pour,
    receive,
    receive_all,
    silent_listener,
)
from compl_conformance.scenarios.payload import expect_bytes, expect_exported, expect_released, pattern
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionPort, Interest, Kind, OperationCancelled

CANCEL = Capability.CANCEL
SOCKETS = Capability.CANCEL | Capability.SOCKET_IO
FILES = Capability.CANCEL | Capability.FILE_IO


def cancel(port: CompletionPort, operation: int) -> None:
    """Cancel what must still be in flight."""
    found = port.cancel(operation)
    expect(found is True, "cancel() of a pending operation to be True", found)


def expect_cancelled(done: Completion, kind: Kind, token: object) -> None:
    expect_completion(done, kind=kind, token=token, error=errno.ECANCELED, eof=False, more=False)
    expect(isinstance(done.error, OperationCancelled), "an OperationCancelled", done.error)


@rule("cancel/1", needs=SOCKETS, proves=CANCEL)
def test_pending(port: CompletionPort, sources: Sources) -> None:
    """cancel of a pending operation is True; the operation completes once, with ECANCELED, under its key, with its
    token.
    """
    one, other = sources.tcp()
    port.register(one, 0xC1)
    token, buffer = object(), bytearray(b"......")
    cancel(port, port.recv(one, buffer, 0, token))
    done = wait_one(port)
    expect_completion(done, key=0xC1, value=None)
    expect_cancelled(done, Kind.RECV, token)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    other.sendall(b"abc")
    expect_nothing(port)
    expect_bytes(buffer, b"......")


@rule("cancel/2", needs=SOCKETS)
def test_nothing_is_lost(port: CompletionPort, sources: Sources) -> None:
    """What arrives after a recv was cancelled is there for the next recv."""
    one, other = sources.tcp()
    for payload in (b"abc", b"defgh"):
        cancel(port, port.recv(one, bytearray(8), 0, "cancelled"))
        other.sendall(payload)
        expect_completion(wait_one(port), token="cancelled")
        buffer = bytearray(8)
        port.recv(one, buffer, 0, "next")
        expect_completion(wait_one(port), token="next", result=len(payload), error=None)
        expect_bytes(buffer[: len(payload)], payload)


@rule("cancel/3", needs=SOCKETS)
def test_too_late(port: CompletionPort, sources: Sources) -> None:
    """cancel of an operation that can finish is no loss: False means its real result follows, True that or
    ECANCELED.
    """
    one, other = sources.tcp()
    for _ in range(50):
        buffer = bytearray(4)
        operation = port.recv(one, buffer)
        other.sendall(b"a")
        answer = port.cancel(operation)
        done = wait_one(port)
        if done.error is None:
            expect_completion(done, result=1)
            expect_bytes(buffer[:1], b"a")
            continue
        expect(answer is True, "the real result after cancel() was False", done)
        expect_completion(done, error=errno.ECANCELED)
        port.recv(one, buffer)
        expect_completion(wait_one(port), result=1, error=None)


@rule("cancel/4", needs=SOCKETS)
def test_finished(port: CompletionPort, sources: Sources) -> None:
    """cancel of an operation whose completion was returned is False, and touches no later operation."""
    one, other = sources.tcp()
    buffer = bytearray(4)
    finished = port.recv(one, buffer, 0, "finished")
    other.sendall(b"abc")
    expect_completion(wait_one(port), token="finished", result=3)
    port.recv(one, buffer, 0, "later")
    for _ in range(3):
        found = port.cancel(finished)
        expect(found is False, "cancel() of a finished operation to be False", found)
    expect_nothing(port, 0.02)
    other.sendall(b"xyz")
    expect_completion(wait_one(port), token="later", result=3, error=None)


@rule("cancel/5", needs=SOCKETS)
def test_twice(port: CompletionPort, sources: Sources) -> None:
    """cancel may be repeated: the operation completes once all the same, and cancel is False once that is returned."""
    one, _other = sources.tcp()
    operation = port.recv(one, bytearray(4), 0, "twice")
    for _ in range(3):
        port.cancel(operation)
    expect_cancelled(wait_one(port), Kind.RECV, "twice")
    expect_nothing(port, 0.02)
    found = port.cancel(operation)
    expect(found is False, "cancel() to be False after the completion", found)


@rule("cancel/6", needs=CANCEL)
def test_unknown_ids(port: CompletionPort) -> None:
    """cancel of an id that the port never gave is False; of what is no integer, TypeError."""
    given = port.nop()
    wait_one(port)
    for number in (0, 1 << 31, 1 << 63, (1 << 64) - 1, 1 << 80, -1, given + 1, given + (1 << 32)):
        found = port.cancel(number)
        expect(found is False, f"cancel({number}) to be False", found)
    for thing in (None, "1", 1.0, object()):
        with raises(TypeError):
            port.cancel(thing)  # type: ignore[arg-type]
    expect_nothing(port, 0)


@rule("cancel/7", needs=SOCKETS)
def test_id_of_another_port(port: CompletionPort, open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """cancel of another port's id is False and leaves that port's operation alone."""
    one, other = sources.tcp()
    operation = port.recv(one, bytearray(4), 0, "mine")
    found = open_port().cancel(operation)
    expect(found is False, "cancel() of another port's id to be False", found)
    expect_nothing(port, 0.02)
    other.sendall(b"abc")
    expect_completion(wait_one(port), token="mine", result=3, error=None)


@rule("cancel/8", needs=CANCEL)
def test_ids_are_not_reused(port: CompletionPort) -> None:
    """No id is given twice while the port lives, and every id is an int."""
    ids = []
    for _ in range(100):
        ids += [port.nop() for _ in range(50)]
        wait_for(port, 50)
    expect(all(type(operation) is int for operation in ids), "ints", {type(operation) for operation in ids})
    expect(len(set(ids)) == len(ids), "5000 different ids", f"{len(set(ids))} different ones")


@rule("cancel/9", needs=SOCKETS)
def test_all_of_a_file(port: CompletionPort, sources: Sources) -> None:
    """cancel_all cancels every operation on its file, in both directions, says how many, and touches no other file."""
    one, _far = sources.stream()
    another, another_far = sources.tcp()
    for index in range(3):
        port.recv(one, bytearray(4), 0, index)
    fill(one)
    port.send(one, b"abc", 0, 3)
    port.recv(another, bytearray(4), 0, "another")
    expect_nothing(port, 0.01)
    count = port.cancel_all(one)
    expect(count == 4, "4 operations", count)
    done = wait_for(port, 4)
    for finished in done:
        expect_completion(finished, error=errno.ECANCELED)
    expect({finished.token for finished in done} == {0, 1, 2, 3}, "each of the four once", done)
    expect_nothing(port, 0.01)
    another_far.sendall(b"abc")
    expect_completion(wait_one(port), token="another", result=3, error=None)


@rule("cancel/10", needs=SOCKETS)
def test_all_of_nothing(port: CompletionPort, sources: Sources) -> None:
    """cancel_all of a file without operations is 0, of what is no file TypeError."""
    one, other = sources.tcp()
    expect(port.cancel_all(one) == 0, "0 for a file never used", port.cancel_all(one))
    other.sendall(b"abc")
    port.recv(one, bytearray(4))
    expect_completion(wait_one(port), result=3)
    expect(port.cancel_all(one) == 0, "0 for a file whose operations are finished", port.cancel_all(one))
    for thing in (None, "1", 1.5, object()):
        with raises(TypeError):
            port.cancel_all(thing)  # type: ignore[arg-type]


@rule("cancel/11", needs=SOCKETS)
def test_middle_of_a_queue(port: CompletionPort, sources: Sources) -> None:
    """Of several recvs on one socket any may be cancelled; the others go on in their order, with all the bytes."""
    one, other = sources.tcp()
    buffers = [bytearray(2) for _ in range(6)]
    ids = [port.recv_exactly(one, buffer, index) for index, buffer in enumerate(buffers)]
    for index in (0, 3, 5):
        cancel(port, ids[index])
    cancelled = wait_for(port, 3)
    for done in cancelled:
        expect_completion(done, error=errno.ECANCELED)
    expect({done.token for done in cancelled} == {0, 3, 5}, "the three that were cancelled", cancelled)
    other.sendall(b"aabbcc")
    finished = wait_for(port, 3)
    tokens = [done.token for done in finished]
    expect(tokens == [1, 2, 4], "the others in the order of submission: 1, 2, 4", tokens)
    expect_bytes(buffers[1] + buffers[2] + buffers[4], b"aabbcc", "the buffers")


@rule("cancel/12", needs=SOCKETS)
def test_recv_exactly_half_way(port: CompletionPort, sources: Sources) -> None:
    """A recv_exactly cancelled half-way completes with the short count; cancelled before any byte, with ECANCELED."""
    one, other = sources.tcp()
    cancel(port, port.recv_exactly(one, bytearray(8), "nothing"))
    expect_cancelled(wait_one(port), Kind.RECV, "nothing")
    buffer = bytearray(8)
    operation = port.recv_exactly(one, buffer, "half")
    other.sendall(b"abc")
    expect_nothing(port)
    cancel(port, operation)
    done = expect_completion(wait_one(port), token="half", kind=Kind.RECV, eof=False)
    taken = max(done.result, 0)
    # A port that leaves the bytes with the system until there are enough of them has lost nothing either.
    expect(done.result == 3 or isinstance(done.error, OperationCancelled), "3, or ECANCELED and nothing taken", done)
    other.sendall(b"defgh")
    rest = bytearray(8 - taken)
    port.recv_exactly(one, rest)
    expect_completion(wait_one(port), result=8 - taken, error=None)
    expect_bytes(buffer[:taken] + rest, b"abcdefgh", "what was received")


@rule("cancel/13", needs=SOCKETS)
def test_send_all_half_way(port: CompletionPort, sources: Sources) -> None:
    """A send_all cancelled half-way completes with the number of bytes sent, which is exactly what the peer
    receives.
    """
    one, other = sources.stream()
    payload = pattern(4 << 20)
    operation = port.send_all(one, payload, "half")
    expect_nothing(port)
    cancel(port, operation)
    done = expect_completion(wait_one(port), token="half", kind=Kind.SEND, error=None)
    expect(0 < done.result < len(payload), "some bytes sent, not all", done)
    one.shutdown(socket.SHUT_WR)
    expect_bytes(receive_all(other), payload[: done.result], "the peer")


@rule("cancel/14", needs=SOCKETS)
def test_send_that_sent_nothing(port: CompletionPort, sources: Sources) -> None:
    """A send cancelled before its first byte completes with ECANCELED, and the peer receives nothing of it."""
    one, other = sources.stream()
    filled = fill(one)
    ids = [port.send(one, b"abc", 0, "send"), port.send_all(one, b"defgh", "send_all")]
    expect_nothing(port, 0.02)
    for operation in reversed(ids):
        cancel(port, operation)
    for done in wait_for(port, 2):
        expect_completion(done, kind=Kind.SEND, error=errno.ECANCELED)
    receive(other, filled)
    expect_nothing(port, 0.02)  # there is room now: what is not cancelled after all would be sent
    one.shutdown(socket.SHUT_WR)
    expect_bytes(receive_all(other), b"", "the peer, after what was sent before,")


@rule("cancel/15", needs=SOCKETS)
def test_accept(port: CompletionPort, sources: Sources) -> None:
    """A client that connects after an accept was cancelled is there for the next accept."""
    listener = sources.listener()
    cancel(port, port.accept(listener, "cancelled"))
    client = sources.client(listener)
    done = expect_completion(wait_one(port), token="cancelled", kind=Kind.ACCEPT)
    if done.error is not None:
        expect_completion(done, error=errno.ECANCELED, value=None)
        port.accept(listener, "next")
        done = expect_completion(wait_one(port), token="next", result=0, error=None)
    server = sources.keep(done.value)
    expect(server.getpeername() == client.getsockname(), "the client accepted", server.getpeername())


@rule("cancel/16", needs=SOCKETS)
def test_connect(port: CompletionPort, sources: Sources) -> None:
    """A pending connect that is cancelled completes with ECANCELED, and its socket can be closed at once."""
    listener = silent_listener(sources)
    sock = sources.keep(socket.socket())
    operation = port.connect(sock, listener.getsockname(), "connect")
    expect_nothing(port, 0.01)
    cancel(port, operation)
    expect_cancelled(wait_one(port), Kind.CONNECT, "connect")
    sock.close()
    expect_nothing(port, 0.01)


@rule("cancel/17", needs=FILES)
def test_pipe(port: CompletionPort, sources: Sources) -> None:
    """A pending read or write of a pipe that is cancelled completes with ECANCELED, and the pipe loses no byte."""
    read_end, write_end = sources.pipe()
    cancel(port, port.read(read_end, bytearray(8), None, "cancelled"))
    expect_cancelled(wait_one(port), Kind.READ, "cancelled")
    pour(write_end, b"abc")
    expect_nothing(port, 0.01)
    buffer = bytearray(8)
    port.read(read_end, buffer, None, "next")
    expect_completion(wait_one(port), token="next", result=3, error=None)
    expect_bytes(buffer[:3], b"abc")
    moved = 0
    while True:  # until the pipe is full
        operation = port.write(write_end, pattern(1 << 16), None, "write")
        done = port.wait(timeout=0.02)
        if not done:
            break
        moved += done[0].unwrap()
    cancel(port, operation)
    last = expect_completion(wait_one(port), token="write", kind=Kind.WRITE)
    moved += max(last.result, 0)
    expect(last.error is None or last.error.errno == errno.ECANCELED, "ECANCELED, or what was written", last)
    close_number(write_end)
    left = len(drain(read_end))
    expect(left == moved, f"the {moved} bytes that completions told of in the pipe", left)


@rule("cancel/18", needs=CANCEL | Capability.READINESS)
def test_poll(port: CompletionPort, sources: Sources) -> None:
    """A pending poll that is cancelled completes with ECANCELED, with no readiness, and reports nothing afterwards."""
    one, other = sources.tcp()
    cancel(port, port.poll(one, Interest.READABLE, "poll"))
    done = wait_one(port)
    expect_cancelled(done, Kind.POLL, "poll")
    expect(done.readiness == Interest.NONE, "no readiness", done.readiness)
    other.sendall(b"abc")
    expect_nothing(port, 0.02)


@rule("cancel/19", needs=CANCEL | Capability.DATAGRAM)
def test_recv_from(port: CompletionPort, sources: Sources) -> None:
    """A datagram that comes after a recv_from was cancelled is there for the next one."""
    here, there = sources.udp_bound(), sources.udp_bound()
    cancel(port, port.recv_from(here, bytearray(4), 0, "cancelled"))
    expect_cancelled(wait_one(port), Kind.RECV_FROM, "cancelled")
    there.sendto(b"abc", here.getsockname())
    expect_nothing(port, 0.01)
    port.recv_from(here, bytearray(4), 0, "next")
    expect_completion(wait_one(port), token="next", result=3, error=None, value=there.getsockname())


@rule("cancel/20", needs=SOCKETS)
def test_buffer(port: CompletionPort, sources: Sources) -> None:
    """A cancelled operation's buffer is held until its completion is returned, and can be resized from then on."""
    one, _other = sources.tcp()
    for start in (port.recv, port.recv_exactly):
        buffer = bytearray(4)
        operation = start(one, buffer)
        expect_exported(buffer, "while the operation is pending")
        cancel(port, operation)
        expect_exported(buffer, "after cancel(), before the completion is returned")
        expect_completion(wait_one(port), error=errno.ECANCELED)
        expect_released(buffer, "once the completion is returned")


@rule("cancel/21", needs=FILES)
def test_files(port: CompletionPort, sources: Sources) -> None:
    """A cancelled read of a file completes once: with its real result, the bytes in the buffer, or with ECANCELED."""
    data = pattern(256 * 4096)
    file = sources.file(data)
    buffers = [bytearray(4096) for _ in range(256)]
    ids = [port.read(file, buffer, index * 4096, index) for index, buffer in enumerate(buffers)]
    for operation in reversed(ids):
        port.cancel(operation)
    done = wait_for(port, 256)
    expect(len({one.token for one in done}) == 256, "each of the 256 reads once", len({one.token for one in done}))
    for one in done:
        if one.error is not None:
            expect_completion(one, error=errno.ECANCELED)
            continue
        index = int(str(one.token))
        expect_completion(one, result=4096)
        expect_bytes(buffers[index], data[index * 4096 :][:4096], f"buffer {index}")
    expect_nothing(port, 0)


@rule("cancel/22", needs=SOCKETS)
def test_from_another_thread(port: CompletionPort, sources: Sources) -> None:
    """cancel from another thread wakes a wait() that has nothing else to return."""
    one, _other = sources.tcp()
    for _ in range(20):
        operation = port.recv(one, bytearray(4), 0, "recv")
        waiting = background(port.wait, 1, 10)
        cancel(port, operation)
        (done,) = waiting.result()
        expect_cancelled(done, Kind.RECV, "recv")


@rule("cancel/23", needs=SOCKETS)
def test_thousand(port: CompletionPort, sources: Sources) -> None:
    """A thousand cancels at once are a thousand completions with ECANCELED: none is dropped because a queue is full."""
    pairs = [sources.stream() for _ in range(50)]
    ids = [port.recv(one, bytearray(4), 0, (index, turn)) for turn in range(20) for index, (one, _) in enumerate(pairs)]
    for operation in ids:
        cancel(port, operation)
    done = wait_for(port, 1000)
    expect(all(one.result == -errno.ECANCELED for one in done), "ECANCELED for every one", {one.result for one in done})
    expect(len({one.token for one in done}) == 1000, "each of the 1000 once", len({one.token for one in done}))
    for index, (one, other) in enumerate(pairs):
        other.sendall(pattern(4, index))
        buffer = bytearray(4)
        port.recv(one, buffer)
        expect_completion(wait_one(port), result=4, error=None)
        expect_bytes(buffer, pattern(4, index))
