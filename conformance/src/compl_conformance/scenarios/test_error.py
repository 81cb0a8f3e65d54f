"""Rules of the area *error*: what the system says of an operation is data; what is wrong with a call raises."""

from __future__ import annotations

import errno
import pickle
import socket
from collections.abc import Callable

from compl_conformance.expect import expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import NOT_FILES, NOT_INTEGERS
from compl_conformance.scenarios.far_end import refusing_address
from compl_conformance.scenarios.payload import expect_released
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionPort, Interest, Kind, OperationCancelled

FILE_IO = Capability.FILE_IO
SOCKET_IO = Capability.SOCKET_IO
DATAGRAM = Capability.DATAGRAM
VECTORED = Capability.VECTORED
READINESS = Capability.READINESS

#: Every operation on a file, as a call that would do if the file were open, the address right.
_Call = Callable[[CompletionPort, object], object]
ADDRESS = ("127.0.0.1", 9)
CALLS: dict[Capability, dict[Kind, list[_Call]]] = {
    FILE_IO: {
        Kind.READ: [
            lambda port, file: port.read(file, bytearray(4)),  # type: ignore[arg-type]
            lambda port, file: port.read(file, bytearray(4), 0),  # type: ignore[arg-type]
        ],
        Kind.WRITE: [
            lambda port, file: port.write(file, b"abc"),  # type: ignore[arg-type]
            lambda port, file: port.write(file, b"abc", 0),  # type: ignore[arg-type]
        ],
        Kind.FSYNC: [
            lambda port, file: port.fsync(file),  # type: ignore[arg-type]
            lambda port, file: port.fsync(file, data_only=True),  # type: ignore[arg-type]
        ],
    },
    VECTORED: {
        Kind.READ: [lambda port, file: port.read_vectored(file, [bytearray(4)])],  # type: ignore[arg-type]
        Kind.WRITE: [lambda port, file: port.write_vectored(file, [b"abc"])],  # type: ignore[arg-type]
    },
    SOCKET_IO: {
        Kind.RECV: [
            lambda port, file: port.recv(file, bytearray(4)),  # type: ignore[arg-type]
            lambda port, file: port.recv_exactly(file, bytearray(4)),  # type: ignore[arg-type]
            lambda port, file: port.recv(file, bytearray()),  # type: ignore[arg-type]
        ],
        Kind.SEND: [
            lambda port, file: port.send(file, b"abc"),  # type: ignore[arg-type]
            lambda port, file: port.send_all(file, b"abc"),  # type: ignore[arg-type]
            lambda port, file: port.send(file, b""),  # type: ignore[arg-type]
        ],
        Kind.ACCEPT: [lambda port, file: port.accept(file)],  # type: ignore[arg-type]
        Kind.CONNECT: [lambda port, file: port.connect(file, ADDRESS)],  # type: ignore[arg-type]
    },
    DATAGRAM: {
        Kind.RECV_FROM: [lambda port, file: port.recv_from(file, bytearray(4))],  # type: ignore[arg-type]
        Kind.SEND_TO: [lambda port, file: port.send_to(file, b"abc", ADDRESS)],  # type: ignore[arg-type]
    },
    READINESS: {Kind.POLL: [lambda port, file: port.poll(file, Interest.READABLE)]},  # type: ignore[arg-type]
}


def expect_bad_descriptor(port: CompletionPort, sources: Sources, capability: Capability) -> None:
    closed, _peer = sources.stream()
    closed.close()
    for file in (sources.closed_number(), closed):
        for kind, calls in CALLS[capability].items():
            for call in calls:
                call(port, file)
                done = expect_completion(wait_one(port), key=0, kind=kind, error=errno.EBADF, eof=False, more=False)
                expect(type(done.error) is OSError, "a plain OSError", done.error)


