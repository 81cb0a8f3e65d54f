"""signals: their Python handlers run during wait, and nothing else changes."""

# mypy: disable-error-code="attr-defined"
# handling() ends a scenario with the verdict *host* on Windows; what follows is for the others.

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

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
from compl_conformance.scenarios.processes import program, run_program
from compl_conformance.scenarios.timing import PROMPT, Watch, expect_blocked
from compl_conformance.sources import Sources, host_lacks
from compl_core import Capability, Completion, CompletionPort, Interest, Kind


class Bell(Exception):
    """Raised by a handler."""


@contextlib.contextmanager
def handling(handler: Callable[[], object]) -> Iterator[int]:
    """Handle a signal that nobody else uses by ``handler``, and give its number."""
    if sys.platform == "win32":
        host_lacks("signals do not interrupt calls here", fix="judge this rule on a POSIX system")
    if threading.current_thread() is not threading.main_thread():
        host_lacks("only the main thread runs handlers", fix="run the rules in the main thread")

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature that signal wants
        handler()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        yield signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


class Ringing:
    """A thread that sends a signal to the thread that made it, after ``delay`` s and then each ``interval`` s.

    It ends with the block, however this ends: a signal that comes when its handler is gone would kill the process.
    """

    def __init__(self, number: int, delay: float, interval: float = 0.0) -> None:
        self._start = threading.Event()
        self._stop = threading.Event()
        self._target = threading.get_ident()
        self._thread = background(self._ring, number, delay, interval)

    def _ring(self, number: int, delay: float, interval: float) -> None:
        self._start.wait()
        if self._stop.wait(delay):
            return
        signal.pthread_kill(self._target, number)
        while interval and not self._stop.wait(interval):
            signal.pthread_kill(self._target, number)

    def __enter__(self) -> None:
        self._start.set()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._start.set()
        self._thread.result()


@rule("signals/1")
def test_handler_runs_and_wait_goes_on(port: CompletionPort) -> None:
    """A handler runs while wait is blocked, and wait goes on: it neither returns early nor raises InterruptedError."""
    rung: list[float] = []
    with handling(lambda: rung.append(time.monotonic())) as number:
        with Ringing(number, 0.02):
            with Watch() as watch:
                expect_nothing(port, 0.06)
            ended = time.monotonic()
    watch.expect_not_before(0.06, "wait(timeout=0.06) with a signal in it")
    expect(len(rung) == 1 and rung[0] < ended, "the handler to have run once before wait returned", rung)


@rule("signals/2")
def test_storm_does_not_move_the_deadline(port: CompletionPort) -> None:
    """A storm of signals moves the deadline neither way, and their handler runs all the time."""
    for restart in (False, True):
        rung: list[int] = []
        with handling(lambda: rung.append(1)) as number:  # noqa: B023
            signal.siginterrupt(number, not restart)  # SA_RESTART must not matter
            with Ringing(number, 0, 0.002):
                with Watch() as watch:
                    expect_nothing(port, 0.1)
        watch.expect_not_before(0.1, "wait(timeout=0.1) in a storm of signals")
        expect(len(rung) >= 3, "the handler to have run during the wait, 3 times at least", len(rung))


@rule("signals/3")
def test_wait_without_end_goes_on(port: CompletionPort) -> None:
    """A wait without a timeout goes on after signals until there is a completion."""
    rung: list[int] = []

    def ring() -> None:
        rung.append(1)
        if len(rung) == 5:
            background(port.post, 5)

    with handling(ring) as number:
        with Ringing(number, 0.005, 0.003):
            done = port.wait(1, None)
    expect(len(done) == 1, "the post that the fifth signal made", done)
    expect_completion(done[0], key=5)


@rule("signals/4")
def test_keyboard_interrupt(port: CompletionPort) -> None:
    """SIGINT during a wait without end comes out of it as KeyboardInterrupt, within 100 ms on an idle machine."""
    with handling(lambda: None):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        sent: list[float] = []

        def interrupt(main: int) -> None:
            sent.append(time.monotonic())
            signal.pthread_kill(main, signal.SIGINT)

        timer = threading.Timer(0.02, interrupt, [threading.get_ident()])
        timer.start()
        try:
            with raises(KeyboardInterrupt):
                port.wait(1, None)
            took = time.monotonic() - sent[0]
        finally:
            timer.join()
            signal.signal(signal.SIGINT, before)
    expect(took < 0.1 + PROMPT / 4, "KeyboardInterrupt 100 ms after the signal", f"{took:.3f} s")
    port.post(4)
    expect_completion(wait_one(port), key=4)


def raise_bell() -> None:
    raise Bell


