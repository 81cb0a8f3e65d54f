"""register, as an operation: poll waits for one readiness and needs no registration."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import NOT_FILES
from compl_conformance.scenarios.timing import expect_blocked
from compl_conformance.sources import Sources
from compl_core import Capability, CompletionPort, Interest, Kind, NotRegistered, Poll

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE


@rule("register/41", needs=Capability.READINESS)
def test_poll_ready(port: CompletionPort, sources: Sources) -> None:
    """A poll of a file that is ready completes once, by the next wait, with what it is ready for."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    token = object()
    port.poll(mine, READABLE, token)
    expect(port.in_flight == 1, "one operation in flight", port.in_flight)
    done = wait_one(port)
    expect_completion(done, key=0, result=int(READABLE), token=token, kind=Kind.POLL, error=None, more=False)
    expect(done.readiness is READABLE, "readiness READABLE", done.readiness)
    expect_nothing(port, 0.005)
    expect(port.in_flight == 0, "none in flight afterwards", port.in_flight)


@rule("register/42", needs=Capability.READINESS)
def test_poll_pending(port: CompletionPort, sources: Sources) -> None:
    """A poll of a file that is not ready waits until it is, and does not fire for anything else."""
    mine, peer = sources.tcp()
    port.submit(Poll(mine, READABLE), token="readable")
    waiter = background(port.wait, 1, None)
    expect_blocked(waiter)
    peer.send(b"x")
    expect_completion(waiter.result()[0], token="readable", result=int(READABLE), kind=Kind.POLL)
    port.poll(mine, WRITABLE, "writable")
    expect_completion(wait_one(port), token="writable", result=int(WRITABLE))


@rule("register/43", needs=Capability.READINESS)
def test_poll_beside_registration(port: CompletionPort, sources: Sources) -> None:
    """A poll and a registration of one file are independent: both are reported, by the same key."""
    mine, peer = sources.tcp()
    port.register(mine, 43, READABLE)
    port.poll(mine, READABLE, "poll")
    port.flush()
    peer.send(b"x")
    seen: list[Kind] = []
    while Kind.POLL not in seen or Kind.READY not in seen:
        for done in port.wait(8, 5):
            expect_completion(done, key=43, result=int(READABLE))
            seen.append(done.kind)
        expect(len(seen) < 20, "both a POLL and a READY", seen)
    expect(seen.count(Kind.POLL) == 1, "one POLL", seen)
    mine.recv(1)
    port.poll(mine, READABLE, "unregistered")
    port.flush()
    port.unregister(mine)
    peer.send(b"y")
    expect_completion(wait_one(port), token="unregistered", kind=Kind.POLL, result=int(READABLE), error=None)


@rule("register/44", needs=Capability.READINESS)
def test_poll_does_not_register(port: CompletionPort, sources: Sources) -> None:
    """A poll registers nothing."""
    mine, peer = sources.tcp()
    port.poll(mine, READABLE)
    with raises(NotRegistered):
        port.unregister(mine)
    port.register(mine, 44)
    peer.send(b"x")
    wait_one(port)
    expect_nothing(port, 0)


@rule("register/45", needs=Capability.READINESS)
def test_several_polls(port: CompletionPort, sources: Sources) -> None:
    """Several polls of one file, of either direction, each complete once."""
    mine, peer = sources.tcp()
    for number in range(5):
        port.poll(mine, READABLE, number)
    port.poll(mine, WRITABLE, "writable")
    expect_completion(wait_one(port), token="writable", result=int(WRITABLE))
    expect(port.in_flight == 5, "the five others in flight", port.in_flight)
    peer.send(b"x")
    found = {done.token: done.result for done in wait_for(port, 5)}
    expect(found == dict.fromkeys(range(5), int(READABLE)), "each of the five, READABLE", found)
    expect_nothing(port, 0.005)


@rule("register/46", needs=Capability.READINESS)
def test_poll_always_ready(port: CompletionPort, sources: Sources) -> None:
    """A poll of a file that is always ready completes at once with what was asked."""
    file = sources.file(b"")
    null = sources.keep(Path(os.devnull).open("r+b", buffering=0))  # noqa: SIM115  closed by sources
    for always in (file, null):
        for interest in (READABLE, WRITABLE, READABLE | WRITABLE):
            port.poll(always, interest)
            expect_completion(wait_one(port), kind=Kind.POLL, result=int(interest), error=None)


@rule("register/47", needs=Capability.READINESS)
def test_poll_of_a_closed_file(port: CompletionPort, sources: Sources) -> None:
    """A poll of a file that is not open completes with EBADF; of what is no file it is TypeError and no operation."""
    closed, _ = sources.stream()
    closed.close()
    for file in (closed, sources.closed_number()):
        port.poll(file, READABLE, file)
        expect_completion(wait_one(port), kind=Kind.POLL, token=file, error=errno.EBADF)
    for wrong in NOT_FILES:
        with raises(TypeError):
            port.poll(wrong, READABLE)
    expect(port.in_flight == 0, "none in flight", port.in_flight)


@rule("register/48", needs=Capability.READINESS)
def test_poll_hangup(port: CompletionPort, sources: Sources) -> None:
    """A poll is completed by the end of the stream and by a reset too."""
    for ending in ("close", "reset"):
        mine, peer = sources.tcp()
        port.poll(mine, READABLE, ending)
        port.flush()
        if ending == "reset":
            sources.reset(peer)
        else:
            peer.close()
        done = expect_completion(wait_one(port), token=ending, kind=Kind.POLL, error=None)
        expect(done.readiness, "READABLE, ERROR or HANGUP", done.readiness)


@rule("register/49", needs=Capability.READINESS | Capability.CANCEL)
def test_poll_cancelled(port: CompletionPort, sources: Sources) -> None:
    """A cancelled poll completes once with ECANCELED, and leaves other polls and the registration of the file alone."""
    mine, peer = sources.tcp()
    port.register(mine, 49, READABLE, oneshot=True)
    first, _second = port.poll(mine, READABLE, "first"), port.poll(mine, READABLE, "second")
    port.flush()
    expect(port.cancel(first) is True, "cancel() of a poll in flight to be True", False)
    expect_completion(wait_one(port), token="first", error=errno.ECANCELED, kind=Kind.POLL)
    peer.send(b"x")
    found = wait_for(port, 2)
    expect({done.token for done in found} == {"second", None}, "the other poll and the READY", found)
