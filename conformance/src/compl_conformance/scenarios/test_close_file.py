"""Rules of the area *teardown*: close_file."""

from __future__ import annotations

import errno
import os
import socket
import sys

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    patience,
    raises,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import NOT_FILES
from compl_conformance.scenarios.far_end import drain, receive_all
from compl_conformance.scenarios.payload import expect_bytes, expect_released, pattern
from compl_conformance.sources import Sources
from compl_core import Capability, CloseFile, CompletionPort, Interest, Kind

CANCEL = Capability.CANCEL
SOCKETS = Capability.CANCEL | Capability.SOCKET_IO
FILES = Capability.CANCEL | Capability.FILE_IO


def expect_free(number: int) -> None:
    """The number names no open file."""
    try:
        if sys.platform == "win32":
            socket.socket(fileno=number).close()
        else:
            os.fstat(number)
    except OSError:
        return
    expect(False, f"number {number} to be free", "it is still open")


@rule("teardown/17", needs=CANCEL)
def test_idle(port: CompletionPort, sources: Sources) -> None:
    """close_file of an idle file closes it and completes with 0, as Kind.CLOSE, under its key, with its token."""
    one, other = sources.tcp()
    number = one.fileno()
    port.register(one, 0xF1)
    token = object()
    port.close_file(one, token)
    done = wait_one(port)
    expect_completion(done, key=0xF1, result=0, token=token, kind=Kind.CLOSE, error=None, eof=False, more=False)
    expect_free(number)
    expect_bytes(receive_all(other), b"", "the peer, at the end of the stream,")


@rule("teardown/18", needs=SOCKETS)
def test_pending(port: CompletionPort, sources: Sources) -> None:
    """close_file completes after the last completion of every other operation on the file, each of which completes
    once.
    """
    one, _far = sources.stream()
    another, another_far = sources.tcp()
    port.register(one, 0xF2)
    buffers = [bytearray(4) for _ in range(4)]
    for index, buffer in enumerate(buffers):
        port.recv(one, buffer, 0, index)
    port.send_all(one, bytes(4 << 20), "send")
    port.recv(another, bytearray(4), 0, "another")
    expect_nothing(port, 0.01)
    port.close_file(one, "close")
    done = wait_for(port, 6)
    expect_completion(done[-1], key=0xF2, token="close", kind=Kind.CLOSE, result=0, error=None)
    for finished in done[:-1]:
        expect_completion(finished, key=0xF2, more=False)
        expect(finished.result == -errno.ECANCELED or finished.token == "send", "ECANCELED for every recv", finished)
    expect({finished.token for finished in done[:-1]} == {0, 1, 2, 3, "send"}, "each of the five once", done)
    for buffer in buffers:
        expect_released(buffer, "after its completion")
    another_far.sendall(b"abc")
    expect_completion(wait_one(port), token="another", result=3, error=None)


@rule("teardown/19", needs=CANCEL)
def test_socket_object(port: CompletionPort, sources: Sources) -> None:
    """close_file detaches a socket object at once: its fileno() is -1 when the call returns."""
    one, other = sources.tcp()
    port.close_file(one)
    expect(one.fileno() == -1, "fileno() -1", one.fileno())
    one.close()  # does nothing more
    expect_completion(wait_one(port), kind=Kind.CLOSE, result=0, error=None)
    expect_bytes(receive_all(other), b"", "the peer, at the end of the stream,")


@rule("teardown/20", needs=CANCEL)
def test_file_object(port: CompletionPort, sources: Sources) -> None:
    """close_file of another file object calls its close(), so that it knows of it."""
    file = sources.file(b"0123")
    number = file.fileno()
    port.close_file(file, "close")
    expect_completion(wait_one(port), token="close", kind=Kind.CLOSE, result=0, error=None)
    expect(file.closed is True, "the file object to be closed", "it is open")
    expect_free(number) if sys.platform != "win32" else None


@rule("teardown/21", needs=FILES)
def test_number(port: CompletionPort, sources: Sources) -> None:
    """close_file of a number closes that number, after the operations on it."""
    reading, writing = sources.pipe()
    port.read(reading, bytearray(4), None, "read")
    expect_nothing(port, 0)
    port.close_file(reading, "close")
    done = wait_for(port, 2)
    expect_completion(done[0], token="read", kind=Kind.READ, error=errno.ECANCELED)
    expect_completion(done[1], token="close", kind=Kind.CLOSE, result=0, error=None)
    port.write(writing, b"abc")
    expect_completion(wait_one(port), kind=Kind.WRITE, error=errno.EPIPE)
    port.close_file(writing)
    expect_completion(wait_one(port), kind=Kind.CLOSE, result=0)


