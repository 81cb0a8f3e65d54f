"""Rules of the area *socket*: recv, send, recv_exactly and send_all on streams."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.far_end import fill, receive, receive_all
from compl_conformance.scenarios.payload import expect_bytes, expect_exported, expect_released, pattern
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionPort, Kind, Recv, RecvExactly, Send, SendAll

SOCKET_IO = Capability.SOCKET_IO


@rule("socket/1", needs=SOCKET_IO, proves=SOCKET_IO)
def test_recv(port: CompletionPort, sources: Sources) -> None:
    """A recv completes with what has arrived, without waiting for more, under the socket's key, with the caller's
    token.
    """
    one, other = sources.tcp()
    port.register(one, 0x51)
    other.sendall(b"abc")
    buffer, token = bytearray(b"......"), object()
    port.recv(one, buffer, 0, token)
    done = wait_one(port)
    expect_completion(done, key=0x51, result=3, token=token, kind=Kind.RECV, error=None, eof=False, more=False)
    expect_bytes(buffer, b"abc...")


@rule("socket/2", needs=SOCKET_IO)
def test_recv_pends(port: CompletionPort, sources: Sources) -> None:
    """A recv with nothing to receive returns to the caller at once and completes when something arrives."""
    one, other = sources.tcp()
    buffer = bytearray(6)
    background(port.recv, one, buffer, 0, "recv").result()
    expect_nothing(port)
    other.sendall(b"abc")
    expect_completion(wait_one(port), token="recv", result=3, error=None)
    expect_bytes(buffer[:3], b"abc")


@rule("socket/3", needs=SOCKET_IO)
def test_send(port: CompletionPort, sources: Sources) -> None:
    """A send completes with the number of bytes that the peer will receive of it, under the socket's key."""
    one, other = sources.tcp()
    port.register(one, 0x52)
    token = object()
    port.send(one, b"abcdef", 0, token)
    expect_completion(
        wait_one(port), key=0x52, result=6, token=token, kind=Kind.SEND, error=None, eof=False, more=False
    )
    expect_bytes(receive(other, 6), b"abcdef", "the peer")


@rule("socket/4", needs=SOCKET_IO)
def test_end_of_stream(port: CompletionPort, sources: Sources) -> None:
    """When the peer has ended its stream, recvs give what is left of it, then 0 and eof, as often as asked."""
    one, other = sources.tcp()
    other.sendall(b"abc")
    other.shutdown(socket.SHUT_WR)
    buffer = bytearray(8)
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=3, error=None, eof=False)
    for _ in range(3):
        port.recv(one, buffer)
        expect_completion(wait_one(port), result=0, kind=Kind.RECV, error=None, eof=True)


@rule("socket/5", needs=SOCKET_IO)
def test_end_of_stream_while_receiving(port: CompletionPort, sources: Sources) -> None:
    """Recvs that are pending when the peer ends its stream all complete with 0 and eof."""
    one, other = sources.tcp()
    for index in range(3):
        port.recv(one, bytearray(4), 0, index)
    expect_nothing(port, 0.01)
    other.close()
    done = wait_for(port, 3)
    for finished in done:
        expect_completion(finished, result=0, error=None, eof=True)
    expect(
        [finished.token for finished in done] == [0, 1, 2],
        "the order of submission",
        [finished.token for finished in done],
    )


@rule("socket/6", needs=SOCKET_IO)
def test_reset_while_receiving(port: CompletionPort, sources: Sources) -> None:
    """A reset by the peer completes a pending recv with ConnectionResetError, never as the end of the stream."""
    one, other = sources.tcp()
    port.recv(one, bytearray(4))
    expect_nothing(port, 0.01)
    sources.reset(other)
    done = expect_completion(wait_one(port), kind=Kind.RECV, error=errno.ECONNRESET, eof=False)
    expect(type(done.error) is ConnectionResetError, "a ConnectionResetError", done.error)


@rule("socket/7", needs=SOCKET_IO)
def test_reset_before_receiving(port: CompletionPort, sources: Sources) -> None:
    """A recv that starts after the peer's reset completes with ConnectionResetError; later ones may also meet the
    end.
    """
    one, other = sources.tcp()
    sources.reset(other)
    port.recv(one, bytearray(4))
    expect_completion(wait_one(port), kind=Kind.RECV, error=errno.ECONNRESET, eof=False)
    port.recv(one, bytearray(4))
    done = wait_one(port)
    expect(done.eof or isinstance(done.error, ConnectionResetError), "eof or ConnectionResetError", done)


