"""capability: what a port declares is there and works, what it does not declare is refused by name."""

from __future__ import annotations

import errno
import inspect
import os
import re
import socket
from collections.abc import Callable

from compl_conformance.expect import (
    ExpectationFailed,
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    show,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.calls import CONTRACT as CONTRACT_CALLS
from compl_conformance.scenarios.calls import OPTIONAL
from compl_conformance.scenarios.timing import Watch, expect_blocked
from compl_conformance.scenarios.watching import expect_readable
from compl_conformance.sources import Sources
from compl_core import (
    CONTRACT,
    METHODS,
    Backend,
    Capability,
    CompletionFlags,
    CompletionPort,
    Interest,
    Kind,
    NotSupported,
    Read,
    Write,
)

_EVERYONES = ("register", "modify", "unregister", "post", "wait", "close", "nop", "submit", "flush", "statistics")


_EXTENSIONS = Capability.MULTISHOT | Capability.POOLED


@rule("capability/1")
def test_declared_methods_are_there(port: CompletionPort) -> None:
    """Every method of the contract and of the declared capabilities is the port's own, not the refusing default."""
    wanted = {name: "the contract" for name in _EVERYONES if name != "submit"}
    for capability in port.capabilities:
        wanted |= dict.fromkeys(METHODS.get(capability, ()), str(capability))
    for name, because in wanted.items():
        own = getattr(type(port), name, None) is not getattr(CompletionPort, name)
        expect(own, f"{type(port).__name__}.{name} of its own, promised by {because}", "it is CompletionPort's")


@rule("capability/2")
def test_signatures(port: CompletionPort) -> None:
    """Every declared method takes its parameters by the contract's names, in its order, with its defaults."""
    wanted = {*_EVERYONES, *(name for capability in port.capabilities for name in METHODS.get(capability, ()))}
    for name in sorted(wanted):
        where = f"{type(port).__name__}.{name}"
        asked = inspect.signature(getattr(CompletionPort, name))
        try:
            given = inspect.signature(getattr(type(port), name))
        except ValueError as error:
            raise ExpectationFailed(f"a signature of {where} for inspect (__text_signature__)", show(error)) from error
        difference = _difference(list(asked.parameters.values())[1:], list(given.parameters.values())[1:])
        expect(not difference, f"{where}{asked}", f"{given}: {difference}")


def _difference(asked: list[inspect.Parameter], given: list[inspect.Parameter]) -> str:
    """Which call that ``asked`` allows ``given`` does not, or an empty string."""
    named = {parameter.name: parameter for parameter in given}
    positional = [p.name for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for place, parameter in enumerate(asked):
        own = named.get(parameter.name)
        if own is None:
            return f"there is no {parameter.name}"
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and positional[place : place + 1] != [parameter.name]:
            return f"{parameter.name} is not parameter {place + 1} by position"
        if own.kind is own.POSITIONAL_ONLY:
            return f"{parameter.name} cannot be named"
        if own.default != parameter.default:
            return f"the default of {parameter.name} is {own.default!r} instead of {parameter.default!r}"
    known = {parameter.name for parameter in asked}
    needless = [p.name for p in given if p.name not in known and p.default is p.empty and p.kind not in _VARIABLE]
    return f"{needless[0]} has no default" if needless else ""


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@rule("capability/3")
def test_undeclared_is_refused(port: CompletionPort, sources: Sources) -> None:
    """A method behind an undeclared capability raises NotSupported, which names the capability and the method."""
    mine, _peer = sources.stream()
    for capability in ~port.capabilities:
        for name, call in OPTIONAL.get(capability, {}).items():
            with Watch() as watch, raises(NotSupported, errno=errno.ENOTSUP, says=(name.split()[0],)) as raised:
                call(port, mine)
            watch.expect_prompt(f"{name} to refuse")
            # What extends a method needs two, of which either may be the one that is missed first.
            either = (capability, Capability.SOCKET_IO) if capability in _EXTENSIONS else (capability,)
            assert isinstance(raised.error, NotSupported)
            expect(raised.error.capability in either, f"{name}: a refusal that names {capability}", raised.error)
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)
    expect_nothing(port, 0)


@rule("capability/4")
def test_probe_is_honest(backend: Backend, port: CompletionPort) -> None:
    """probe says that the backend is available where open works, and names the capabilities that its ports have."""
    found = backend.probe()
    expect(found.available is True, "available, as a port is open", found)
    expect(found.capabilities == port.capabilities, f"those of its port, {port.capabilities!r}", found.capabilities)
    again = backend.probe()
    expect(again.capabilities == found.capabilities, "the same answer twice", again)


@rule("capability/5")
def test_probe_leaves_nothing(backend: Backend) -> None:
    """probe is cheap and leaves no descriptor open."""
    backend.probe()  # what the first one imports may stay
    before = _free_number()
    with Watch() as watch:
        for _ in range(10):
            backend.probe()
    watch.expect_prompt("ten probes")
    expect(_free_number() == before, f"descriptor {before} still the lowest that is free", _free_number())


def _free_number() -> int:
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number


@rule("capability/6")
def test_record(backend: Backend, port: CompletionPort) -> None:
    """A backend states a name in lower case, a contract version known here, and no less than its ports declare."""
    expect(re.fullmatch(r"[a-z][a-z0-9_-]*", backend.name), "a name such as 'epoll'", backend.name)
    version = re.fullmatch(r"(\d+)\.(\d+)", backend.contract)
    expect(version, "a contract version such as '1.0'", backend.contract)
    own, known = (tuple(map(int, text.split("."))) for text in (backend.contract, CONTRACT))
    expect(own[0] == known[0] and own <= known, f"a contract version {known[0]}.0 to {CONTRACT}", backend.contract)
    more = port.capabilities & ~backend.capabilities
    expect(not more, f"capabilities within the record's {backend.capabilities!r}", f"more: {more!r}")


@rule("capability/7")
def test_capabilities_stay(port: CompletionPort, open_port: Callable[[], CompletionPort]) -> None:
    """A port's capabilities are a Capability, the same for all its life and for the next port."""
    first = port.capabilities
    expect(isinstance(first, Capability), "a Capability", type(first))
    port.nop()
    wait_one(port)
    expect(port.capabilities == first == open_port().capabilities, f"{first!r} again", port.capabilities)


@rule("capability/8")
def test_contract_without_capabilities(port: CompletionPort, sources: Sources) -> None:
    """register, modify and unregister without interest, post, wait, nop, submit, flush and statistics always work."""
    mine, _peer = sources.stream()
    for name, call in CONTRACT_CALLS.items():
        try:
            call(port, mine)
        except NotSupported as error:
            expect(False, f"{name} to work on every port", error)


@rule("capability/9", needs=Capability.READINESS, proves=Capability.READINESS)
def test_readiness(port: CompletionPort, sources: Sources) -> None:
    """READINESS: a registered file and a polled one are reported when they become ready."""
    mine, peer = sources.stream()
    port.register(mine, 9, Interest.READABLE)
    port.poll(mine, Interest.WRITABLE)
    expect_completion(wait_one(port), kind=Kind.POLL, result=int(Interest.WRITABLE))
    peer.send(b"x")
    expect_completion(wait_one(port), kind=Kind.READY, key=9, result=int(Interest.READABLE))


@rule("capability/10", needs=Capability.FILE_IO, proves=Capability.FILE_IO)
def test_file_io(port: CompletionPort, sources: Sources) -> None:
    """FILE_IO: what write wrote and fsync made durable is what read reads and the file holds."""
    file = sources.file(b"....")
    port.write(file, b"data", 2)
    expect_completion(wait_one(port), kind=Kind.WRITE, result=4)
    port.fsync(file)
    expect_completion(wait_one(port), kind=Kind.FSYNC, result=0)
    buffer = bytearray(8)
    port.read(file, buffer, 1)
    expect_completion(wait_one(port), kind=Kind.READ, result=5)
    expect(bytes(buffer[:5]) == b".data", "b'.data'", bytes(buffer))


@rule("capability/11", needs=Capability.VECTORED, proves=Capability.VECTORED)
def test_vectored(port: CompletionPort, sources: Sources) -> None:
    """VECTORED: several buffers are written and read in turn, by one operation each."""
    file = sources.file()
    port.write_vectored(file, [b"ab", b"", b"cde"], 0)
    expect_completion(wait_one(port), kind=Kind.WRITE, result=5)
    buffers = [bytearray(1), bytearray(3), bytearray(3)]
    port.read_vectored(file, buffers, 0)
    expect_completion(wait_one(port), kind=Kind.READ, result=5)
    expect(buffers == [b"a", b"bcd", b"e\0\0"], "the five bytes over three buffers", buffers)


@rule("capability/12", needs=Capability.SOCKET_IO, proves=Capability.SOCKET_IO)
def test_socket_io(port: CompletionPort, sources: Sources) -> None:
    """SOCKET_IO: a connection is made, accepted and used, by the port alone."""
    listener = sources.listener()
    client = sources.keep(socket.socket())
    port.accept(listener, "accept")
    port.connect(client, listener.getsockname(), "connect")
    found = {done.token: done for done in wait_for(port, 2)}
    server = sources.keep(expect_completion(found["accept"], kind=Kind.ACCEPT, result=0).value)
    expect_completion(found["connect"], kind=Kind.CONNECT, result=0)
    some, all_of_it = bytearray(8), bytearray(4)
    port.recv(server, some, token="recv")
    port.send(client, b"data", token="send")
    wait_for(port, 2)
    port.recv_exactly(client, all_of_it, "exactly")
    port.send_all(server, b"back", "all")
    wait_for(port, 2)
    expect(some[:4] + all_of_it == b"databack", "b'data' and b'back'", (some, all_of_it))


@rule("capability/13", needs=Capability.DATAGRAM, proves=Capability.DATAGRAM)
def test_datagram(port: CompletionPort, sources: Sources) -> None:
    """DATAGRAM: a datagram is sent to an address and received with the sender's."""
    mine, peer = sources.udp_bound(), sources.udp_bound()
    buffer = bytearray(8)
    port.recv_from(mine, buffer)
    port.send_to(peer, b"data", mine.getsockname())
    found = {done.kind: done for done in wait_for(port, 2)}
    expect_completion(found[Kind.SEND_TO], result=4)
    expect_completion(found[Kind.RECV_FROM], result=4, value=peer.getsockname())
    expect(buffer[:4] == b"data", "b'data'", buffer)


@rule("capability/14", needs=Capability.TIMEOUT, proves=Capability.TIMEOUT)
def test_timeout(port: CompletionPort) -> None:
    """TIMEOUT: a timeout completes when its time is over."""
    with Watch() as watch:
        port.timeout(0.01, "over")
        expect_completion(wait_one(port), kind=Kind.TIMEOUT, token="over", result=0)
    watch.expect_not_before(0.01, "timeout(0.01)")


@rule("capability/15", needs=Capability.CANCEL | Capability.SOCKET_IO, proves=Capability.CANCEL)
def test_cancel(port: CompletionPort, sources: Sources) -> None:
    """CANCEL: operations end by id, by file, and with the file."""
    mine, _peer = sources.stream()
    buffers = [bytearray(1) for _ in range(4)]
    first, *_rest = [port.recv(mine, buffer) for buffer in buffers]
    expect(port.cancel(first) is True, "True", False)
    expect_completion(wait_one(port), error=errno.ECANCELED)
    expect(port.cancel_all(mine) == 3, "3 of cancel_all()", "another number")
    for done in wait_for(port, 3):
        expect_completion(done, error=errno.ECANCELED)
    port.recv(mine, buffers[0])
    port.close_file(mine)
    kinds = [done.kind for done in wait_for(port, 2)]
    expect(kinds == [Kind.RECV, Kind.CLOSE], "the recv, then the CLOSE", kinds)


@rule("capability/16", needs=Capability.MULTISHOT | Capability.SOCKET_IO, proves=Capability.MULTISHOT)
def test_multishot(port: CompletionPort, sources: Sources) -> None:
    """MULTISHOT: one accept gives every connection, each but the last completion with MORE."""
    listener = sources.listener()
    accepting = port.accept(listener, multishot=True)
    for _ in range(3):
        sources.client(listener)
        sources.keep(expect_completion(wait_one(port), kind=Kind.ACCEPT, result=0, more=True).value)
    if Capability.CANCEL in port.capabilities:
        port.cancel(accepting)
        expect_completion(wait_one(port), kind=Kind.ACCEPT, error=errno.ECANCELED, more=False)


@rule("capability/17", needs=Capability.MULTI_WAITER, proves=Capability.MULTI_WAITER)
def test_multi_waiter(port: CompletionPort) -> None:
    """MULTI_WAITER: two threads are in wait together, and each gets what the other did not."""
    waiters = [background(port.wait, 1, None) for _ in range(2)]
    for waiter in waiters:
        expect_blocked(waiter, 0.005)
    port.post(1)
    port.post(2)
    keys = {waiter.result()[0].key for waiter in waiters}
    expect(keys == {1, 2}, "a post each", keys)


@rule("capability/18", needs=Capability.SUB_MS_TIMEOUT, proves=Capability.SUB_MS_TIMEOUT)
def test_sub_ms_timeout(port: CompletionPort) -> None:
    """SUB_MS_TIMEOUT: of many waits of 0.1 ms the shortest is below half a millisecond, and none is early."""
    took = []
    for _ in range(50):
        with Watch() as watch:
            expect_nothing(port, 0.0001)
        took.append(watch.seconds)
    expect(0.0001 <= min(took) < 0.0005, "the shortest between 0.1 and 0.5 ms", f"{min(took) * 1000:.3f} ms")


@rule("capability/19", needs=Capability.POLLABLE, proves=Capability.POLLABLE)
def test_pollable(port: CompletionPort) -> None:
    """POLLABLE: fileno() is an open descriptor, and readable after a post."""
    number = port.fileno()
    expect(type(number) is int and number >= 0, "a descriptor", number)
    port.post(1)
    expect_readable(port, "a post")


@rule("capability/21", needs=Capability.POOLED | Capability.SOCKET_IO, proves=Capability.POOLED)
def test_pooled(port: CompletionPort, sources: Sources) -> None:
    """POOLED: one receive gives every arrival, in a buffer of the pool, each but the last completion with MORE."""
    mine, peer = sources.stream()
    pool = port.buffer_pool(2, 8)
    port.recv(mine, pool=pool)
    for text in (b"one", b"two", b"three"):
        peer.sendall(text)
        done = expect_completion(wait_one(port), kind=Kind.RECV, result=len(text), more=True)
        expect(bytes(done.value) == text, show(text), done)
        done.value.release()
    peer.close()
    expect_completion(wait_one(port), kind=Kind.RECV, result=0, eof=True, more=False, value=None)


@rule(
    "capability/20",
    needs=Capability.FILE_IO_KERNEL | Capability.FILE_IO,
    proves=Capability.FILE_IO_KERNEL,
)
def test_file_io_kernel(port: CompletionPort, sources: Sources) -> None:
    """FILE_IO_KERNEL: reads and writes of a file are done by the kernel, without the flag VIA_THREAD."""
    file = sources.file(b"data")
    for operation in (Read(file, bytearray(4), 0), Write(file, b"data", 0)):
        port.submit(operation)
        done = expect_completion(wait_one(port), result=4)
        expect(not done.flags & CompletionFlags.VIA_THREAD, "no VIA_THREAD", done)
