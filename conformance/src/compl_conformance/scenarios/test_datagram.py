"""Rules of the area *datagram*: recv_from and send_to."""

from __future__ import annotations

import errno
import random
import socket

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
from compl_conformance.scenarios.far_end import ipv6_or_host_lacks, unix_path, unix_socket
from compl_conformance.scenarios.payload import expect_bytes, expect_exported, expect_released, pattern
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, Completion, CompletionFlags, CompletionPort, Kind, RecvFrom, SendTo

DATAGRAM = Capability.DATAGRAM
BOTH = Capability.DATAGRAM | Capability.SOCKET_IO


def expect_truncated(done: Completion, wanted: bool) -> None:
    expect(bool(done.flags & CompletionFlags.TRUNCATED) is wanted, f"TRUNCATED {'set' if wanted else 'not set'}", done)


@rule("datagram/1", needs=DATAGRAM, proves=DATAGRAM)
def test_recv_from(port: CompletionPort, sources: Sources) -> None:
    """recv_from completes with one datagram, under the socket's key; its value is the sender's address."""
    here, there = sources.udp_bound(), sources.udp_bound()
    port.register(here, 0xD1)
    there.sendto(b"abc", here.getsockname())
    buffer, token = bytearray(b"......"), object()
    port.recv_from(here, buffer, 0, token)
    done = wait_one(port)
    expect_completion(done, key=0xD1, result=3, token=token, kind=Kind.RECV_FROM, error=None, eof=False, more=False)
    expect_completion(done, value=there.getsockname())
    expect_truncated(done, False)
    expect_bytes(buffer, b"abc...")


@rule("datagram/2", needs=DATAGRAM)
def test_send_to(port: CompletionPort, sources: Sources) -> None:
    """send_to sends its buffer as one datagram from the socket's own address, and completes with its length."""
    here, there = sources.udp_bound(), sources.udp_bound()
    there.settimeout(patience())
    port.register(here, 0xD2)
    token = object()
    port.send_to(here, b"abc", there.getsockname(), 0, token)
    done = wait_one(port)
    expect_completion(done, key=0xD2, result=3, token=token, kind=Kind.SEND_TO, error=None, eof=False, more=False)
    found = there.recvfrom(16)
    expect(found == (b"abc", here.getsockname()), f"b'abc' from {here.getsockname()}", found)


@rule("datagram/3", needs=DATAGRAM)
def test_recv_from_pends(port: CompletionPort, sources: Sources) -> None:
    """A recv_from with nothing to receive returns to the caller at once and pends, whatever the socket's mode, which
    stays.
    """
    there = sources.udp_bound()
    for mode in (None, 0.0, 2.5):
        here = sources.udp_bound()
        here.settimeout(mode)
        background(port.recv_from, here, bytearray(8), 0, mode).result()
        expect_nothing(port, 0.01)
        there.sendto(b"abc", here.getsockname())
        expect_completion(wait_one(port), token=mode, result=3, error=None, value=there.getsockname())
        expect(here.gettimeout() == mode, f"the socket's timeout to stay {mode}", here.gettimeout())