@rule("socket/8", needs=SOCKET_IO)
def test_send_after_reset(port: CompletionPort, sources: Sources) -> None:
    """Sends to a peer that reset the connection complete with ConnectionResetError, then BrokenPipeError."""
    one, other = sources.tcp()
    sources.reset(other)
    for send in (port.send, port.send_all, port.send):
        send(one, b"abc")
        done = expect_completion(
            wait_one(port), kind=Kind.SEND, error=(errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
        )
        expect(isinstance(done.error, ConnectionError), "a ConnectionError", done.error)


@rule("socket/9", needs=SOCKET_IO)
def test_send_after_own_shutdown(port: CompletionPort, sources: Sources) -> None:
    """A send on a socket whose own sending side is shut down completes with BrokenPipeError."""
    one, _other = sources.tcp()
    one.shutdown(socket.SHUT_WR)
    for send in (port.send, port.send_all):
        send(one, b"abc")
        done = expect_completion(wait_one(port), kind=Kind.SEND, error=errno.EPIPE)
        expect(type(done.error) is BrokenPipeError, "a BrokenPipeError", done.error)


@rule("socket/10", needs=SOCKET_IO)
def test_empty_buffers(port: CompletionPort, sources: Sources) -> None:
    """Operations with an empty buffer complete at once with 0 and without eof, before and after the end of the
    stream.
    """
    one, other = sources.tcp()
    for _ in range(2):
        port.recv(one, bytearray(), 0, "recv")
        expect_completion(wait_one(port), token="recv", result=0, kind=Kind.RECV, error=None, eof=False)
        port.send(one, b"", 0, "send")
        expect_completion(wait_one(port), token="send", result=0, kind=Kind.SEND, error=None, eof=False)
        port.recv_exactly(one, bytearray(), "exactly")
        expect_completion(wait_one(port), token="exactly", result=0, kind=Kind.RECV, error=None, eof=False)
        port.send_all(one, b"", "all")
        expect_completion(wait_one(port), token="all", result=0, kind=Kind.SEND, error=None, eof=False)
        other.close()


@rule("socket/11", needs=SOCKET_IO)
def test_full_socket(port: CompletionPort, sources: Sources) -> None:
    """A send to a peer that takes no more returns to the caller at once and completes when the peer takes some."""
    one, other = sources.stream()
    filled = fill(one)
    payload = pattern(3000)
    background(port.send, one, payload, 0, "send").result()
    reader = background(receive_all, other)
    done = expect_completion(wait_one(port), token="send", kind=Kind.SEND, error=None)
    expect(0 < done.result <= len(payload), "at least one byte sent", done)
    one.shutdown(socket.SHUT_WR)
    expect_bytes(reader.result()[filled:], payload[: done.result], "the peer")


@rule("socket/12", needs=SOCKET_IO)
def test_send_all(port: CompletionPort, sources: Sources) -> None:
    """send_all completes once, with the whole length, however much more than the system's buffers that is."""
    one, other = sources.tcp()
    payload = pattern(6 << 20)
    reader = background(receive, other, len(payload))
    port.register(one, 0x53)
    port.send_all(one, payload, "all")
    done = wait_one(port)
    expect_completion(done, key=0x53, result=len(payload), token="all", kind=Kind.SEND, error=None, more=False)
    expect_bytes(reader.result(), payload, "the peer")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("socket/13", needs=SOCKET_IO)
def test_send_all_fails_half_way(port: CompletionPort, sources: Sources) -> None:
    """A send_all that fails half-way completes with the error, and its value is the number of bytes sent before."""
    one, other = sources.tcp()
    payload = bytes(16 << 20)
    port.send_all(one, payload)
    expect_nothing(port)
    receive(other, 1000)
    sources.reset(other)
    done = expect_completion(wait_one(port), kind=Kind.SEND, error=(errno.ECONNRESET, errno.EPIPE))
    expect(
        type(done.value) is int and 1000 <= done.value < len(payload), "value: 1000 bytes sent or more, not all", done
    )


@rule("socket/14", needs=SOCKET_IO)
def test_recv_exactly(port: CompletionPort, sources: Sources) -> None:
    """recv_exactly completes once, when its buffer is full, however many pieces the bytes come in, and takes no
    more.
    """
    one, other = sources.tcp()
    port.register(one, 0x54)
    buffer = bytearray(10)
    port.recv_exactly(one, buffer, "exactly")
    for piece in (b"abc", b"d", b"efghi"):
        expect_nothing(port, 0.01)
        other.sendall(piece)
    expect_nothing(port, 0.01)
    other.sendall(b"jkl")
    expect_completion(
        wait_one(port), key=0x54, result=10, token="exactly", kind=Kind.RECV, error=None, eof=False, more=False
    )
    expect_bytes(buffer, b"abcdefghij")
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=2)
    expect_bytes(buffer[:2], b"kl")