@rule("signals/5")
def test_exception_of_a_handler(port: CompletionPort) -> None:
    """Whatever a handler raises comes out of wait, and what the wait had gathered by then comes from the next one."""
    port.post(1)
    port.post(2)
    port.nop("nop")
    with handling(raise_bell) as number:
        with raises(Bell), Ringing(number, 0.02):
            port.wait(9, None, min_completions=4)
    taken = wait_for(port, 3)
    expect([done.key for done in taken if done.kind is Kind.POSTED] == [1, 2], "both posts, in order", taken)
    expect([done.token for done in taken if done.kind is Kind.NOP] == ["nop"], "the nop", taken)
    expect_nothing(port, 0)


@rule("signals/6")
def test_exception_beside_a_completion(port: CompletionPort) -> None:
    """A handler's exception at the moment of a completion loses it not: it comes out of that wait or of the next."""
    with handling(raise_bell) as number:
        main = threading.get_ident()

        def post_and_ring(key: int) -> None:
            waiting.wait()
            port.post(key)
            signal.pthread_kill(main, number)

        for key in range(10):
            returned: list[list[Completion]] = []
            interval = sys.getswitchinterval()
            waiting = threading.Event()
            poster = background(post_and_ring, key)
            try:
                sys.setswitchinterval(1)  # the waiter gets the interpreter only when both have happened
                with raises(Bell):
                    waiting.set()
                    # What wait returns is kept by C code, where no handler can come in between.
                    returned.extend(map(port.wait, (1,)))
                    poster.result()
            finally:
                sys.setswitchinterval(interval)
            poster.result()
            taken = [done.key for batch in [*returned, port.wait(9, 0)] for done in batch]
            expect(taken == [key], f"the post {key}, once", taken)


@rule("signals/15", needs=Capability.POOLED | Capability.SOCKET_IO)
def test_exception_beside_an_arrival(port: CompletionPort, sources: Sources) -> None:
    """A handler's exception at the moment of a pooled arrival loses neither its bytes nor its buffer."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    with handling(raise_bell) as number:
        main = threading.get_ident()

        def send_and_ring(data: bytes) -> None:
            waiting.wait()
            peer.sendall(data)
            signal.pthread_kill(main, number)

        for data in (b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven"):
            returned: list[list[Completion]] = []
            interval = sys.getswitchinterval()
            waiting = threading.Event()
            sender = background(send_and_ring, data)
            try:
                sys.setswitchinterval(1)  # the waiter gets the interpreter only when both have happened
                with raises(Bell):
                    waiting.set()
                    # What wait returns is kept by C code, where no handler can come in between.
                    returned.extend(map(port.wait, (1,)))
                    sender.result()
            finally:
                sys.setswitchinterval(interval)
            sender.result()
            (done,) = returned[0] if returned else wait_for(port, 1)
            expect(done.more and bytes(done.value) == data, f"the arrival of {data!r}, once", done)
            done.value.release()
            expect(pool.available == 2, "both buffers available again", pool.available)


@rule("signals/7")
def test_post_in_a_handler(port: CompletionPort) -> None:
    """A handler may post, submit and ask statistics while its thread is in wait, and the completions end that wait."""
    rung: list[int] = []

    def call() -> None:
        rung.append(port.in_flight)
        port.post(7, len(rung))
        port.nop("nop")
        port.statistics()
        port.flush()

    with handling(call) as number:
        for count in range(1, 6):
            with Ringing(number, 0.003):
                taken = port.wait(2, None)
            taken += wait_for(port, 2 - len(taken)) if len(taken) < 2 else []
            expect({done.kind for done in taken} == {Kind.POSTED, Kind.NOP}, "the post and the nop", taken)
            expect(len(rung) == count, f"{count} runs of the handler", len(rung))


@rule("signals/8", needs=Capability.CANCEL | Capability.TIMEOUT)
def test_cancel_in_a_handler(port: CompletionPort) -> None:
    """A handler may cancel what its thread waits for."""
    operation = port.timeout(3600)
    with handling(lambda: port.cancel(operation)) as number:
        with Ringing(number, 0.01):
            expect_completion(wait_one(port), kind=Kind.TIMEOUT, error=errno.ECANCELED)


@rule("signals/9", needs=Capability.SOCKET_IO)
def test_operations_survive(port: CompletionPort, sources: Sources) -> None:
    """Operations in flight survive an exception of a handler: the recv completes with its data afterwards."""
    mine, peer = sources.tcp()
    buffer = bytearray(4)
    port.recv(mine, buffer, token="recv")
    with handling(raise_bell) as number:
        for _ in range(3):
            with raises(Bell), Ringing(number, 0.005):
                port.wait(1, None)
    expect(port.in_flight == 1, "the recv in flight", port.in_flight)
    peer.send(b"data")
    expect_completion(wait_one(port), token="recv", result=4, error=None)
    expect(bytes(buffer) == b"data", "the data", bytes(buffer))


@rule("signals/10")
def test_signals_to_another_thread(port: CompletionPort) -> None:
    """Signals that reach a thread other than the main one, in its wait, are not noticed there."""
    with handling(lambda: None) as number:

        def timed() -> Watch:
            with Ringing(number, 0, 0.002):
                with Watch() as watch:
                    expect_nothing(port, 0.06)
            return watch

        background(timed).result().expect_not_before(0.06, "wait(timeout=0.06) in a storm of signals")


@rule("signals/11", needs=Capability.READINESS)
def test_wakeup_descriptor(port: CompletionPort, sources: Sources) -> None:
    """A signal ends the wait of another thread by way of signal.set_wakeup_fd and a watched socket."""
    reading, writing = sources.stream()
    writing.setblocking(False)
    port.register(reading, 11, Interest.READABLE)
    with handling(lambda: None) as number:
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            waiter = background(port.wait, 1, None)
            expect_blocked(waiter)
            signal.raise_signal(number)
            expect_completion(waiter.result()[0], key=11, kind=Kind.READY)
            expect(reading.recv(1) == bytes([number]), "the signal's number", "another byte")
        finally:
            signal.set_wakeup_fd(before)


@rule("signals/12", needs=Capability.SOCKET_IO)
def test_close_in_a_storm(open_port: Callable[[], CompletionPort], sources: Sources) -> None:
    """close in a storm of signals neither raises nor returns early: every buffer is free when it has returned."""
    rung: list[int] = []
    with handling(lambda: rung.append(1)) as number:
        with Ringing(number, 0, 0.001):
            for _ in range(10):
                port = open_port()
                mine, _peer = sources.stream()
                buffer = bytearray(8)
                port.recv(mine, buffer)
                port.wait(1, 0.002)
                port.close()
                buffer.extend(b"resized")  # BufferError if it is still exported
    expect(rung, "the handler to have run", "it never did")


_BROKEN_ENDS = """
import errno, os, signal, socket
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
found = []
for start in (port.send, port.send_all, port.write):
    left, right = socket.socketpair()
    right.close()
    start(left, b"x" * 64)
    found += [done.result for done in port.wait(1, 5)]