@rule("datagram/4", needs=DATAGRAM)
def test_boundaries(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """Datagrams are neither merged nor split, and go to the recv_froms of a socket in the order of submission."""
    here, there = sources.udp_bound(), sources.udp_bound()
    lengths = [rng.randrange(0, 1400) for _ in range(20)]
    buffers = [bytearray(1500) for _ in lengths]
    for index, buffer in enumerate(buffers):
        port.recv_from(here, buffer, 0, index)
    expect_nothing(port, 0.01)
    for index, length in enumerate(lengths):
        there.sendto(pattern(length, index), here.getsockname())
    done = wait_for(port, len(lengths))
    expect([one.token for one in done] == list(range(20)), "the order of submission", [one.token for one in done])
    expect([one.result for one in done] == lengths, f"the lengths {lengths}", [one.result for one in done])
    for index, one in enumerate(done):
        expect_bytes(buffers[index][: one.result], pattern(lengths[index], index), f"datagram {index}")


@rule("datagram/5", needs=DATAGRAM)
def test_truncated(port: CompletionPort, sources: Sources) -> None:
    """A datagram longer than the buffer fills it, with TRUNCATED and without an error; the rest of it is gone."""
    here, there = sources.udp_bound(), sources.udp_bound()
    for pending in (False, True):
        buffer, following = bytearray(4), bytearray(4)
        if pending:
            port.recv_from(here, buffer, 0, "long")
            expect_nothing(port, 0.01)
        there.sendto(b"abcdefgh", here.getsockname())
        there.sendto(b"xyz", here.getsockname())
        if not pending:
            port.recv_from(here, buffer, 0, "long")
        done = expect_completion(
            wait_one(port), token="long", result=4, error=None, eof=False, value=there.getsockname()
        )
        expect_truncated(done, True)
        expect_bytes(buffer, b"abcd")
        port.recv_from(here, following, 0, "next")
        done = expect_completion(wait_one(port), token="next", result=3, error=None)
        expect_truncated(done, False)
        expect_bytes(following[:3], b"xyz")


@rule("datagram/6", needs=DATAGRAM)
def test_exact_fit(port: CompletionPort, sources: Sources) -> None:
    """A datagram exactly as long as the buffer is not TRUNCATED."""
    here, there = sources.udp_bound(), sources.udp_bound()
    there.sendto(b"abcd", here.getsockname())
    buffer = bytearray(4)
    port.recv_from(here, buffer)
    expect_truncated(expect_completion(wait_one(port), result=4, error=None), False)
    expect_bytes(buffer, b"abcd")


@rule("datagram/7", needs=DATAGRAM)
def test_empty_datagram(port: CompletionPort, sources: Sources) -> None:
    """An empty datagram is sent and received as any other: result 0 with the sender's address, and never eof."""
    here, there = sources.udp_bound(), sources.udp_bound()
    port.recv_from(here, bytearray(4), 0, "recv")
    port.send_to(there, b"", here.getsockname(), 0, "send")
    done = {one.token: one for one in wait_for(port, 2)}
    expect_completion(done["send"], result=0, kind=Kind.SEND_TO, error=None, eof=False)
    expect_completion(done["recv"], result=0, kind=Kind.RECV_FROM, error=None, eof=False, value=there.getsockname())
    expect_truncated(done["recv"], False)


@rule("datagram/8", needs=Capability.SOCKET_IO)
def test_empty_datagram_by_recv(port: CompletionPort, sources: Sources) -> None:
    """A recv on a datagram socket that receives an empty datagram gives 0 without eof, and the next one the next
    datagram.
    """
    one, other = sources.udp()
    buffer = bytearray(4)
    other.send(b"")
    other.send(b"abc")
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=0, kind=Kind.RECV, error=None, eof=False)
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=3, error=None, eof=False)
    expect_bytes(buffer[:3], b"abc")


@rule("datagram/9", needs=Capability.SOCKET_IO)
def test_connected(port: CompletionPort, sources: Sources) -> None:
    """recv and send carry datagrams on a connected datagram socket, one for each call."""
    one, other = sources.udp()
    other.settimeout(patience())
    for payload in (b"abc", b"defgh"):
        port.send(one, payload)
        expect_completion(wait_one(port), result=len(payload), kind=Kind.SEND, error=None)
    found = [other.recv(16), other.recv(16)]
    expect(found == [b"abc", b"defgh"], "two datagrams, b'abc' and b'defgh'", found)
    buffer = bytearray(16)
    port.recv(one, buffer)
    expect_nothing(port, 0.01)
    other.send(b"xyz")
    other.send(b"uvw")
    expect_completion(wait_one(port), result=3, kind=Kind.RECV, error=None, eof=False)
    expect_bytes(buffer[:3], b"xyz")


