"""lifecycle: opening, closing and dropping a port."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable

from compl_conformance.expect import (
    ExpectationFailed,
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.calls import declared_calls
from compl_conformance.scenarios.edges import Token, expect_freed
from compl_conformance.scenarios.timing import PROMPT, Watch, expect_blocked
from compl_conformance.sources import Sources, host_lacks
from compl_core import Backend, Capability, Completion, CompletionPort, Interest, NotSupported, PortClosedError


@rule("lifecycle/1")
def test_opens(backend: Backend, port: CompletionPort) -> None:
    """open gives a CompletionPort that is not closed, has nothing in flight and nothing to return."""
    expect(isinstance(port, CompletionPort), "a compl_core.CompletionPort", type(port).__mro__)
    expect(port.name == backend.name, f"the backend's name {backend.name!r}", port.name)
    expect(port.closed is False, "closed to be False", port.closed)
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)
    expect_nothing(port, 0)


@rule("lifecycle/2")
def test_with(open_port: Callable[[], CompletionPort]) -> None:
    """A with statement gives the port itself and closes it at the end, also when the body raises."""
    port = open_port()
    with port as entered:
        expect(entered is port, "the port itself", entered)
        expect(not entered.closed, "open in the body", "closed")
    expect(port.closed is True, "closed to be True after the body", port.closed)
    other = open_port()
    with raises(TypeError), other:
        other.register("no file", 1)  # type: ignore[arg-type]
    expect(other.closed, "closed after a body that raised", "open")


@rule("lifecycle/3")
def test_close_twice(port: CompletionPort) -> None:
    """close may be called again, by any thread, and does nothing then."""
    port.post(1)
    port.nop()
    port.close()
    expect(port.closed is True, "closed to be True", port.closed)
    port.close()
    background(port.close).result()


@rule("lifecycle/4")
def test_use_after_close(port: CompletionPort, sources: Sources) -> None:
    """Every method of a closed port but close raises PortClosedError, a ValueError, and touches no file."""
    mine, _peer = sources.stream()
    capabilities = port.capabilities
    port.close()
    expect(issubclass(PortClosedError, ValueError), "PortClosedError to be a ValueError", PortClosedError.__mro__)
    for name, call in declared_calls(capabilities).items():
        try:
            with raises(PortClosedError, says=("closed",)):
                call(port, mine)
        except ExpectationFailed as failure:
            failure.add_note(f"calling {name}")
            raise
    expect(mine.fileno() >= 0, "the socket still open", "closed")
    with raises(PortClosedError), port:
        port.post(1)


@rule("lifecycle/5")
def test_close_wakes_a_waiter(open_port: Callable[[], CompletionPort]) -> None:
    """close wakes a thread that is blocked in wait, which raises PortClosedError."""

    def wait_for_two(port: CompletionPort) -> list[Completion]:
        return port.wait(9, 60, min_completions=2)

    for call in (lambda port: port.wait(1, None), lambda port: port.wait(1, 60), wait_for_two):
        port = open_port()
        waiter = background(call, port)
        expect_blocked(waiter)
        with Watch() as watch:
            port.close()
            with raises(PortClosedError):
                waiter.result()
        watch.expect_prompt("the waiter to raise")


@rule("lifecycle/6", needs=Capability.MULTI_WAITER)
def test_close_wakes_every_waiter(port: CompletionPort) -> None:
    """close wakes every thread that is blocked in wait, whatever its timeout."""
    waiters = [background(port.wait, 1, timeout) for timeout in (None, 60, None, 45.5, None)]
    for waiter in waiters:
        expect_blocked(waiter, 0.005)
    port.close()
    for waiter in waiters:
        with raises(PortClosedError):
            waiter.result()


@rule("lifecycle/7")
def test_close_lets_files_go(port: CompletionPort, sources: Sources) -> None:
    """close does not close registered files, and no longer keeps them alive."""
    mine, peer = sources.stream()
    port.register(mine, 1)

    class File:
        def fileno(self) -> int:
            return peer.fileno()

    file = File()
    alive = weakref.ref(file)
    port.register(file, 2)
    del file
    port.close()
    expect_freed(alive, "the registered object to be free after close()")
    mine.send(b"open")
    expect(peer.recv(9) == b"open", "both sockets still open", "another answer")


@rule("lifecycle/8", needs=Capability.READINESS)
def test_close_stops_watching(open_port: Callable[[], CompletionPort], port: CompletionPort, sources: Sources) -> None:
    """A closed port watches nothing: the files can be registered with another port, which alone reports them."""
    mine, peer = sources.tcp()
    first = open_port()
    first.register(mine, 1, Interest.READABLE)
    first.close()
    port.register(mine, 2, Interest.READABLE)
    peer.send(b"x")
    expect_completion(wait_one(port), key=2)


def warned_by(use: Callable[[], None]) -> list[str]:
    """What calling ``use``, which opens a port and lets it go, and collecting it warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what somebody else left is not counted
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        use()
        gc.collect()
    return [f"{warning.category.__name__}: {warning.message}" for warning in warned]


def expect_resource_warning(backend: Backend, found: list[str]) -> None:
    one = len(found) == 1 and found[0].startswith("ResourceWarning") and backend.name in found[0].lower()
    expect(one, f"one ResourceWarning, which names {backend.name!r}", found)