@rule("socket/15", needs=SOCKET_IO)
def test_recv_exactly_end_of_stream(port: CompletionPort, sources: Sources) -> None:
    """recv_exactly that meets the end of the stream half-way gives the short count without eof; at once, 0 and eof."""
    one, other = sources.tcp()
    buffer = bytearray(b"......")
    port.recv_exactly(one, buffer)
    other.sendall(b"abc")
    expect_nothing(port, 0.01)
    other.close()
    expect_completion(wait_one(port), result=3, error=None, eof=False)
    expect_bytes(buffer, b"abc...")
    port.recv_exactly(one, buffer)
    expect_completion(wait_one(port), result=0, error=None, eof=True)


@rule("socket/16", needs=SOCKET_IO)
def test_recv_exactly_fails_half_way(port: CompletionPort, sources: Sources) -> None:
    """A recv_exactly that fails half-way completes with the error, and its value is the number of bytes received
    before.
    """
    one, other = sources.tcp()
    buffer = bytearray(b"......")
    port.recv_exactly(one, buffer)
    other.sendall(b"abc")
    expect_nothing(port)
    sources.reset(other)
    done = expect_completion(wait_one(port), kind=Kind.RECV, error=errno.ECONNRESET, eof=False)
    expect(done.value == 3, "value 3, the bytes received before the error", done)
    expect_bytes(buffer[:3], b"abc")


@rule("socket/17", needs=SOCKET_IO)
def test_large_recv_exactly(port: CompletionPort, sources: Sources) -> None:
    """recv_exactly and send_all of many times the system's buffers, both ways at once between two sockets, lose no
    byte.
    """
    one, other = sources.stream()
    payloads = {one: pattern(3 << 20, 1), other: pattern(3 << 20, 2)}
    buffers = {sock: bytearray(3 << 20) for sock in payloads}
    for sock, payload in payloads.items():
        port.recv_exactly(sock, buffers[sock])
        port.send_all(sock, payload)
    for done in wait_for(port, 4):
        expect_completion(done, result=3 << 20, error=None)
    expect_bytes(buffers[one], payloads[other], "one end")
    expect_bytes(buffers[other], payloads[one], "the other end")


@rule("socket/18", needs=SOCKET_IO)
def test_recvs_in_order(port: CompletionPort, sources: Sources) -> None:
    """Recvs on one socket complete in the order of submission, and the stream's bytes go to them in that order."""
    one, other = sources.tcp()
    data = pattern(4 * 64)
    buffers = [bytearray(4) for _ in range(64)]
    for index, buffer in enumerate(buffers):
        port.recv_exactly(one, buffer, index) if index % 3 else port.recv(one, buffer, 0, index)
    expect_nothing(port, 0.01)
    other.sendall(data)
    done = wait_for(port, 64)
    tokens = [finished.token for finished in done]
    expect(tokens == list(range(64)), "the order of submission", tokens)
    expect_bytes(b"".join(buffers), data, "the buffers")


@rule("socket/19", needs=SOCKET_IO)
def test_sends_in_order(port: CompletionPort, sources: Sources) -> None:
    """Sends on one socket complete in the order of submission, and the peer receives their bytes in that order."""
    one, other = sources.stream()
    pieces = [pattern(100_000 if index % 3 else 10, index) for index in range(24)]
    for index, piece in enumerate(pieces):
        port.send(one, piece, 0, index) if index % 2 else port.send_all(one, piece, index)
    reader = background(receive_all, other)
    done = wait_for(port, len(pieces))
    one.shutdown(socket.SHUT_WR)
    tokens = [finished.token for finished in done]
    expect(tokens == list(range(len(pieces))), "the order of submission", tokens)
    _expect_whole(done, pieces)
    wanted = b"".join(piece[: finished.result] for piece, finished in zip(pieces, done, strict=True))
    expect_bytes(reader.result(), wanted, "the peer")