reading, writing = os.pipe()
os.close(reading)
port.write(writing, b"x" * 64)
found += [done.result for done in port.wait(1, 5)]
print("survived", found == [-errno.EPIPE] * 4, found)
"""


@rule("signals/13", needs=Capability.SOCKET_IO | Capability.FILE_IO)
def test_broken_pipe_does_not_kill(port: CompletionPort, sources: Sources, backend_spec: str) -> None:
    """Sending or writing to an end that nobody reads completes with EPIPE, and SIGPIPE does not kill the process."""
    if sys.platform == "win32":
        host_lacks("there is no SIGPIPE here", fix="judge this rule on a POSIX system")
    mine, _peer = sources.stream()
    port.send(mine, b"")
    port.write(mine, b"")
    wait_for(port, 2)
    printed = run_program(backend_spec, _BROKEN_ENDS)
    expect(printed.startswith("survived True"), "'survived True'", printed)


_STOPPED = """
import time
from compl_core import Capability
token = object()
if Capability.TIMEOUT in port.capabilities:
    port.timeout(0.15, token)
print("waiting", flush=True)
start = time.monotonic()
found = port.wait(8, 0.3, min_completions=8)
took = time.monotonic() - start
expected = [token] if Capability.TIMEOUT in port.capabilities else []
print(took >= 0.3, took < 5, [done.token for done in found] == expected, port.wait(8, 0) == [], flush=True)
"""


@rule("signals/14")
def test_stopped_and_continued(backend_spec: str) -> None:
    """A process that was stopped and continued sees its deadlines pass, each timeout once and none early."""
    if sys.platform == "win32":
        host_lacks("there is no SIGSTOP here", fix="judge this rule on a POSIX system")
    with subprocess.Popen(program(backend_spec, _STOPPED), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            started = child.stdout.readline()
            expect(started == "waiting\n", "the program to say that it waits", f"{started!r}, status {child.poll()}")
            for _ in range(3):
                child.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, child.pid, os.WSTOPPED)
                child.send_signal(signal.SIGCONT)
            printed = child.stdout.readline().strip()
        finally:
            child.kill()
    expect(printed == "True True True True", "not early, not late, the timeout once, and nothing else", printed)