@rule("datagram/10", needs=BOTH)
def test_connect(port: CompletionPort, sources: Sources) -> None:
    """connect on a datagram socket completes with 0 and sets its peer, once or anew."""
    here, peers = sources.udp_bound(), [sources.udp_bound(), sources.udp_bound()]
    for peer in peers:
        peer.settimeout(patience())
        port.connect(here, peer.getsockname())
        expect_completion(wait_one(port), result=0, kind=Kind.CONNECT, error=None)
        expect(here.getpeername() == peer.getsockname(), f"the peer {peer.getsockname()}", here.getpeername())
        port.send(here, b"abc")
        expect_completion(wait_one(port), result=3, error=None)
        expect_bytes(peer.recv(16), b"abc", "the peer")


@rule("datagram/11", needs=Capability.SOCKET_IO)
def test_port_unreachable(port: CompletionPort, sources: Sources) -> None:
    """When nobody listens at the peer of a connected datagram socket, the recv after a send is
    ConnectionRefusedError.
    """
    one, other = sources.udp()
    other.close()
    for pending in (False, True):
        if pending:
            port.recv(one, bytearray(4), 0, "recv")
            expect_nothing(port, 0.01)
        port.send(one, b"abc", 0, "send")
        if not pending:
            expect_completion(wait_one(port), token="send", result=3)
            port.recv(one, bytearray(4), 0, "recv")
            done = wait_one(port)
        else:
            done = next(each for each in wait_for(port, 2) if each.token == "recv")
        expect_completion(done, token="recv", error=errno.ECONNREFUSED, eof=False)
        expect(type(done.error) is ConnectionRefusedError, "a ConnectionRefusedError", done.error)


@rule("datagram/12", needs=DATAGRAM)
def test_port_unreachable_unconnected(port: CompletionPort, sources: Sources) -> None:
    """On an unconnected socket a datagram that nobody received fails neither a recv_from nor a later send_to."""
    here, there, gone = sources.udp_bound(), sources.udp_bound(), sources.udp_bound()
    address = gone.getsockname()
    gone.close()
    port.recv_from(here, bytearray(4), 0, "recv")
    for _ in range(2):
        port.send_to(here, b"abc", address, 0, "send")
        expect_completion(wait_one(port), token="send", result=3, error=None)
    expect_nothing(port, 0.02)
    there.sendto(b"xyz", here.getsockname())
    expect_completion(wait_one(port), token="recv", result=3, error=None, value=there.getsockname())


@rule("datagram/13", needs=DATAGRAM)
def test_ipv6(port: CompletionPort, sources: Sources) -> None:
    """IPv6 addresses are taken with two to four parts and given with four, as the socket module does."""
    ipv6_or_host_lacks()
    here, there = (sources.keep(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) for _ in range(2))
    here.bind(("::1", 0))
    there.bind(("::1", 0))
    for length in (2, 3, 4):
        port.recv_from(here, bytearray(4), 0, "recv")
        port.send_to(there, b"abc", here.getsockname()[:length], 0, "send")
        done = {one.token: one for one in wait_for(port, 2)}
        expect_completion(done["send"], result=3, error=None)
        expect_completion(done["recv"], result=3, error=None, value=there.getsockname())


