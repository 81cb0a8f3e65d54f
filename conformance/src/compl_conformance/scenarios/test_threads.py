"""threads: any thread may call any method, and each completion goes to exactly one waiter."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

from compl_conformance.expect import (
    Background,
    background,
    expect,
    expect_completion,
    expect_nothing,
    until,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.timing import PROMPT, Watch, expect_blocked
from compl_conformance.sources import Sources
from compl_core import Backend, Capability, Completion, CompletionPort, Interest, Kind


def waiting(port: CompletionPort, count: int) -> list[Background[list[Completion]]]:
    """``count`` threads that are blocked in a wait for one completion."""
    waiters = [background(port.wait, 1, None) for _ in range(count)]
    for waiter in waiters:
        expect_blocked(waiter, 0.003)
    return waiters


def returned(waiters: list[Background[list[Completion]]]) -> int:
    return sum(not waiter.alive for waiter in waiters)


@rule("threads/1", needs=Capability.MULTI_WAITER)
def test_one_post_wakes_one(port: CompletionPort) -> None:
    """With several threads in wait, one post wakes exactly one of them."""
    waiters = waiting(port, 6)
    for number in range(1, 7):
        port.post(number)
        until(lambda: returned(waiters) >= number, PROMPT, f"waiter {number} to return")  # noqa: B023
        for waiter in waiters:
            if waiter.alive:
                expect_blocked(waiter, 0.002)
        expect(returned(waiters) == number, f"{number} of 6 waiters to have returned", returned(waiters))
    keys = sorted(waiter.result()[0].key for waiter in waiters)
    expect(keys == [1, 2, 3, 4, 5, 6], "each of the six posts once", keys)


@rule("threads/2", needs=Capability.MULTI_WAITER)
def test_posts_reach_all_waiters(port: CompletionPort) -> None:
    """As many posts at once as threads are in wait for one completion let every one of them return."""
    for _ in range(5):
        waiters = waiting(port, 5)
        for number in range(5):
            port.post(number)
        keys = sorted(waiter.result()[0].key for waiter in waiters)
        expect(keys == [0, 1, 2, 3, 4], "each of the five posts once", keys)
    expect_nothing(port, 0)


@rule("threads/3", needs=Capability.MULTI_WAITER)
def test_leaving_waiter_hands_over(port: CompletionPort) -> None:
    """When one of several waiters leaves, by its timeout or with a completion, the others still get what comes next."""
    leader = background(port.wait, 1, 0.02)
    follower = background(port.wait, 1, None)
    expect(leader.result() == [], "nothing for the waiter with a timeout", leader.result())
    port.post(1)
    expect_completion(follower.result()[0], key=1)
    leader, follower = waiting(port, 2)
    for key in (2, 3):
        port.post(key)
    expect({leader.result()[0].key, follower.result()[0].key} == {2, 3}, "one post each", "otherwise")


@rule("threads/4", needs=Capability.MULTI_WAITER | Capability.READINESS)
def test_leaving_waiter_hands_over_files(port: CompletionPort, sources: Sources) -> None:
    """When a waiter that entered first leaves, another that stays is the one that watched files end."""
    mine, peer = sources.tcp()
    port.register(mine, 4, Interest.READABLE)
    leader = background(port.wait, 1, 0.02)
    follower = background(port.wait, 1, None)
    expect(leader.result() == [], "nothing for the waiter with a timeout", leader.result())
    peer.send(b"x")
    expect_completion(follower.result()[0], key=4, kind=Kind.READY)


@rule("threads/5", needs=Capability.MULTI_WAITER)
def test_timeouts_of_their_own(port: CompletionPort) -> None:
    """Threads that wait together each keep a timeout of their own, beside one that waits without end."""

    def timed(seconds: float) -> Watch:
        with Watch() as watch:
            expect_nothing(port, seconds)
        return watch

    endless = background(port.wait, 1, None)
    expect_blocked(endless)
    calls = {seconds: background(timed, seconds) for seconds in (0.09, 0.03, 0.06, 0.01)}
    for seconds, call in calls.items():
        call.result().expect_not_before(seconds, f"wait(timeout={seconds})")
    port.post(5)
    expect_completion(endless.result()[0], key=5)


@rule("threads/17", needs=Capability.MULTI_WAITER)
def test_zero_beside_a_waiter(port: CompletionPort) -> None:
    """A wait with timeout 0 does not block while other threads wait, and takes nothing that is not there."""
    waiters = waiting(port, 2)
    for _ in range(10):
        expect(background(port.wait, 1, 0).result() == [], "[]", "a completion")
    for key in (1, 2):
        port.post(key)
    expect({waiter.result()[0].key for waiter in waiters} == {1, 2}, "one post each", "otherwise")


@rule("threads/6", needs=Capability.MULTI_WAITER | Capability.READINESS)
def test_oneshot_reaches_one(port: CompletionPort, sources: Sources) -> None:
    """A oneshot file that becomes ready is reported to exactly one of several waiters."""
    mine, peer = sources.tcp()
    port.register(mine, 6, Interest.READABLE, oneshot=True)
    waiters = waiting(port, 4)
    peer.send(b"x")
    until(lambda: returned(waiters), PROMPT, "a waiter to return")
    for waiter in waiters:
        if waiter.alive:
            expect_blocked(waiter, 0.003)
    expect(returned(waiters) == 1, "one of four waiters to have returned", returned(waiters))
    for _ in range(3):
        port.post(1)
    kinds = Counter(waiter.result()[0].kind for waiter in waiters)
    expect(kinds == {Kind.READY: 1, Kind.POSTED: 3}, "one READY and three posts", kinds)


@rule("threads/7", timeout=30)
def test_every_completion_once(port: CompletionPort) -> None:
    """Of thousands of posts and operations of eight threads, each completes exactly once, whoever waits."""
    callers, each = 8, 500
    total = callers * each * 2
    taken: list[object] = []
    over = threading.Event()

    def call(caller: int) -> None:
        for number in range(each):
            port.post(1, 0, (caller, number, "post"))
            port.nop((caller, number, "nop"))

    def take() -> None:
        while len(taken) < total and not over.is_set():
            taken.extend(done.token for done in port.wait(16, 0.05))

    takers = [background(take) for _ in range(4 if Capability.MULTI_WAITER in port.capabilities else 1)]
    for caller in [background(call, number) for number in range(callers)]:
        caller.result(25)
    try:
        until(lambda: len(taken) >= total, 20, f"{total} completions")
    finally:
        over.set()
    for taker in takers:
        taker.result()
    seen = Counter(taken)
    expect(len(seen) == total and set(seen.values()) == {1}, f"{total} completions, each once", seen.most_common(3))
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)
    expect_nothing(port, 0)


@rule("threads/8")
def test_visible_to_a_waiter(port: CompletionPort) -> None:
    """An operation submitted while another thread is blocked in wait, without end, ends that wait."""
    for _ in range(20):
        waiter = background(port.wait, 1, None)
        expect_blocked(waiter, 0.001)
        token = object()
        port.nop(token)
        expect_completion(waiter.result()[0], token=token, kind=Kind.NOP)


@rule("threads/9", needs=Capability.SOCKET_IO)
def test_socket_operation_visible_to_a_waiter(port: CompletionPort, sources: Sources) -> None:
    """A socket operation submitted while another thread is blocked in wait ends that wait when it completes."""
    mine, peer = sources.tcp()
    for early in (True, False):
        waiter = background(port.wait, 1, None)
        expect_blocked(waiter)
        if early:
            peer.send(b"data")
        port.recv(mine, bytearray(4))
        if not early:
            expect_blocked(waiter)
            peer.send(b"data")
        expect_completion(waiter.result()[0], kind=Kind.RECV, result=4)


@rule("threads/10", needs=Capability.SOCKET_IO)
def test_submitter_exits(port: CompletionPort, sources: Sources) -> None:
    """The operations of a thread that has exited go on: its recv completes with the data that comes later."""
    for flushed in (True, False):
        mine, peer = sources.tcp()
        buffer = bytearray(4)

        def submit(mine: socket.socket = mine, buffer: bytearray = buffer, flushed: bool = flushed) -> None:
            port.recv(mine, buffer, token=mine)
            if flushed:
                port.flush()

        background(submit).result()
        expect_nothing(port, 0.005)
        peer.send(b"data")
        expect_completion(wait_one(port), kind=Kind.RECV, token=mine, result=4, error=None)
        expect(bytes(buffer) == b"data", "the data", bytes(buffer))


@rule("threads/11", needs=Capability.SOCKET_IO)
def test_waiter_that_submitted_exits(port: CompletionPort, sources: Sources) -> None:
    """The operations of a thread that submitted, waited and exited go on in the same way."""
    mine, peer = sources.tcp()
    buffer = bytearray(4)

    def submit_and_wait() -> None:
        port.recv(mine, buffer)
        expect_nothing(port, 0.005)

    background(submit_and_wait).result()
    expect_nothing(port, 0.005)
    peer.send(b"data")
    expect_completion(wait_one(port), kind=Kind.RECV, result=4, error=None)


@rule("threads/12", needs=Capability.READINESS | Capability.TIMEOUT)
def test_registering_thread_exits(port: CompletionPort, sources: Sources) -> None:
    """What a thread that has exited had registered, polled and timed goes on."""
    mine, peer = sources.tcp()

    def start() -> None:
        port.register(mine, 12, Interest.READABLE)
        port.poll(mine, Interest.READABLE, "poll")
        port.timeout(0.02, "timeout")
        expect_nothing(port, 0.002)

    background(start).result()
    expect_completion(wait_one(port), kind=Kind.TIMEOUT, token="timeout", error=None)
    peer.send(b"x")
    kinds = {done.kind for _ in range(3) for done in port.wait(8, 1)}
    expect(kinds == {Kind.READY, Kind.POLL}, "the READY and the POLL", kinds)


@rule("threads/13")
def test_opener_exits(backend: Backend) -> None:
    """A port whose opening thread has exited works from every other thread."""
    with background(backend.open).result() as port:
        port.post(1)
        port.nop()
        wait_for(port, 2)
        background(port.post, 2).result()
        expect_completion(background(wait_one, port).result(), key=2)


@rule("threads/14")
def test_others_run_meanwhile(port: CompletionPort) -> None:
    """Other Python threads run while one is in wait."""
    for _ in range(3):  # one quiet try will do: a loaded machine may hold up any thread
        longest = 0.0
        stop = threading.Event()

        def run(stop: threading.Event = stop) -> None:
            nonlocal longest
            last = time.monotonic()
            while not stop.is_set():
                now = time.monotonic()
                longest, last = max(longest, now - last), now

        runner = background(run)
        expect_nothing(port, 0.1)
        stop.set()
        runner.result()
        if longest < 0.05:
            return
    expect(False, "another thread to run all through a wait of 100 ms", f"it stood still for {longest:.3f} s")


@rule("threads/15", needs=Capability.READINESS)
def test_registering_in_parallel(port: CompletionPort, sources: Sources) -> None:
    """Threads register, modify and unregister files of their own while another waits; every readiness is reported."""
    rounds = 25
    pairs = [sources.stream() for _ in range(4)]
    port.register(pairs[0][0], 0, Interest.READABLE)
    port.unregister(pairs[0][0])

    def churn(key: int) -> None:
        mine, peer = pairs[key]
        for number in range(rounds):
            port.register(mine, key, Interest.READABLE, oneshot=True)
            peer.send(b"x")
            until(lambda: seen[key] > number, PROMPT, f"readiness {number} of file {key}")  # noqa: B023
            mine.recv(1)
            port.modify(mine, key=100)
            port.unregister(mine)

    seen: Counter[int] = Counter()
    threads = [background(churn, key) for key in range(4)]
    for _ in range(4 * rounds):
        seen[wait_for(port, 1)[0].key] += 1
    for thread in threads:
        thread.result()
    expect(seen == dict.fromkeys(range(4), rounds), f"{rounds} reports of each file", seen)
    expect_nothing(port, 0.005)


@rule("threads/16", needs=Capability.CANCEL | Capability.TIMEOUT)
def test_cancel_in_parallel(port: CompletionPort) -> None:
    """Threads that cancel what another thread's wait is completing: every operation still completes exactly once."""
    ids: list[int] = []
    stop = threading.Event()

    def cancel() -> None:
        while not stop.is_set():
            for operation in ids[-20:]:
                port.cancel(operation)

    cancellers = [background(cancel) for _ in range(2)]
    taken: list[Completion] = []
    for number in range(300):
        ids.append(port.timeout(0.05 if number % 2 else 0.0005, number))  # one is cancelled, the other nearly so
        taken += port.wait(4, 0)
    taken += wait_for(port, 300 - len(taken))
    stop.set()
    for canceller in cancellers:
        canceller.result()
    tokens = sorted(done.token for done in taken)  # type: ignore[type-var]
    expect(tokens == list(range(300)), "each of 300 timeouts once", tokens)
    expect_nothing(port, 0.002)
