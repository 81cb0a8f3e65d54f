"""Rules of the area *pooled*: many threads, forked children, the interpreter's end."""

from __future__ import annotations

import collections
import time

from compl_conformance.expect import background, expect, patience, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.scenarios.pooling import arrival, expect_available, taken
from compl_conformance.scenarios.processes import in_fork, run_program
from compl_conformance.sources import Sources
from compl_core import Capability, CompletionPort

POOLED = Capability.POOLED | Capability.SOCKET_IO


@rule("pooled/36", needs=POOLED | Capability.MULTI_WAITER, timeout=20)
def test_many_threads(port: CompletionPort, sources: Sources) -> None:
    """Threads that wait, hold views and give them back at the same time get every byte once, and every buffer comes
    back.
    """
    pool = port.buffer_pool(3, 256)
    pairs = [sources.stream() for _ in range(4)]
    sent = [pattern(40_000, index) for index in range(4)]
    for index, (mine, _) in enumerate(pairs):
        port.recv(mine, token=index, pool=pool)
    total = sum(map(len, sent))
    came: list[int] = []
    end = time.monotonic() + patience(15)

    def take(most: int, hold: bool) -> list[collections.Counter[int]]:
        # Which thread was first nobody can tell, so bytes are counted, not put in a row.
        counts = [collections.Counter[int]() for _ in pairs]
        held: list[memoryview] = []
        while sum(came) < total and time.monotonic() < end:
            for done in port.wait(most, 0.01):
                view = arrival(done)
                counts[int(str(done.token))].update(view)
                came.append(len(view))
                held[:] = [view[1:]] if hold else []  # the one before is dropped
                view.release()
                del done
            held.clear()
        return counts

    senders = [background(peer.sendall, data) for (_, peer), data in zip(pairs, sent, strict=True)]
    takers = [background(take, most, hold) for most, hold in ((1, False), (2, False), (1, True), (2, True))]
    found = [taker.result(20) for taker in takers]
    expect(sum(came) == total, f"{total} bytes in all threads together", sum(came))
    for sender in senders:
        sender.result()
    for index, data in enumerate(sent):
        together = sum((counts[index] for counts in found), collections.Counter[int]())
        expect(together == collections.Counter(data), f"every byte of socket {index} once", together.most_common(3))
    expect_available(pool, 3, "in the end")


@rule("pooled/37", needs=POOLED)
def test_forked_child(port: CompletionPort, sources: Sources) -> None:
    """A forked child may use the views that it inherited, and drop them: the parent's bytes and buffers stay."""
    pool = port.buffer_pool(2, 16)
    mine, peer = sources.stream()
    port.recv(mine, pool=pool)
    peer.sendall(b"parent's")
    view = arrival(wait_one(port))

    def use() -> bytes:
        found = bytes(view)
        view[:] = b"child's "
        view.release()
        port.close()
        return found

    found = in_fork(use)
    expect(found == repr(b"parent's"), 'the child to read b"parent\'s"', found)
    expect_bytes(view, b"parent's", "the parent's view")
    expect(pool.available == 1, "1 buffer available in the parent", pool.available)
    for index in range(3):
        peer.sendall(pattern(16, index))
        expect_bytes(taken(wait_one(port)), pattern(16, index), f"arrival {index}")
    view.release()
    expect_available(pool, 2, "in the end")


_HOLDING = """
import socket
left, right = socket.socketpair()
pool = port.buffer_pool(2, 8)
port.recv(left, pool=pool)
right.sendall(b"x" * 40)
held = []
while len(held) < 2:
    held += [done.value for done in port.wait(1, 5)]
waiting = port.wait(1, 0.02)
{closing}
print("held", len(held), pool.available, bytes(held[0]).decode())
"""


@rule("pooled/38", needs=POOLED)
def test_interpreter_ends(port: CompletionPort, backend_spec: str) -> None:
    """A program may end with views that are held and a receive that pauses, whether it closed the port or not."""
    port.buffer_pool(1, 1)
    for closing in ("port.close()", ""):
        printed = run_program(backend_spec, _HOLDING.format(closing=closing))
        expect(printed == "held 2 0 xxxxxxxx", "'held 2 0 xxxxxxxx' and a clean end", printed)