@rule("datagram/14", needs=DATAGRAM)
def test_mapped_ipv4(port: CompletionPort, sources: Sources) -> None:
    """An IPv6 socket that also takes IPv4 gives an IPv4 sender's address as the socket module does: mapped."""
    ipv6_or_host_lacks()
    here = sources.keep(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    here.bind(("::", 0))
    there = sources.udp_bound()
    number = there.getsockname()[1]
    there.sendto(b"abc", ("127.0.0.1", here.getsockname()[1]))
    port.recv_from(here, bytearray(4))
    done = expect_completion(wait_one(port), result=3, error=None, value=("::ffff:127.0.0.1", number, 0, 0))
    there.settimeout(patience())
    port.send_to(here, b"xyz", done.value)
    expect_completion(wait_one(port), result=3, error=None)
    expect_bytes(there.recv(16), b"xyz", "the IPv4 socket")


@rule("datagram/15", needs=DATAGRAM)
def test_unix(port: CompletionPort, sources: Sources) -> None:
    """AF_UNIX datagrams go to a path; the sender's address is what socket.recvfrom() gives, for a nameless sender
    too.
    """
    path = unix_path(sources)
    here, named, nameless = (unix_socket(sources, socket.SOCK_DGRAM) for _ in range(3))
    here.bind(path)
    here.settimeout(patience())
    named.bind(path + ".sender")
    for sender in (named, nameless):
        port.send_to(sender, b"abc", path)
        expect_completion(wait_one(port), result=3, kind=Kind.SEND_TO, error=None)
        _, wanted = here.recvfrom(16)
        port.recv_from(here, bytearray(8), 0, "recv")
        sender.sendto(b"abc", path)
        expect_completion(wait_one(port), token="recv", result=3, error=None, value=wanted)
    port.send_to(named, b"abc", path + ".none")
    expect_completion(wait_one(port), kind=Kind.SEND_TO, error=errno.ENOENT)


@rule("datagram/16", needs=DATAGRAM)
def test_addresses(port: CompletionPort, sources: Sources) -> None:
    """A host name raises ValueError, a malformed address TypeError, ValueError or OverflowError, at the call."""
    here = sources.udp_bound()
    with raises(ValueError):
        port.send_to(here, b"abc", ("localhost", 9))
    buffer = bytearray(4)
    for address in (
        None,
        9,
        (),
        ("127.0.0.1",),
        ("127.0.0.1", "9"),
        ("127.0.0.1", 1 << 16),
        ("127.0.0.1", -1),
        ("::1", 9),
    ):
        try:
            port.send_to(here, buffer, address)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            continue
        expect(False, f"TypeError, ValueError or OverflowError for {address!r}", "no exception")
    expect_released(buffer, "by a call that raised")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("datagram/17", needs=DATAGRAM)
def test_too_long(port: CompletionPort, sources: Sources) -> None:
    """A datagram longer than the protocol allows completes with EMSGSIZE, and the next one goes out."""
    here, there = sources.udp_bound(), sources.udp_bound()
    there.settimeout(patience())
    port.send_to(here, bytes(70_000), there.getsockname(), 0, "long")
    port.send_to(here, b"abc", there.getsockname(), 0, "short")
    done = {one.token: one for one in wait_for(port, 2)}
    expect_completion(done["long"], kind=Kind.SEND_TO, error=errno.EMSGSIZE)
    expect_completion(done["short"], result=3, error=None)
    expect_bytes(there.recv(16), b"abc", "the peer")


@rule("datagram/18", needs=DATAGRAM)
def test_broadcast(port: CompletionPort, sources: Sources) -> None:
    """A datagram that the system forbids completes with the system's own error, as a PermissionError if it is
    EACCES.
    """
    here = sources.udp_bound()
    address = ("255.255.255.255", 9)  # without SO_BROADCAST
    try:
        here.sendto(b"abc", address)
    except OSError as error:
        wanted = error
    else:
        host_lacks("this system broadcasts without SO_BROADCAST", fix="run the rule on Linux")
    port.send_to(here, b"abc", address)
    done = expect_completion(wait_one(port), kind=Kind.SEND_TO, error=wanted.errno)
    expect(type(done.error) is type(wanted), f"{type(wanted).__name__}", done.error)


@rule("datagram/19", needs=DATAGRAM)
def test_not_a_socket(port: CompletionPort, sources: Sources) -> None:
    """recv_from and send_to on a file that is no socket complete with ENOTSOCK."""
    file = sources.file(b"0123")
    port.recv_from(file, bytearray(4))
    expect_completion(wait_one(port), kind=Kind.RECV_FROM, error=errno.ENOTSOCK)
    port.send_to(file, b"abc", ("127.0.0.1", 9))
    expect_completion(wait_one(port), kind=Kind.SEND_TO, error=errno.ENOTSOCK)


@rule("datagram/20", needs=DATAGRAM)
def test_peek(port: CompletionPort, sources: Sources) -> None:
    """The flags of recv_from are the system's: MSG_PEEK leaves the datagram for the next one."""
    here, there = sources.udp_bound(), sources.udp_bound()
    there.sendto(b"abc", here.getsockname())
    buffer = bytearray(4)
    for flags in (socket.MSG_PEEK, socket.MSG_PEEK, 0):
        port.recv_from(here, buffer, flags)
        expect_completion(wait_one(port), result=3, error=None, value=there.getsockname())
    port.recv_from(here, buffer)
    expect_nothing(port, 0.01)


@rule("datagram/21", needs=DATAGRAM)
def test_buffers_are_held(port: CompletionPort, sources: Sources) -> None:
    """The buffers of recv_from and send_to are held until wait() has returned the completion, and free from then on."""
    here, there = sources.udp_bound(), sources.udp_bound()
    room, payload = bytearray(4), bytearray(b"abc")
    port.recv_from(here, room)
    expect_exported(room, "while recv_from is pending")
    port.send_to(there, payload, here.getsockname())
    expect_exported(payload, "before the completion of send_to is returned")
    wait_for(port, 2)
    expect_released(room, "once the completion is returned")
    expect_released(payload, "once the completion is returned")
    expect_bytes(room[:3], b"abc")


@rule("datagram/22", needs=DATAGRAM)
def test_bad_buffers(port: CompletionPort, sources: Sources) -> None:
    """A read-only buffer for recv_from raises BufferError or TypeError, one that is not contiguous BufferError, at
    the call.
    """
    here = sources.udp_bound()
    every_other = memoryview(bytearray(8))[::2]
    try:
        port.recv_from(here, b"....")
    except (BufferError, TypeError):
        pass
    else:
        expect(False, "BufferError or TypeError for a read-only buffer", "no exception")
    with raises(BufferError):
        port.recv_from(here, every_other)
    with raises(BufferError):
        port.send_to(here, every_other, here.getsockname())
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)


