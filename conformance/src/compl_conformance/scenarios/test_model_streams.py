"""Rules of the area *model*: through random sequences of socket operations no byte is lost, doubled or moved."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import sys
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, precondition
from hypothesis.stateful import rule as step

from compl_conformance.expect import expect, patience, show
from compl_conformance.rule import rule
from compl_conformance.scenarios.exploring import explore
from compl_conformance.scenarios.payload import expect_bytes, pattern
from compl_conformance.sources import Sources
from compl_core import Backend, Capability, Completion, CompletionPort

SIZES = st.integers(1, 50) | st.integers(1, 100_000) | st.just(1_000_000)


class Direction:
    """One direction of a stream: what was sent into it, what came out, and what is still going on at either end."""

    def __init__(self, sender: socket.socket, receiver: socket.socket, seed: int) -> None:
        self.sender = sender
        self.receiver = receiver
        self.seed = seed
        #: All that was ever offered, and how much of it has been told of as sent.
        self.sends: list[Transfer] = []
        self.receives: list[Transfer] = []

    @property
    def sent(self) -> bytes:
        return b"".join(each.moved for each in self.sends)

    @property
    def received(self) -> bytes:
        return b"".join(each.moved for each in self.receives)


class Transfer:
    """A send or a receive, with its bytes."""

    def __init__(self, queue: list[Transfer], buffer: bytes | bytearray, exact: bool) -> None:
        self.queue = queue
        self.buffer = buffer
        self.exact = exact
        self.cancelled = False
        self.result: int | None = None
        self.id = 0
        queue.append(self)

    @property
    def moved(self) -> bytes:
        return bytes(self.buffer[: max(0, self.result or 0)])


class Arrivals(Transfer):
    """A receive with a pool: many completions, its bytes those of all of them."""

    def __init__(self, queue: list[Transfer]) -> None:
        self.bytes = bytearray()
        super().__init__(queue, self.bytes, exact=False)

    @property
    def moved(self) -> bytes:
        return bytes(self.bytes)


class StreamMachine(RuleBasedStateMachine):
    """Two connections, both ends of each on one port, and a pool that soon runs empty."""

    directions: Bundle[Direction] = Bundle("directions")
    transfers: Bundle[Transfer] = Bundle("transfers")

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.port = backend.open()
        self.all: list[Direction] = []
        self.ends: list[socket.socket] = []
        pooled = Capability.POOLED in self.port.capabilities
        self.pool = self.port.buffer_pool(3, 1000) if pooled else None
        #: The views that are held, each with what it showed when it came.
        self.views: list[tuple[memoryview, bytes]] = []

    @initialize(target=directions)
    def connect(self) -> Any:
        for _ in range(2):
            one, other = socket.socketpair()
            self.ends += (one, other)
            self.all += (Direction(one, other, len(self.all)), Direction(other, one, len(self.all) + 1))
        return multiple(*self.all)

    @step(target=transfers, direction=directions, size=SIZES, whole=st.booleans())
    def send(self, direction: Direction, size: int, whole: bool) -> Transfer:
        payload = pattern(size, len(direction.sends) * 4 + direction.seed)
        transfer = Transfer(direction.sends, payload, whole)
        sock = direction.sender
        transfer.id = (
            self.port.send_all(sock, payload, transfer) if whole else self.port.send(sock, payload, 0, transfer)
        )
        return transfer

    @step(target=transfers, direction=directions, size=SIZES, whole=st.booleans())
    def receive(self, direction: Direction, size: int, whole: bool) -> Transfer:
        buffer = bytearray(size)
        transfer = Transfer(direction.receives, buffer, whole)
        sock = direction.receiver
        transfer.id = (
            self.port.recv_exactly(sock, buffer, transfer) if whole else self.port.recv(sock, buffer, 0, transfer)
        )
        return transfer

    @precondition(lambda self: self.pool is not None)
    @step(target=transfers, direction=directions)
    def receive_pooled(self, direction: Direction) -> Transfer:
        transfer = Arrivals(direction.receives)
        transfer.id = self.port.recv(direction.receiver, None, 0, transfer, pool=self.pool)
        return transfer

    @step(place=st.integers(0, 2))
    def give_back(self, place: int) -> None:
        if self.views:  # no precondition: what has come by now is not the same in each run
            self._release(place % len(self.views))

    def _release(self, place: int) -> None:
        view, was = self.views.pop(place)
        expect_bytes(view, was, "a view that was held")
        view.release()

    @step(transfer=transfers)
    def cancel(self, transfer: Transfer) -> None:
        answer = self.port.cancel(transfer.id)
        expect(not answer or transfer.result is None, "cancel() of a finished operation to be False", answer)
        transfer.cancelled = transfer.cancelled or answer

    @step(direction=directions)
    def cancel_all(self, direction: Direction) -> None:
        before = self.port.in_flight
        count = self.port.cancel_all(direction.sender)
        expect(0 <= count <= before, f"0 to {before} operations", count)
        for each in self.all:
            if direction.sender in (each.sender, each.receiver):
                queue = each.sends if each.sender is direction.sender else each.receives
                for transfer in queue:
                    transfer.cancelled = transfer.cancelled or transfer.result is None

    @step(most=st.integers(1, 20))
    def wait(self, most: int) -> None:
        self._settle_all(self.port.wait(most, 0.001))

    def _settle_all(self, batch: list[Completion]) -> None:
        for done in batch:
            self._settle(done)

    def _settle(self, done: Completion) -> None:
        transfer = done.token
        assert isinstance(transfer, Transfer)
        expect(transfer.result is None, "each operation to complete once", show(done))
        if done.more:
            self._arrived(transfer, done)
            return
        transfer.result = done.result
        if done.result <= 0:
            expect(done.result == -errno.ECANCELED, "bytes moved, or ECANCELED", show(done))
            expect(transfer.cancelled, "ECANCELED only for what was cancelled", show(done))
            return
        expect(done.result <= len(transfer.buffer), f"at most {len(transfer.buffer)} bytes", show(done))
        if transfer.exact and not transfer.cancelled:
            expect(done.result == len(transfer.buffer), f"all {len(transfer.buffer)} bytes", show(done))
        self._in_order(transfer, done)

    def _arrived(self, transfer: Transfer, done: Completion) -> None:
        expect(isinstance(transfer, Arrivals), "MORE of a pooled receive only", show(done))
        assert isinstance(transfer, Arrivals)
        expect(0 < done.result <= 1000 and done.value.nbytes == done.result, "a view of 1 to 1000 bytes", show(done))
        transfer.bytes += done.value
        self.views.append((done.value, bytes(done.value)))
        expect(len(self.views) <= 3, "no more than 3 buffers to be out at once", len(self.views))
        self._in_order(transfer, done)

    def _in_order(self, transfer: Transfer, done: Completion) -> None:
        earlier = transfer.queue[: transfer.queue.index(transfer)]
        pending = [each for each in earlier if each.result is None and not each.cancelled]
        expect(
            not pending,
            "completions of one direction in the order of submission",
            f"{show(done)} before an earlier one",
        )

    def teardown(self) -> None:
        try:
            if sys.exception() is None:  # else the step that failed says more
                self._finish()
        finally:
            self.port.close()
            for end in self.ends:
                with contextlib.suppress(OSError):
                    end.close()

    def _finish(self) -> None:
        for end in self.ends:
            self.port.cancel_all(end)
        for direction in self.all:
            for transfer in direction.sends + direction.receives:
                transfer.cancelled = True
        while self.port.in_flight:
            batch = self.port.wait(64, 3)
            expect(batch, "every cancelled operation to complete", f"{self.port.in_flight} still in flight")
            self._settle_all(batch)
        while self.views:
            self._release(0)
        if self.pool is not None:
            expect(self.pool.available == 3, "every buffer given back", self.pool.available)
        for end in self.ends:
            end.shutdown(socket.SHUT_WR)
        for direction in self.all:
            rest = _rest(direction.receiver)
            expect_bytes(direction.received + rest, direction.sent, f"direction {direction.seed} of the connections")


def _rest(sock: socket.socket) -> bytes:
    """What is left in the system's buffers; everything has been sent by now."""
    sock.settimeout(patience())
    rest = bytearray()
    while piece := sock.recv(1 << 16):
        rest += piece
    return bytes(rest)


@rule("model/2", needs=Capability.SOCKET_IO | Capability.CANCEL, timeout=60)
def test_streams(backend: Backend, port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """Through any sequence of sends, recvs and cancels both directions of a stream carry exactly what completions
    told of.
    """
    port.recv(sources.stream()[0], bytearray(1))  # refused at once where socket I/O is not declared
    explore(lambda: StreamMachine(backend), rng)