@rule("teardown/22", needs=CANCEL)
def test_closed_already(port: CompletionPort, sources: Sources) -> None:
    """close_file of a file that is not open completes with EBADF; of what is no file, it raises TypeError."""
    closed, _other = sources.tcp()
    closed.close()
    for file in (sources.closed_number(), closed):
        port.close_file(file, "close")
        expect_completion(wait_one(port), token="close", kind=Kind.CLOSE, error=errno.EBADF)
    for thing in NOT_FILES:
        with raises(TypeError):
            port.close_file(thing)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("teardown/23", needs=CANCEL | Capability.READINESS)
def test_registration(port: CompletionPort, sources: Sources) -> None:
    """close_file ends the file's registration: no READY afterwards, and its number can be registered anew."""
    one, other = sources.tcp()
    number = one.fileno()
    port.register(one, 0xF3, Interest.READABLE)
    other.sendall(b"abc")
    expect_completion(wait_one(port), key=0xF3, kind=Kind.READY)
    port.close_file(one)
    done = wait_for(port, 1)
    expect_completion(done[0], kind=Kind.CLOSE, result=0)
    expect_nothing(port, 0.01)
    fresh = sources.tcp()
    for sock in fresh:
        port.register(sock, sock.fileno(), Interest.READABLE)  # one of them has the number, on POSIX
    fresh[0].sendall(b"xyz")
    expect_completion(wait_one(port), key=fresh[1].fileno(), kind=Kind.READY)
    expect(number > 0, "a number that was open before", number)


@rule("teardown/24", needs=SOCKETS)
def test_what_was_sent_arrives(port: CompletionPort, sources: Sources) -> None:
    """What completed sends have sent arrives before the end of the stream that close_file makes the peer see."""
    one, other = sources.tcp()
    payload = pattern(1 << 20)
    reader = background(receive_all, other)
    port.send_all(one, payload)
    expect_completion(wait_one(port), result=len(payload), error=None)
    port.close_file(one)
    expect_completion(wait_one(port), kind=Kind.CLOSE, result=0)
    expect_bytes(reader.result(), payload, "the peer")


@rule("teardown/25", needs=SOCKETS)
def test_what_was_not_sent_is_told(port: CompletionPort, sources: Sources) -> None:
    """A send_all that close_file cuts short completes with the bytes sent, which are those that the peer receives."""
    one, other = sources.stream()
    payload = pattern(4 << 20)
    port.send_all(one, payload, "send")
    expect_nothing(port)
    port.close_file(one, "close")
    done = wait_for(port, 2)
    expect_completion(done[0], token="send", kind=Kind.SEND, error=None)
    expect(0 < done[0].result < len(payload), "some bytes sent, not all", done[0])
    expect_completion(done[1], token="close", kind=Kind.CLOSE, result=0)
    expect_bytes(receive_all(other), payload[: done[0].result], "the peer")


@rule("teardown/26", needs=SOCKETS)
def test_listener(port: CompletionPort, sources: Sources) -> None:
    """close_file of a listener cancels its accepts and refuses further clients."""
    listener = sources.listener()
    address = listener.getsockname()
    for index in range(3):
        port.accept(listener, index)
    expect_nothing(port, 0.01)
    port.close_file(listener, "close")
    done = wait_for(port, 4)
    for finished in done[:3]:
        expect_completion(finished, kind=Kind.ACCEPT, error=errno.ECANCELED, value=None)
    expect_completion(done[3], token="close", kind=Kind.CLOSE, result=0)
    client = sources.keep(socket.socket())
    client.settimeout(patience())
    with raises(ConnectionRefusedError):
        client.connect(address)


@rule("teardown/27", needs=SOCKETS | Capability.MULTISHOT)
def test_multishot_listener(port: CompletionPort, sources: Sources) -> None:
    """close_file ends a multishot accept with one completion without MORE, before its own."""
    listener = sources.listener()
    port.accept(listener, "many", multishot=True)
    sources.client(listener)
    sources.keep(expect_completion(wait_one(port), token="many", more=True, error=None).value)
    port.close_file(listener, "close")
    done = wait_for(port, 2)
    expect_completion(done[0], token="many", more=False, error=errno.ECANCELED, value=None)
    expect_completion(done[1], token="close", kind=Kind.CLOSE, result=0)