@rule("datagram/23", needs=DATAGRAM)
def test_two_destinations(port: CompletionPort, sources: Sources) -> None:
    """send_tos of one socket to several destinations go each to its own, in the order of submission."""
    here, peers = sources.udp_bound(), [sources.udp_bound() for _ in range(3)]
    for number in range(30):
        port.send_to(here, b"%d" % number, peers[number % 3].getsockname(), 0, number)
    done = wait_for(port, 30)
    expect([one.token for one in done] == list(range(30)), "the order of submission", [one.token for one in done])
    for index, peer in enumerate(peers):
        peer.settimeout(patience())
        found = [int(peer.recv(16)) for _ in range(10)]
        expect(found == list(range(index, 30, 3)), f"datagrams {index}, {index + 3}, ... in order", found)


@rule("datagram/24", needs=DATAGRAM)
def test_submit(port: CompletionPort, sources: Sources) -> None:
    """submit() of a RecvFrom or SendTo does what the method of that name does with the same arguments."""
    here, there = sources.udp_bound(), sources.udp_bound()
    token, buffer = object(), bytearray(4)
    port.submit(SendTo(there, b"abc", here.getsockname()), token=token)
    expect_completion(wait_one(port), result=3, token=token, kind=Kind.SEND_TO, error=None)
    for flags in (socket.MSG_PEEK, 0):
        port.submit(RecvFrom(here, buffer, flags), token=token)
        done = wait_one(port)
        expect_completion(done, result=3, token=token, kind=Kind.RECV_FROM, error=None, value=there.getsockname())
    expect_bytes(buffer[:3], b"abc")
