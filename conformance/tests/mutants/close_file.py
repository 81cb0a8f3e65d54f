"""teardown: what is left when a file is closed by the port."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from compl_core import Completion, Interest, Kind
from compl_core.errors import already_registered
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import NONE, number_of


@mutant("teardown/17", "teardown/19", "teardown/26", "teardown/33", "leak/12")
class CloseFileLeavesTheFileOpen(ExamplePort):
    """Lets go of the object, and forgets the descriptor."""

    def close_file(self, file: Any, token: object = None) -> int:
        if isinstance(file, socket.socket) and file.fileno() >= 0:
            os.dup(file.fileno())
        return super().close_file(file, token)


@mutant("teardown/18", "teardown/21", "teardown/26", "teardown/25", "capability/15")
class CloseComesFirst(Port):
    """Completes close_file before the operations that it cancels."""

    def begin(self, call: Call) -> int:
        if call.method != "close_file" or call.number < 0:
            return super().begin(call)
        started = self.settle(call, 0)
        ExamplePort.close_file(self, call.file, Call("nop", {"token": self}))
        return started

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if call.token is self else [done]


@mutant("teardown/19", "teardown/20", "teardown/28", "teardown/33")
class CloseFileKnowsNumbersOnly(ExamplePort):
    """Closes the descriptor under an object that does not know of it."""

    def close_file(self, file: Any, token: object = None) -> int:
        return super().close_file(number_of(file), token)


@mutant("teardown/21", "teardown/32")
class CloseFileClosesObjectsOnly(ExamplePort):
    """Completes close_file of a bare number, which is the caller's to close."""

    def close_file(self, file: Any, token: object = None) -> int:
        if not isinstance(file, int):
            return super().close_file(file, token)
        self.cancel_all(file)
        return super().close_file(os.dup(file), token)


@mutant("teardown/23")
class CloseFileLeavesTheRegistration(ExamplePort):
    """Keeps a closed file in its table of registrations."""

    def __init__(self) -> None:
        super().__init__()
        self.registered: dict[int, int] = {}

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        if number_of(file) in self.registered:
            raise already_registered(self.name, number_of(file), self.registered[number_of(file)])
        super().register(file, key, interest, oneshot=oneshot)
        self.registered[number_of(file)] = key


@mutant("teardown/30")
class CarriesTheKeyOver(Port):
    """Gives the next file of the same number the key of the one that was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[int, int] = {}

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.keys[number_of(file)] = key

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(key=self.keys.get(call.number, done.key))]


@mutant("teardown/31")
class ClosesWhenTheCloseIsTaken(Port):
    """Keeps the file open until wait returns the completion of close_file."""

    def begin(self, call: Call) -> int:
        if call.method == "close_file" and call.number >= 0:
            call.note = os.dup(call.number)
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.note is not None:
            os.close(call.note)
        return [done]


@mutant("teardown/32")
class CancelsTheClose(Port):
    """Cancels close_file like any other operation, with the file half closed."""

    def cancel(self, operation_id: int) -> bool:
        pending = self._ledger.in_flight.get(operation_id)
        if pending is not None and pending.kind is Kind.CLOSE:
            self.cancelled = True
        return super().cancel(operation_id)

    def begin(self, call: Call) -> int:
        call.note = os.dup(call.number) if call.method == "close_file" and call.number >= 0 else None
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.note is not None and not self.cancelled:
            os.close(call.note)
        return [done._replace(result=-errno.ECANCELED)] if call.method == "close_file" and self.cancelled else [done]

    cancelled = False


@mutant("teardown/17", "teardown/19", "teardown/24", "teardown/33")
class ClosesAbortively(ExamplePort):
    """Sets SO_LINGER to 0 before it closes, to have it over."""

    def close_file(self, file: Any, token: object = None) -> int:
        if isinstance(file, socket.socket) and file.fileno() >= 0:
            file.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
        return super().close_file(file, token)