def _expect_whole(done: list[Completion], pieces: list[bytes]) -> None:
    for index, (finished, piece) in enumerate(zip(done, pieces, strict=True)):
        expect_completion(finished, kind=Kind.SEND, error=None)
        if index % 2 == 0:
            expect_completion(finished, result=len(piece))


@rule("socket/20", needs=SOCKET_IO)
def test_directions_apart(port: CompletionPort, sources: Sources) -> None:
    """A pending recv holds up no send on the same socket, and a send that the peer does not take holds up no recv."""
    one, other = sources.stream()
    port.recv(one, bytearray(4), 0, "recv")
    expect_nothing(port, 0.01)
    port.send(one, b"abc", 0, "send")
    expect_completion(wait_one(port), token="send", result=3, error=None)
    port.send_all(one, bytes(4 << 20), "large")
    expect_nothing(port, 0.01)
    other.sendall(b"xyz")
    expect_completion(wait_one(port), token="recv", result=3, error=None)
    for piece in (b"1", b"22", b"333"):
        port.recv(one, bytearray(4), 0, piece)
        other.sendall(piece)
        expect_completion(wait_one(port), token=piece, result=len(piece), error=None)
    expect(port.in_flight == 1, "the large send alone in flight", port.in_flight)


@rule("socket/21", needs=SOCKET_IO)
def test_modes(port: CompletionPort, sources: Sources) -> None:
    """Blocking, non-blocking and timed sockets behave alike: operations pend, none gives EAGAIN, and the mode stays."""
    for mode in (None, 0.0, 2.5):
        one, other = sources.tcp()
        one.settimeout(mode)
        blocking = mode is None
        if sys.platform != "win32":
            blocking = os.get_blocking(one.fileno())
        background(port.recv, one, bytearray(4), 0, "recv").result()
        expect_nothing(port, 0.01)
        port.send(one, b"abc", 0, "send")
        expect_completion(wait_one(port), token="send", result=3, error=None)
        other.sendall(b"xyz")
        expect_completion(wait_one(port), token="recv", result=3, error=None)
        expect(one.gettimeout() == mode, f"the socket's timeout to stay {mode}", one.gettimeout())
        if sys.platform != "win32":
            now = os.get_blocking(one.fileno())
            expect(now is blocking, f"the descriptor to keep blocking={blocking}", now)


@rule("socket/22", needs=SOCKET_IO)
def test_many_non_blocking_sends(port: CompletionPort, sources: Sources) -> None:
    """EAGAIN never comes out: sends to a full non-blocking socket wait for the peer and then complete."""
    one, other = sources.stream()
    one.setblocking(False)
    filled = fill(one)
    for index in range(4):
        port.send_all(one, pattern(50_000, index), index)
    expect_nothing(port, 0.02)
    reader = background(receive, other, filled + 200_000)
    for index, done in enumerate(wait_for(port, 4)):
        expect_completion(done, token=index, result=50_000, error=None)
    expect_bytes(reader.result()[filled:], b"".join(pattern(50_000, index) for index in range(4)), "the peer")


@rule("socket/23", needs=SOCKET_IO)
def test_socket_by_number(port: CompletionPort, sources: Sources) -> None:
    """A socket may be given as its number or as any object with fileno()."""
    one, other = sources.tcp()

    class Named:
        def fileno(self) -> int:
            return one.fileno()

    for named in (one.fileno(), Named()):
        buffer = bytearray(4)
        port.recv(named, buffer)
        other.sendall(b"abc")
        expect_completion(wait_one(port), result=3, error=None)
        port.send(named, b"xyz")
        expect_completion(wait_one(port), result=3, error=None)
        expect_bytes(receive(other, 3), b"xyz", "the peer")


@rule("socket/24", needs=SOCKET_IO)
def test_flags(port: CompletionPort, sources: Sources) -> None:
    """The flags of recv are the system's: MSG_PEEK leaves what it shows for the next recv."""
    one, other = sources.tcp()
    other.sendall(b"abcdef")
    receive_room = bytearray(4)
    for _ in range(2):
        port.recv(one, receive_room, socket.MSG_PEEK)
        expect_completion(wait_one(port), result=4, error=None)
        expect_bytes(receive_room, b"abcd")
    port.recv(one, memoryview(receive_room)[:3])
    expect_completion(wait_one(port), result=3, error=None)
    port.recv(one, receive_room)
    expect_completion(wait_one(port), result=3, error=None)
    expect_bytes(receive_room[:3], b"def")


