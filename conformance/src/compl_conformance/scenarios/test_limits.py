"""limits: many of everything, and what happens where the system's own limits are reached."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator

from compl_conformance.expect import expect, expect_completion, expect_nothing, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.timing import Watch
from compl_conformance.sources import Sources, host_lacks
from compl_core import Backend, Capability, CompletionPort, Interest, Kind


@rule("limits/1", timeout=30)
def test_many_operations_unwaited(port: CompletionPort) -> None:
    """Submission never fails because a queue is full: 20 000 operations without a wait all complete, each once."""
    count = 20_000
    ids = {port.nop(number) for number in range(count)}
    expect(len(ids) == count, f"{count} different ids", len(ids))
    expect(port.in_flight == count, f"in_flight {count}", port.in_flight)
    seen = {done.token for done in wait_for(port, count, 25)}
    expect(len(seen) == count, f"{count} different completions", len(seen))
    expect_nothing(port, 0)


@rule("limits/2", timeout=30)
def test_many_posts_unwaited(port: CompletionPort) -> None:
    """30 000 posts without a wait, each with a key of its own, all come back in order."""
    count, stride = 30_000, 2**64 // 30_000
    for number in range(count):
        port.post(number * stride)
    keys = [done.key for done in wait_for(port, count, 25)]
    expect(keys == [number * stride for number in range(count)], "every key in order", len(keys))


@rule("limits/3", timeout=30)
def test_largest_batch(port: CompletionPort) -> None:
    """A wait may ask for any number of completions, up to 2**31-1, and gets all that are there in one list."""
    for asked in (10_000, 1_000_000, 2**31 - 1):
        for number in range(5000):
            port.post(number)
        batch = port.wait(asked, 5)
        expect(len(batch) == 5000, f"wait({asked}) to return all 5000", len(batch))


@rule("limits/4", needs=Capability.READINESS, timeout=30)
def test_many_polls_of_one_file(port: CompletionPort, sources: Sources) -> None:
    """A thousand polls of one file are in flight together, and its readiness completes each of them once."""
    mine, peer = sources.tcp()
    for number in range(1000):
        port.poll(mine, Interest.READABLE, number)
    expect_nothing(port, 0)
    expect(port.in_flight == 1000, "1000 in flight", port.in_flight)
    peer.send(b"x")
    tokens = {done.token for done in wait_for(port, 1000, 20)}
    expect(len(tokens) == 1000, "1000 different completions", len(tokens))
    expect_nothing(port, 0.002)


@rule("limits/5", needs=Capability.TIMEOUT, timeout=30)
def test_many_timeouts(port: CompletionPort, rng: random.Random) -> None:
    """Five thousand timeouts of all lengths complete, each once."""
    for number in range(5000):
        port.timeout(rng.random() * 0.03, number)
    tokens = {done.token for done in wait_for(port, 5000, 20)}
    expect(len(tokens) == 5000, "5000 different completions", len(tokens))
    expect_nothing(port, 0)


@rule("limits/6", needs=Capability.READINESS, timeout=30)
def test_many_files(port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """Of some hundred watched files only those that are ready are reported."""
    pairs = [sources.stream() for _ in range(_room_for_files(800) // 2)]
    for key, (mine, _) in enumerate(pairs):
        port.register(mine, key, Interest.READABLE)
    expect_nothing(port, 0)
    for key in rng.sample(range(len(pairs)), 20):
        pairs[key][1].send(b"x")
        expect_completion(wait_one(port), key=key, kind=Kind.READY)
        pairs[key][0].recv(1)
        expect_nothing(port, 0)


@rule("limits/7", needs=Capability.SOCKET_IO, timeout=30)
def test_many_receives(port: CompletionPort, sources: Sources) -> None:
    """Some hundred sockets each have a recv in flight, and each gets its own data."""
    pairs = [sources.stream() for _ in range(_room_for_files(600) // 2)]
    buffers = [bytearray(4) for _ in pairs]
    for number, (mine, _) in enumerate(pairs):
        port.recv(mine, buffers[number], token=number)
    port.flush()
    for number, (_, peer) in enumerate(pairs):
        peer.send(number.to_bytes(4, "big"))
    for done in wait_for(port, len(pairs), 20):
        expect_completion(done, kind=Kind.RECV, result=4)
        assert isinstance(done.token, int)
        found = int.from_bytes(buffers[done.token], "big")
        expect(found == done.token, f"the data of socket {done.token}", found)


@rule("limits/8", timeout=30)
def test_registered_again_and_again(port: CompletionPort, sources: Sources) -> None:
    """One file is registered, changed and unregistered two thousand times, and is as good as new."""
    mine, peer = sources.stream()
    watch = Interest.READABLE if Capability.READINESS in port.capabilities else Interest.NONE
    for key in range(2000):
        port.register(mine, key, watch)
        port.modify(mine, key=key + 1)
        port.unregister(mine)
    port.register(mine, 8, watch)
    peer.send(b"x")
    if watch:
        expect_completion(wait_one(port), key=8, kind=Kind.READY)
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)


@rule("limits/9")
def test_many_ports(open_port: Callable[[], CompletionPort]) -> None:
    """Sixteen ports are open at once, and each works."""
    ports = [open_port() for _ in range(16)]
    for number, port in enumerate(ports):
        port.post(number)
        port.nop(number)
    for number, port in enumerate(ports):
        for done in wait_for(port, 2):
            expect(number in (done.key, done.token), f"the completions of port {number}", done)


@rule("limits/10", needs=Capability.READINESS)
def test_high_numbers(port: CompletionPort, sources: Sources) -> None:
    """Descriptors above 1024 are watched like any other."""
    if sys.platform == "win32":
        host_lacks("numbers cannot be chosen here", fix="judge this rule on a POSIX system")
    import fcntl
    import resource

    mine, peer = sources.tcp()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (2**31 if limit == resource.RLIM_INFINITY else limit for limit in limits)
    numbers = [number for number in (1024, 2047, 0x1_0000) if number < hard]
    if not numbers:
        host_lacks(f"RLIMIT_NOFILE allows {hard} descriptors", fix="raise the hard limit to 2048 at least")
    with _descriptors(max(soft, numbers[-1] + 1)):
        for least in numbers:
            high = sources.keep(socket.socket(fileno=fcntl.fcntl(mine, fcntl.F_DUPFD_CLOEXEC, least)))
            port.register(high, least, Interest.READABLE)
            peer.send(b"x")
            expect_completion(wait_one(port), key=least, kind=Kind.READY)
            high.recv(1)
            expect_nothing(port, 0)
            port.unregister(high)
            high.close()


@rule("limits/11")
def test_no_descriptors_left(backend: Backend, port: CompletionPort) -> None:
    """With no descriptor left, opening a port raises OSError and leaves nothing behind; open ports go on working."""
    if sys.platform == "win32":
        host_lacks("there is no limit of descriptors here", fix="judge this rule on a POSIX system")
    with backend.open() as warm:  # what is imported or allocated at first use is so by now
        wait_for(warm, int(bool(warm.nop())))
    free = _lowest_free()
    with _descriptors(free):
        for _ in range(3):
            try:
                backend.open().close()  # a port that needs no descriptor of its own may well open
            except OSError as error:
                expect(error.errno in (errno.EMFILE, errno.ENFILE), "EMFILE", error)
        port.post(1)
        port.nop()
        wait_for(port, 2)
    expect(_lowest_free() == free, f"descriptor {free} free again", _lowest_free())
    with backend.open() as after:
        after.post(2)
        expect_completion(wait_one(after), key=2)


@rule("limits/12", timeout=30)
def test_state_after_many(port: CompletionPort) -> None:
    """A port that has carried fifty thousand completions counts them right and is in the state of a new one."""
    for _ in range(250):
        for number in range(100):
            port.nop(number)
            port.post(number)
        wait_for(port, 200)
    found = dict(port.statistics())
    expect(found["in_flight"] == found["ready"] == port.in_flight == 0, "nothing in flight and nothing ready", found)
    expect(found["submitted"] == found["posted"] == 25_000, "25 000 submitted and posted", found)
    with Watch() as watch:
        expect_nothing(port, 0.002)
    watch.expect_not_before(0.002, "wait(timeout=0.002)")


def _room_for_files(wanted: int) -> int:
    """How many descriptors a rule may use: ``wanted`` if the process's limit leaves them."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - 100)
    if room < 40:
        host_lacks(f"RLIMIT_NOFILE leaves {room} descriptors", fix="raise it: ulimit -n 1024")
    return room


@contextlib.contextmanager
def _descriptors(limit: int) -> Iterator[None]:
    """Allow descriptors below ``limit`` only; those that are open already stay so."""
    if sys.platform == "win32":
        raise AssertionError("asked on Windows, which has no such limit")
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _lowest_free() -> int:
    """The number that the next file would get."""
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number
