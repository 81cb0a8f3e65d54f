"""Rules of the area *model*: a port keeps in step with the reference port through random sequences of calls."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
)
from hypothesis.stateful import rule as step

from compl_conformance.expect import ExpectationFailed, expect, show
from compl_conformance.reference import ReferencePort
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import KEYS, RESULTS
from compl_conformance.scenarios.exploring import explore
from compl_core import Backend, Capability, Completion, CompletionPort


class Operation:
    """What one submitted operation may still do."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked_to_cancel = False
        self.returned = False


class PortMachine(RuleBasedStateMachine):
    """Every call goes to the port and to the reference; what the one returns the other has to return as well."""

    files: Bundle[tuple[socket.socket, socket.socket]] = Bundle("files")
    operations: Bundle[Operation] = Bundle("operations")

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.port, self.reference = backend.open(), ReferencePort()
        self.ids: dict[Operation, tuple[int, int]] = {}
        self.sockets: list[socket.socket] = []
        #: What the reference has returned and the port has not, by token.
        self.owed: dict[object, Completion] = {}
        self.owners: dict[object, Operation | None] = {}
        self.posted: list[object] = []
        self.in_flight = 0

    # ---- files ------------------------------------------------------------------------------------------------------

    @initialize(target=files)
    def begin(self) -> Any:
        return multiple(self._pair(), self._pair())

    @step(target=files)
    def open_file(self) -> tuple[socket.socket, socket.socket]:
        return self._pair()

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        """One file for each port, so that they are never in each other's way."""
        made = (socket.socket(), socket.socket())
        self.sockets += made
        return made

    @step(pair=files, key=st.sampled_from(KEYS) | st.integers(-1, 2**64))
    def register(self, pair: tuple[socket.socket, socket.socket], key: int) -> None:
        self._both(lambda port, sock: port.register(sock, key), pair)

    @step(pair=files, key=st.none() | st.sampled_from(KEYS))
    def modify(self, pair: tuple[socket.socket, socket.socket], key: int | None) -> None:
        self._both(lambda port, sock: port.modify(sock, key=key), pair)

    @step(pair=files)
    def unregister(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._both(lambda port, sock: port.unregister(sock), pair)

    @step(pair=files)
    def close_behind_the_back(self, pair: tuple[socket.socket, socket.socket]) -> None:
        for sock in pair:
            sock.close()

    def _both(
        self, call: Callable[[CompletionPort, socket.socket], object], pair: tuple[socket.socket, socket.socket]
    ) -> None:
        found = _outcome(call, self.port, pair[0])
        wanted = _outcome(call, self.reference, pair[1])
        expect(found == wanted, f"{wanted}, as the reference port", found)

    # ---- what completes ---------------------------------------------------------------------------------------------

    @step(key=st.sampled_from(KEYS), result=st.sampled_from(RESULTS), count=st.integers(1, 5))
    def post(self, key: int, result: int, count: int) -> None:
        for _ in range(count):
            token = object()
            self.owners[token] = None
            self.posted.append(token)
            self.port.post(key, result, token)
            self.reference.post(key, result, token)

    @step(target=operations)
    def nop(self) -> Operation:
        return self._start(lambda port, token: port.nop(token))

    @precondition(lambda self: Capability.TIMEOUT in self.port.capabilities)
    @step(target=operations, seconds=st.sampled_from([0, 0.0, 3600, 1e9]))
    def timeout(self, seconds: float) -> Operation:
        return self._start(lambda port, token: port.timeout(seconds, token))

    @precondition(lambda self: Capability.CANCEL in self.port.capabilities)
    @step(target=operations, pair=consumes(files))
    def close_file(self, pair: tuple[socket.socket, socket.socket]) -> Operation:
        mine = {id(self.port): pair[0], id(self.reference): pair[1]}
        return self._start(lambda port, token: port.close_file(mine[id(port)], token))

    def _start(self, call: Callable[[CompletionPort, object], int]) -> Operation:
        token = object()
        operation = Operation(len(self.ids))
        self.owners[token] = operation
        self.ids[operation] = (call(self.port, token), call(self.reference, token))
        self.in_flight += 1
        return operation

    @precondition(lambda self: Capability.CANCEL in self.port.capabilities)
    @step(operation=operations)
    def cancel(self, operation: Operation) -> None:
        mine, references = self.ids[operation]
        wanted = self.reference.cancel(references)
        found = self.port.cancel(mine)
        expect(type(found) is bool, "a bool of cancel()", found)
        if operation.returned:
            expect(found is False, "cancel() of a finished operation to be False", found)
        elif wanted:
            expect(found is True, "cancel() of a pending operation to be True", found)
        operation.asked_to_cancel = operation.asked_to_cancel or found

    # ---- what is returned -------------------------------------------------------------------------------------------

    @step(most=st.integers(1, 70), least=st.integers(1, 3))
    def wait(self, most: int, least: int) -> None:
        self._collect()
        least = min(least, most, max(1, len(self.owed)))
        batch = self.port.wait(most, 3 if self.owed else 0, min_completions=least)
        wanted = f"{least} to {most} completions" if self.owed else "no completion"
        right = least <= len(batch) <= most if self.owed else not batch
        expect(right, wanted, f"{len(batch)} of wait({most}, min_completions={least})")
        for done in batch:
            self._settle(done)

    def _collect(self) -> None:
        for done in self.reference.wait(100_000, 0):
            self.owed[done.token] = done

    def _settle(self, done: Completion) -> None:
        wanted = self.owed.pop(done.token, None)
        if wanted is None:
            raise ExpectationFailed("only completions that are due, each once", show(done))
        operation = self.owners[done.token]
        if operation is None:
            first = self.posted.pop(0)
            expect(done.token is first, "packets in the order they were posted", show(done))
        else:
            self.in_flight -= 1
            operation.returned = True
        # A cancel may come too late for the one port and in time for the other.
        asked = operation is not None and operation.asked_to_cancel
        either = asked and -errno.ECANCELED in (done.result, wanted.result)
        found = done._replace(flags=wanted.flags, result=wanted.result) if either else done
        expect(found == wanted, show(wanted), show(done))

    @invariant()
    def counts(self) -> None:
        expect(self.port.in_flight == self.in_flight, f"in_flight {self.in_flight}", self.port.in_flight)
        found = self.port.statistics()["in_flight"]
        expect(found == self.in_flight, f"{self.in_flight} in flight by statistics()", found)
        expect(self.port.closed is False, "an open port", self.port.closed)

    def _finish(self) -> None:
        self._collect()
        while self.owed:
            self.wait(64, 1)
        left = self.port.wait(timeout=0)
        expect(not left, "nothing more than the reference port returned", [show(done) for done in left])

    def teardown(self) -> None:
        try:
            if sys.exception() is None:  # else the step that failed says more
                self._finish()
        finally:
            self.port.close()
            self.reference.close()
            for sock in self.sockets:
                with contextlib.suppress(OSError):
                    sock.close()


def _outcome(call: Callable[[CompletionPort, socket.socket], object], port: CompletionPort, sock: socket.socket) -> str:
    try:
        call(port, sock)
    except (OSError, ValueError, OverflowError) as error:
        number = getattr(error, "errno", None)
        return type(error).__name__ + (f" with {errno.errorcode[number]}" if number is not None else "")
    return "no exception"


@rule("model/1", timeout=60)
def test_reference(backend: Backend, rng: random.Random) -> None:
    """Through any sequence of registrations, packets, operations, cancels and waits the port agrees with the
    reference port.
    """
    explore(lambda: PortMachine(backend), rng)