@rule("error/1", needs=FILE_IO)
def test_closed_file(port: CompletionPort, sources: Sources) -> None:
    """read, write and fsync of a file that is not open complete with EBADF."""
    expect_bad_descriptor(port, sources, FILE_IO)


@rule("error/2", needs=VECTORED)
def test_closed_file_vectored(port: CompletionPort, sources: Sources) -> None:
    """Vectored reads and writes of a file that is not open complete with EBADF."""
    expect_bad_descriptor(port, sources, VECTORED)


@rule("error/3", needs=SOCKET_IO)
def test_closed_socket(port: CompletionPort, sources: Sources) -> None:
    """Every socket operation on a socket that is not open completes with EBADF, one with an empty buffer too."""
    expect_bad_descriptor(port, sources, SOCKET_IO)


@rule("error/4", needs=DATAGRAM)
def test_closed_datagram_socket(port: CompletionPort, sources: Sources) -> None:
    """recv_from and send_to on a socket that is not open complete with EBADF."""
    expect_bad_descriptor(port, sources, DATAGRAM)


@rule("error/5")
def test_not_a_file(port: CompletionPort) -> None:
    """What is no file raises TypeError at the call, in every operation on files that the port has, and starts
    nothing.
    """
    for capability, kinds in CALLS.items():
        if capability not in port.capabilities:
            continue
        for calls in kinds.values():
            for call in calls:
                for thing in NOT_FILES:
                    with raises(TypeError):
                        call(port, thing)
    for thing in NOT_FILES:
        with raises(TypeError):
            port.register(thing, 1)
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect_nothing(port, 0)


@rule("error/6", needs=SOCKET_IO)
def test_good_bad_good(port: CompletionPort, sources: Sources) -> None:
    """A bad operation among good ones fails alone: each of the three completes once, the good ones with their
    results.
    """
    (one, one_far), (other, other_far) = sources.tcp(), sources.tcp()
    one_far.sendall(b"abc")
    other_far.sendall(b"xyz")
    for _ in range(20):
        port.recv(one, bytearray(8), socket.MSG_PEEK, "first")  # again and again the same bytes
        port.recv(sources.closed_number(), bytearray(4), 0, "bad")
        port.recv(other, bytearray(8), socket.MSG_PEEK, "last")
        port.flush()
        done = {finished.token: finished for finished in wait_for(port, 3)}
        expect(len(done) == 3, "three different operations", list(done))
        expect_completion(done["first"], result=3, error=None)
        expect_completion(done["bad"], error=errno.EBADF)
        expect_completion(done["last"], result=3, error=None)


@rule("error/7", needs=FILE_IO)
def test_batch_of_files(port: CompletionPort, sources: Sources) -> None:
    """Bad operations anywhere in a large batch fail alone, none of the others is lost or held back."""
    file = sources.file(b"0123456789")
    write_only = sources.keep(sources.path().open("wb", buffering=0))
    for index in range(90):
        target = (file, write_only, sources.closed_number())[index % 3]
        port.read(target, bytearray(4), 3, index)
    port.flush()
    done = wait_for(port, 90)
    expect(len({one.token for one in done}) == 90, "each of the 90 once", len({one.token for one in done}))
    for one in done:
        if int(str(one.token)) % 3:
            expect_completion(one, error=errno.EBADF)
        else:
            expect_completion(one, result=4, error=None)


@rule("error/8", needs=SOCKET_IO)
def test_wait_does_not_raise(port: CompletionPort, sources: Sources) -> None:
    """wait raises for no failed operation: failures come in the list with everything else, each where it belongs."""
    number = sources.closed_number()
    for index in range(10):
        port.post(index, token=index)
        port.recv(number, bytearray(4), 0, index)
    done = wait_for(port, 20)
    failed = [one.token for one in done if one.kind is Kind.RECV and one.result == -errno.EBADF]
    posted = [one.token for one in done if one.kind is Kind.POSTED]
    expect(sorted(map(str, failed)) == sorted(map(str, range(10))), "ten failures as completions", failed)
    expect(posted == list(range(10)), "ten posts in order", posted)


