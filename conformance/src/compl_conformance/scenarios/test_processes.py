"""lifecycle, seen from outside: the end of the interpreter, and fork."""

from __future__ import annotations

from compl_conformance.expect import expect, expect_completion, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.calls import declared_calls
from compl_conformance.scenarios.processes import in_fork, run_program
from compl_conformance.sources import Sources
from compl_core import Backend, Capability, CompletionPort, ForkedPortError, Interest, Kind

_LEFT_IN_USE = """
import socket, threading
from compl_core import Capability, Interest

left, right = socket.socketpair()
port.register(left, 1)
port.post(1, 0, port)
port.nop()
if Capability.TIMEOUT in port.capabilities:
    port.timeout(3600)
if Capability.SOCKET_IO in port.capabilities:
    port.recv(left, bytearray(64))
if Capability.READINESS in port.capabilities:
    port.modify(left, interest=Interest.READABLE)
    port.poll(left, Interest.READABLE)
port.flush()
"""


@rule("lifecycle/17")
def test_exit_with_open_port(backend_spec: str) -> None:
    """The interpreter exits with status 0 while a port is open, with files registered and operations in flight."""
    printed = run_program(backend_spec, _LEFT_IN_USE + "print('left', port.in_flight > 0)")
    expect(printed == "left True", "the program to come to its end", printed)


@rule("lifecycle/18")
def test_exit_with_waiters(backend_spec: str) -> None:
    """The interpreter exits with status 0 while daemon threads are blocked in wait."""
    printed = run_program(
        backend_spec,
        _LEFT_IN_USE
        + """
while port.wait(64, 0.01): pass
waiters = 3 if Capability.MULTI_WAITER in port.capabilities else 1
threads = [threading.Thread(target=port.wait, args=(1, None), daemon=True) for number in range(waiters)]
for thread in threads:
    thread.start()
threads[0].join(0.05)  # they are in wait by then; if not, the exit is the easier
print("waiting", all(thread.is_alive() for thread in threads))
""",
    )
    expect(printed == "waiting True", "the program to come to its end", printed)


@rule("lifecycle/19")
def test_exit_in_use(backend_spec: str) -> None:
    """The interpreter exits with status 0 while daemon threads post and wait without a pause."""
    printed = run_program(
        backend_spec,
        """
import threading
seen = threading.Event()
def post():
    while True:
        port.post(1)
        port.nop()
def take():
    while True:
        port.wait(16, 1)
        seen.set()
for call in (post, take):
    threading.Thread(target=call, daemon=True).start()
print("seen", seen.wait(5))
""",
    )
    expect(printed == "seen True", "the program to come to its end", printed)


@rule("lifecycle/20")
def test_child_is_refused(port: CompletionPort, sources: Sources) -> None:
    """In a forked child every method but close raises ForkedPortError, a RuntimeError that names both processes."""
    mine, _peer = sources.stream()
    port.register(mine, 1)

    def use() -> str:
        wrong = []
        for name, call in declared_calls(port.capabilities).items():
            try:
                call(port, mine)
                wrong.append(f"{name}: no exception")
            except ForkedPortError as error:
                if "process" not in str(error) or not isinstance(error, RuntimeError):
                    wrong.append(f"{name}: {error!r}")
            except Exception as error:
                wrong.append(f"{name}: {error!r}")
        return "; ".join(wrong)

    found = in_fork(use)
    expect(not found, "ForkedPortError from every method", found)


@rule("lifecycle/21")
def test_child_does_not_disturb(port: CompletionPort, sources: Sources) -> None:
    """What a forked child does with the port, closing and dropping it included, the parent never notices."""
    mine, _peer = sources.stream()
    port.register(mine, 1)
    port.post(1, 11, "before")
    port.nop("before")

    def misuse() -> bool:
        for call in declared_calls(port.capabilities).values():
            try:
                call(port, mine)
            except (RuntimeError, OSError):
                pass  # judged by another rule
        port.close()
        port.close()
        return port.closed

    expect(in_fork(misuse) == "True", "closed in the child after its close()", "not closed")
    expect(not port.closed, "the parent's port open", "closed")
    expect(port.in_flight == 1, "one operation in flight in the parent", port.in_flight)
    taken = wait_for(port, 2)
    expect({done.kind for done in taken} == {Kind.POSTED, Kind.NOP}, "the post and the nop", taken)
    port.post(2)
    expect_completion(wait_one(port), key=2)


@rule("lifecycle/22", needs=Capability.READINESS | Capability.SOCKET_IO)
def test_fork_with_operations(port: CompletionPort, sources: Sources) -> None:
    """Operations in flight and watched files go on in the parent after a forked child has closed and exited."""
    receiving, sender = sources.tcp()
    watched, writer = sources.tcp()
    buffer = bytearray(8)
    port.register(watched, 7, Interest.READABLE)
    port.recv(receiving, buffer, token="recv")
    port.flush()
    expect(port.wait(1, 0) == [], "nothing yet", "a completion")
    in_fork(port.close)
    sender.send(b"data")
    expect_completion(wait_one(port), token="recv", result=4, kind=Kind.RECV)
    expect(bytes(buffer[:4]) == b"data", "the data in the buffer", bytes(buffer))
    writer.send(b"x")
    expect_completion(wait_one(port), key=7, kind=Kind.READY)


@rule("lifecycle/23")
def test_child_opens_its_own(backend: Backend, port: CompletionPort) -> None:
    """A forked child can open a port of its own, which works, and is not the parent's."""

    def own() -> list[int]:
        with backend.open() as mine:
            mine.post(21)
            mine.nop()
            return [done.key for done in wait_for(mine, 2)]

    port.post(1)
    found = in_fork(own)
    expect(found in ("[21, 0]", "[0, 21]"), "the post and the nop of the child's port", found)
    expect_completion(wait_one(port), key=1)