@rule("lifecycle/9")
def test_dropped_open(backend: Backend) -> None:
    """Dropping the last reference to an open port warns ResourceWarning, once, and is safe."""

    def use() -> None:
        port = backend.open()
        port.post(1, 0, Token())
        port.nop()

    expect_resource_warning(backend, warned_by(use))


@rule("lifecycle/10")
def test_dropped_closed(backend: Backend) -> None:
    """Dropping a port that was closed warns of nothing."""

    def use() -> None:
        with backend.open() as port:
            port.post(1)

    expect(warned_by(use) == [], "no warning", "a warning")


@rule("lifecycle/11", needs=Capability.SOCKET_IO)
def test_dropped_in_use(backend: Backend, sources: Sources) -> None:
    """Dropping a port that is open, with files registered and operations in flight, warns ResourceWarning and is safe.

    The files stay open.  The buffer is free again afterwards, or it stays exported for good, leaked on purpose.
    """
    mine, peer = sources.tcp()
    buffer = bytearray(8)

    def use() -> None:
        port = backend.open()
        port.register(mine, 1)
        try:
            port.recv(mine, buffer)
        except NotSupported:
            port.close()
            raise
        port.flush()

    expect("ResourceWarning" in " ".join(warned_by(use)), "a ResourceWarning", "none")
    peer.send(b"x")
    mine.send(b"y")
    expect(peer.recv(1) == b"y", "the socket still open", "another answer")


@rule("lifecycle/12")
def test_dropped_in_a_cycle(backend: Backend) -> None:
    """A port that nothing refers to but the token of one of its own posts is collected, with a ResourceWarning."""

    def use() -> None:
        port = backend.open()
        port.post(1, 0, [port])

    expect_resource_warning(backend, warned_by(use))


@rule("lifecycle/24", needs=Capability.POOLED | Capability.SOCKET_IO)
def test_dropped_with_its_views(backend: Backend, port: CompletionPort, sources: Sources) -> None:
    """A port that nothing refers to but its own pool, views and pooled receive is collected, with a ResourceWarning."""
    port.buffer_pool(1, 1)
    alive: list[weakref.ref[Token]] = []
    mine, peer = sources.stream()

    def use() -> None:
        dropped = backend.open()
        pool = dropped.buffer_pool(2, 16)
        token = Token()
        dropped.recv(mine, token=token, pool=pool)
        peer.send(b"some")
        token.__dict__.update(view=wait_one(dropped).value, pool=pool, port=dropped)
        alive.append(weakref.ref(token))

    expect_resource_warning(backend, warned_by(use))
    expect_freed(alive[0], "the receive's token to be free with the port")


@rule("lifecycle/13")
def test_post_racing_with_close(open_port: Callable[[], CompletionPort]) -> None:
    """Calls of other threads that race with close succeed or raise PortClosedError, nothing else."""

    def call_until_closed(call: Callable[[], object], over: threading.Event) -> None:
        try:
            while not over.is_set():
                call()
        except PortClosedError:
            over.set()

    for _ in range(4):
        port = open_port()
        calls: list[Callable[[], object]] = [functools.partial(port.post, 1), port.nop, port.flush]
        if Capability.MULTI_WAITER in port.capabilities:
            calls.append(functools.partial(port.wait, 64, 0.001))
        overs = [threading.Event() for _ in calls]
        callers = [background(call_until_closed, call, over) for call, over in zip(calls, overs, strict=True)]
        wait_for(port, 20)
        port.close()
        try:
            closed = [over.wait(PROMPT) for over in overs]
        finally:
            for over, caller in zip(overs, callers, strict=True):
                over.set()
                caller.result()
        expect(all(closed), "every caller to get PortClosedError", f"{closed.count(False)} did not")


@rule("lifecycle/14")
def test_ports_are_apart(port: CompletionPort, open_port: Callable[[], CompletionPort]) -> None:
    """Two ports of one process share nothing: what is posted to or submitted on one never comes from the other."""
    other = open_port()
    for number in range(50):
        port.post(1, number)
        other.post(2, number)
        port.nop(1)
        other.nop(2)
    for each, own in ((port, 1), (other, 2)):
        expect(each.in_flight == 50, "50 in flight", each.in_flight)
        for done in wait_for(each, 100):
            expect(own in (done.key, done.token), f"only completions of port {own}", done)
        expect_nothing(each, 0)
    other.close()
    port.post(3)
    expect_completion(wait_one(port), key=3)


@rule("lifecycle/15")
def test_not_inherited(backend: Backend, sources: Sources) -> None:
    """A program that is executed inherits none of the port's descriptors."""
    if sys.platform == "win32":
        host_lacks("handles cannot be listed here", fix="judge this rule on a POSIX system")
    mine, _peer = sources.stream()
    before = _inheritable()
    with backend.open() as port:
        port.register(mine, 1)
        port.nop()
        wait_one(port)
        found = _inheritable() - before
    expect(not found, "no inheritable descriptor more than before open", sorted(found))


def _inheritable() -> set[int]:
    found = set()
    for number in range(1024):
        try:
            if os.get_inheritable(number):
                found.add(number)
        except OSError:
            pass  # not open
    return found


@rule("lifecycle/16")
def test_reopened(backend: Backend) -> None:
    """Ports can be opened and closed again and again, with work left in them, and each is as good as the first."""
    for number in range(20):
        with backend.open() as port:
            port.nop(number)
            port.post(number)
            expect({done.token for done in wait_for(port, 2)} == {number, None}, "the nop and the post", "others")
            port.nop()
            port.post(1)