@rule("error/9", needs=SOCKET_IO)
def test_not_in_wait_but_later(port: CompletionPort, sources: Sources) -> None:
    """A failure that is known at once is a completion all the same: the call returns an id and does not raise."""
    operation = port.recv(sources.closed_number(), bytearray(4), 0, "recv")
    expect(type(operation) is int, "an id", operation)
    expect(port.in_flight == 1, "in_flight 1 until wait() has returned it", port.in_flight)
    expect_completion(wait_one(port), token="recv", error=errno.EBADF)
    expect(port.in_flight == 0, "in_flight 0 afterwards", port.in_flight)


@rule("error/10", needs=SOCKET_IO | FILE_IO)
def test_classes(port: CompletionPort, sources: Sources) -> None:
    """Errors are of the builtin subclass of OSError that their errno has, and errno is the one of the errno module."""
    for cls, number, done in _failures(port, sources):
        error = done.error
        expect(type(error) is cls, f"{cls.__name__}", error)
        assert error is not None
        expect(error.errno == number, f"errno {errno.errorcode[number]}", error.errno)
        expect(done.ok is False, "ok to be False", done)


def _failures(port: CompletionPort, sources: Sources) -> list[tuple[type[OSError], int, Completion]]:
    one, other = sources.tcp()
    port.recv(one, bytearray(4))
    sources.reset(other)
    found: list[tuple[type[OSError], int, Completion]] = [(ConnectionResetError, errno.ECONNRESET, wait_one(port))]
    half, _far = sources.tcp()
    half.shutdown(socket.SHUT_WR)
    port.send(half, b"abc")
    found.append((BrokenPipeError, errno.EPIPE, wait_one(port)))
    sock = sources.keep(socket.socket())
    port.connect(sock, refusing_address(sources))
    found.append((ConnectionRefusedError, errno.ECONNREFUSED, wait_one(port)))
    port.read(sources.closed_number(), bytearray(4))
    found.append((OSError, errno.EBADF, wait_one(port)))
    port.recv(sources.file(), bytearray(4))
    found.append((OSError, errno.ENOTSOCK, wait_one(port)))
    return found


@rule("error/11", needs=SOCKET_IO)
def test_message(port: CompletionPort, sources: Sources) -> None:
    """The text of an error names the operation, and the key that its file is registered with."""
    one, other = sources.tcp()
    port.register(one, 0x1234ABCD)
    port.recv(one, bytearray(4))
    sources.reset(other)
    text = str(wait_one(port).error).lower()
    for words in ("recv", "0x1234abcd"):
        expect(words in text, f"a message with {words!r}", text)
    port.send(one, b"abc")
    text = str(wait_one(port).error).lower()
    for words in ("send", "0x1234abcd"):
        expect(words in text, f"a message with {words!r}", text)


@rule("error/12", needs=SOCKET_IO | FILE_IO)
def test_pickles(port: CompletionPort, sources: Sources) -> None:
    """Errors can be pickled and printed: a copy has the class, the errno and the text of the original."""
    for _, _, done in _failures(port, sources):
        error = done.error
        assert error is not None
        copy = pickle.loads(pickle.dumps(error))
        expect(type(copy) is type(error), f"a {type(error).__name__}", copy)
        # Not str(): on Windows that begins with winerror, which OSError itself leaves out of a pickle.
        kept = (copy.errno, copy.strerror) == (error.errno, error.strerror)
        expect(kept, f"{error.errno}: {error.strerror}", f"{copy.errno}: {copy.strerror}")
        expect(type(error).__name__ in repr(error), "its class in its repr()", repr(error))