@rule("teardown/28", needs=FILES)
def test_file_with_reads(port: CompletionPort, sources: Sources) -> None:
    """close_file of a regular file lets each of its reads complete once, with its bytes or ECANCELED, then
    closes it.
    """
    data = pattern(64 * 4096)
    file = sources.file(data)
    buffers = [bytearray(4096) for _ in range(64)]
    for index, buffer in enumerate(buffers):
        port.read(file, buffer, index * 4096, index)
    port.close_file(file, "close")
    done = wait_for(port, 65)
    expect_completion(done[-1], token="close", kind=Kind.CLOSE, result=0, error=None)
    expect(len({one.token for one in done}) == 65, "each of the 64 reads once", len({one.token for one in done}))
    for one in done[:-1]:
        if one.error is None:
            index = int(str(one.token))
            expect_completion(one, result=4096)
            expect_bytes(buffers[index], data[index * 4096 :][:4096], f"buffer {index}")
        else:
            expect_completion(one, error=errno.ECANCELED)
    expect(file.closed, "the file object to be closed", "it is open")


@rule("teardown/29", needs=SOCKETS)
def test_used_afterwards(port: CompletionPort, sources: Sources) -> None:
    """Operations that start on a socket object after close_file complete with EBADF, before or after its completion."""
    one, _other = sources.tcp()
    port.close_file(one, "close")
    port.recv(one, bytearray(4), 0, "recv")
    done = {finished.token: finished for finished in wait_for(port, 2)}
    expect_completion(done["recv"], kind=Kind.RECV, error=errno.EBADF)
    expect_completion(done["close"], kind=Kind.CLOSE, result=0, error=None)
    port.send(one, b"abc", 0, "send")
    expect_completion(wait_one(port), token="send", error=errno.EBADF)
    port.close_file(one, "again")
    expect_completion(wait_one(port), token="again", kind=Kind.CLOSE, error=errno.EBADF)


@rule("teardown/30", needs=SOCKETS)
def test_number_is_clean(port: CompletionPort, sources: Sources) -> None:
    """The number that close_file freed carries nothing over: a new file that gets it starts without key and
    operations.
    """
    for turn in range(10):
        one, _other = sources.tcp()
        port.register(one, 0xF4)
        port.recv(one, bytearray(4), 0, "old")
        port.close_file(one)
        expect_completion(wait_for(port, 2)[1], kind=Kind.CLOSE, result=0)
        here, there = sources.tcp()  # one of these has the number, on POSIX
        for sock, peer in ((here, there), (there, here)):
            buffer = bytearray(4)
            port.recv(sock, buffer, 0, turn)
            peer.sendall(b"abc")
            expect_completion(wait_one(port), key=0, token=turn, result=3, error=None)
        here.close()
        there.close()


@rule("teardown/31", needs=CANCEL)
def test_port_closed_meanwhile(port: CompletionPort, sources: Sources) -> None:
    """A file that was handed to close_file is closed also when the port is closed before its completion is taken."""
    one, other = sources.tcp()
    port.close_file(one)
    port.close()
    expect_bytes(receive_all(other), b"", "the peer, at the end of the stream,")


@rule("teardown/32", needs=FILES)
def test_cancelled(port: CompletionPort, sources: Sources) -> None:
    """cancel of a close_file leaves no file half closed: it completes once, and the file is closed."""
    reading, writing = sources.pipe()
    port.write(writing, b"abc")
    expect_completion(wait_one(port), result=3)
    port.cancel(port.close_file(writing, "close"))
    done = expect_completion(wait_one(port), token="close", kind=Kind.CLOSE)
    expect(done.result in (0, -errno.ECANCELED), "0, or ECANCELED", done)
    expect_bytes(drain(reading), b"abc", "the pipe, up to its end,")
    expect_nothing(port, 0)


@rule("teardown/33", needs=CANCEL)
def test_submit(port: CompletionPort, sources: Sources) -> None:
    """submit() of a CloseFile does what close_file does with the same arguments."""
    one, other = sources.tcp()
    token = object()
    port.submit(CloseFile(one), token=token)
    expect(one.fileno() == -1, "fileno() -1", one.fileno())
    expect_completion(wait_one(port), token=token, kind=Kind.CLOSE, result=0, error=None)
    expect_bytes(receive_all(other), b"", "the peer, at the end of the stream,")
