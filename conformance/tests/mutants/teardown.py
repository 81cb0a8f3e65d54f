"""teardown: what is left when the port is closed."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import warnings
from typing import Any, ClassVar

from compl_core import Completion, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port


class Holding(Port):
    """Knows the calls that are in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.flying: list[Call] = []

    def begin(self, call: Call) -> int:
        started = super().begin(call)
        self.flying.append(call)
        return started

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call in self.flying:
            self.flying.remove(call)
        return [done]


@mutant("teardown/1", "teardown/5", "teardown/6", "teardown/9", "teardown/10", "teardown/11", "teardown/14")
class CloseLeaksBuffers(Holding):
    """Forgets what is in flight when it closes, and holds the buffers for ever."""

    lost: ClassVar[list[Any]] = []

    def close(self) -> None:
        for call in self.flying:
            self.lost.extend([memoryview(b) for b in call.values.get("buffers", [call.values.get("buffer", b"")])])
        self.flying.clear()
        super().close()


@mutant(hangs=("teardown/2",))
class CloseWaitsForOperations(ExamplePort):
    """Lets what is in flight come to its end before it closes."""

    def close(self) -> None:
        while not self.closed and self.in_flight:
            self.wait(1, 0.01)
        super().close()


@mutant("teardown/1", "teardown/9", "teardown/14")
class CloseNeverReturns(ExamplePort):
    """Waits for the last completion, which was taken by then."""

    def close(self) -> None:
        busy = not self.closed and self.in_flight
        super().close()
        if busy:
            threading.Event().wait()


@mutant("teardown/2")
class CloseShutsSocketsDown(Holding):
    """Shuts a socket down to get its operations out of the kernel."""

    def close(self) -> None:
        for call in self.flying:
            if isinstance(call.file, socket.socket):
                with contextlib.suppress(OSError):
                    call.file.shutdown(socket.SHUT_RDWR)
        super().close()


class _GoingOn(Holding):
    """Closes, and lets the kernel go on with what was in flight."""

    kind: ClassVar[Kind]

    def close(self) -> None:
        going = [(os.dup(call.number), call) for call in self.flying if call.kind is self.kind]
        self.flying.clear()
        super().close()
        for number, call in going:
            threading.Thread(target=self.go_on, args=[number, call], daemon=True).start()
        time.sleep(0.002)  # all of them are at it when close returns

    def go_on(self, number: int, call: Call) -> None:
        raise NotImplementedError


@mutant("teardown/3")
class RecvsGoOnAfterClose(_GoingOn):
    """Closes the ring with recvs in it."""

    kind = Kind.RECV

    def go_on(self, number: int, call: Call) -> None:
        with socket.socket(fileno=number) as sock:
            sock.recv_into(call.values["buffer"])


@mutant("teardown/4")
class ReadsGoOnAfterClose(_GoingOn):
    """Closes the ring with direct reads in it."""

    kind = Kind.READ

    def go_on(self, number: int, call: Call) -> None:
        for _ in range(50):
            time.sleep(0.005)
            call.values["buffer"][:9] = bytes(9)


@mutant("teardown/5")
class WritesGoOnAfterClose(_GoingOn):
    """Closes the ring with writes in it."""

    kind = Kind.WRITE

    def go_on(self, number: int, call: Call) -> None:
        for count in range(50):
            time.sleep(0.005)
            os.pwrite(number, bytes(count), call.values["offset"])


@mutant("teardown/6", "lifecycle/7")
class KeepsEverythingAfterClose(ExamplePort):
    """Keeps its tables when it is closed: the garbage collector will see to them."""

    tables: ClassVar[list[Any]] = []

    def close(self) -> None:
        self.tables.append((dict(self._tokens), [source.file for source in self._sources]))
        super().close()


@mutant("teardown/9")
class ReleasesA100Buffers(Holding):
    """Drains its queue in one batch at close."""

    lost: ClassVar[list[Any]] = []

    def close(self) -> None:
        self.lost.extend([memoryview(call.values["buffer"]) for call in self.flying[100:]])
        self.flying.clear()
        super().close()


@mutant("teardown/10")
class TheSecondCloseDoesNotWait(ExamplePort):
    """Returns at once from a close when another one is under way."""

    closing = False

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            time.sleep(0.005)  # what draining takes
            super().close()


@mutant("teardown/11", "lifecycle/13")
class SubmitsToAHalfClosedPort(ExamplePort):
    """Has calls meet tables that close has taken away."""

    def _check(self, method: str) -> None:
        if self._closed and method in ("recv", "nop"):
            raise AttributeError("'NoneType' object has no attribute 'append'")
        super()._check(method)


@mutant("teardown/14")
class CloseUnregistersFiles(Holding):
    """Takes each file out of the kernel's set at close, and raises EBADF for one that is closed."""

    def close(self) -> None:
        numbers = [source.number for source in self._sources]
        super().close()
        for number in numbers:
            os.fstat(number)


@mutant("teardown/15")
class WorksByNumber(Port):
    """Has a thread that waits for the number, whichever file has it by then."""

    def begin(self, call: Call) -> int:
        if call.method != "recv" or call.number < 0:
            return super().begin(call)
        started = ExamplePort.timeout(self, 3600, call)
        threading.Thread(target=self._receive, args=[call.number, call, started], daemon=True).start()
        return started

    def _receive(self, number: int, call: Call, started: int) -> None:
        while started in self._ledger.in_flight and not self.closed:
            with contextlib.suppress(OSError):
                data = socket.socket(fileno=os.dup(number)).recv(len(call.values["buffer"]), socket.MSG_DONTWAIT)
                call.values["buffer"][: len(data)] = data
                call.outcome = {"kind": Kind.RECV, "result": len(data)}
                self.cancel(started)
            time.sleep(0.001)


@mutant("teardown/16")
class CloseWarnsOfOperations(ExamplePort):
    """Warns of operations that were in flight when it was closed."""

    def close(self) -> None:
        if not self.closed and self.in_flight:
            warnings.warn(f"{self.in_flight} operations in flight", ResourceWarning, stacklevel=2)
        super().close()


@mutant("lifecycle/3", "teardown/16")
class CloseRaisesWhenInUse(ExamplePort):
    """Refuses to close while operations are in flight."""

    def close(self) -> None:
        busy = not self.closed and self.in_flight
        super().close()
        if busy:
            raise RuntimeError("operations are in flight")