@rule("error/13", needs=SOCKET_IO | Capability.CANCEL)
def test_cancelled(port: CompletionPort, sources: Sources) -> None:
    """A cancelled operation's error is OperationCancelled: an OSError with errno ECANCELED that can be pickled."""
    one, _other = sources.tcp()
    port.cancel(port.recv(one, bytearray(4)))
    error = wait_one(port).error
    expect(type(error) is OperationCancelled, "OperationCancelled", error)
    assert error is not None
    expect(error.errno == errno.ECANCELED, "errno ECANCELED", error.errno)
    copy = pickle.loads(pickle.dumps(error))
    expect(type(copy) is OperationCancelled and copy.errno == errno.ECANCELED, "the same after pickling", copy)


@rule("error/14", needs=SOCKET_IO)
def test_raising_calls_leave_nothing(port: CompletionPort, sources: Sources) -> None:
    """A call that raises leaves nothing behind: no operation, no completion, no held buffer, and later calls work."""
    one, other = sources.tcp()
    buffer = bytearray(4)
    before = port.statistics()["submitted"]
    for bad in NOT_INTEGERS[:3]:
        with raises(TypeError):
            port.recv(one, buffer, bad)
        with raises(TypeError):
            port.send(one, buffer, bad)
    with raises(TypeError):
        port.recv(one)
    with raises(TypeError):
        port.recv(one, buffer, 0, None, None)  # type: ignore[call-arg]
    with raises(TypeError):
        port.recv(one, buffer, colour="red")  # type: ignore[call-arg]
    with raises(ValueError):
        port.connect(one, ("localhost", 9))
    expect_released(buffer, "by a call that raised")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    expect(port.statistics()["submitted"] == before, f"{before} submitted", port.statistics()["submitted"])
    expect_nothing(port, 0)
    other.sendall(b"abc")
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=3, error=None)


@rule("error/15", needs=SOCKET_IO)
def test_fileno_that_raises(port: CompletionPort, sources: Sources) -> None:
    """An exception of the file's own fileno() comes out of the call as it is, and starts nothing."""

    class Broken:
        def fileno(self) -> int:
            raise LookupError("no number today")

    class Wrong:
        def fileno(self) -> str:
            return "7"

    buffer = bytearray(4)
    with raises(LookupError, says=("no number today",)):
        port.recv(Broken(), buffer)
    with raises(TypeError):
        port.recv(Wrong(), buffer)  # type: ignore[arg-type]
    expect_released(buffer, "by a call that raised")
    expect(port.in_flight == 0, "nothing in flight", port.in_flight)
    one, other = sources.tcp()
    other.sendall(b"abc")
    port.recv(one, buffer)
    expect_completion(wait_one(port), result=3, error=None)


@rule("error/16", needs=SOCKET_IO)
def test_fields_of_failures(port: CompletionPort, sources: Sources) -> None:
    """A failed operation's result is minus its errno, its value None, and unwrap() raises its error."""
    one, _other = sources.tcp()
    one.shutdown(socket.SHUT_WR)
    port.send(one, b"abc", 0, "send")
    done = expect_completion(wait_one(port), result=-errno.EPIPE, value=None, token="send", kind=Kind.SEND)
    with raises(BrokenPipeError):
        done.unwrap()
    expect(type(done) is Completion and tuple(done)[1] == done.result, "a Completion, which is a tuple", done)


@rule("error/17", needs=DATAGRAM)
def test_failures_of_datagrams(port: CompletionPort, sources: Sources) -> None:
    """A failed datagram operation leaves the socket usable, in both directions."""
    here, there = sources.udp_bound(), sources.udp_bound()
    port.recv_from(here, bytearray(8), 0, "recv")
    port.send_to(here, bytes(100_000), there.getsockname(), 0, "long")
    expect_completion(wait_one(port), token="long", error=errno.EMSGSIZE)
    there.sendto(b"abc", here.getsockname())
    expect_completion(wait_one(port), token="recv", result=3, error=None)
    port.send_to(here, b"xyz", there.getsockname())
    expect_completion(wait_one(port), result=3, error=None)