@rule("socket/25", needs=SOCKET_IO)
def test_bad_buffers(port: CompletionPort, sources: Sources) -> None:
    """A buffer that will not do raises at the call: BufferError or TypeError if it is read-only for a recv,
    BufferError if not contiguous.
    """
    one, other = sources.tcp()
    every_other = memoryview(bytearray(8))[::2]
    for start in (port.recv, port.recv_exactly):
        for bad in (b"....", memoryview(bytearray(4)).toreadonly()):
            try:
                start(one, bad)
            except (BufferError, TypeError):
                continue
            expect(False, "BufferError or TypeError for a read-only buffer", "no exception")
    text: Any = "text"
    for call in (port.recv, port.recv_exactly, port.send, port.send_all):
        with raises(BufferError):
            call(one, every_other)
        with raises(TypeError):
            call(one, text)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    other.sendall(b"abcd")
    port.recv(one, bytearray(8))
    expect_completion(wait_one(port), result=4, error=None)


@rule("socket/26", needs=SOCKET_IO)
def test_buffers_are_held(port: CompletionPort, sources: Sources) -> None:
    """The buffer of a recv or send cannot be resized before wait() has returned its completion, and can from
    then on.
    """
    one, other = sources.tcp()
    for start, payload in ((port.recv, bytearray(4)), (port.recv_exactly, bytearray(4)), (port.send, bytearray(4))):
        start(one, payload)
        expect_exported(payload, "after submission")
        if start != port.send:
            expect_nothing(port, 0)
            other.sendall(b"abcd")
        expect_exported(payload, "while the completion is not returned")
        expect_completion(wait_one(port), result=4, error=None)
        expect_released(payload, "once the completion is returned")


@rule("socket/27", needs=SOCKET_IO)
def test_submit_recv_and_send(port: CompletionPort, sources: Sources) -> None:
    """submit() of a Recv, Send, RecvExactly or SendAll does what the method of that name does with the same
    arguments.
    """
    one, other = sources.tcp()
    port.register(one, 0x55)
    buffer, token = bytearray(4), object()
    other.sendall(b"abcdefgh")
    port.submit(Recv(one, buffer, socket.MSG_PEEK), token=token)
    expect_completion(wait_one(port), key=0x55, result=4, token=token, kind=Kind.RECV)
    port.submit(Recv(one, memoryview(buffer)[:2]), token=token)
    expect_completion(wait_one(port), key=0x55, result=2, token=token, kind=Kind.RECV)
    port.submit(RecvExactly(one, buffer), token=token)
    expect_completion(wait_one(port), key=0x55, result=4, token=token, kind=Kind.RECV)
    expect_bytes(buffer, b"cdef")
    port.submit(Send(one, b"uv"), token=token)
    expect_completion(wait_one(port), key=0x55, result=2, token=token, kind=Kind.SEND)
    port.submit(SendAll(one, b"wxyz"), token=token)
    expect_completion(wait_one(port), key=0x55, result=4, token=token, kind=Kind.SEND)
    expect_bytes(receive(other, 6), b"uvwxyz", "the peer")


@rule("socket/28", needs=SOCKET_IO)
def test_many_connections(port: CompletionPort, sources: Sources) -> None:
    """A hundred connections served from one port keep apart: each gets its own bytes back, under its own key."""
    pairs = [sources.stream() for _ in range(100)]
    buffers = [bytearray(8) for _ in pairs]
    for index, (here, _) in enumerate(pairs):
        port.register(here, 1000 + index)
        port.recv(here, buffers[index], 0, index)
    for index, (_, there) in enumerate(pairs):
        there.sendall(pattern(8, index))
    for done in wait_for(port, 100):
        index = int(str(done.token))
        expect_completion(done, key=1000 + index, result=8, kind=Kind.RECV, error=None)
        port.send_all(pairs[index][0], buffers[index], index)
    for done in wait_for(port, 100):
        expect_completion(done, key=1000 + int(str(done.token)), result=8, kind=Kind.SEND, error=None)
    for index, (_, there) in enumerate(pairs):
        expect_bytes(receive(there, 8), pattern(8, index), f"peer {index}")
