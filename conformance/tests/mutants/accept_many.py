"""socket: one accept for every connection to come."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

from typing import Any

from compl_core import Accept, Completion, CompletionFlags, Operation
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port


class Many(Port):
    """Knows the multishot accepts that were begun, and makes something else of their clients."""

    def __init__(self) -> None:
        super().__init__()
        self.accepts: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.method == "accept":
            self.accepts.append(call)
        return super().begin(call)

    def client(self, done: Completion, call: Call) -> list[Completion]:
        raise NotImplementedError

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return self.client(done, call) if call.method == "accept" and done.more else [done]


@mutant("socket/64")
class GivesClientsBackwards(Port):
    """Reads the clients that came at once from the top of a stack."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        return super().wait(*arguments, **named)[::-1]


@mutant("socket/64", "socket/66", "socket/72")
class GivesEachClientTwice(Many):
    """Sees a client when it comes, and again when it is accepted."""

    def client(self, done: Completion, call: Call) -> list[Completion]:
        return [done, done]


@mutant("socket/65")
class ClientsBelongToTheFirst(Many):
    """Has one multishot accept in mind when a client comes."""

    def client(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(token=self.accepts[0].token)]


@mutant("socket/67")
class LaterAcceptsComeFirst(Many):
    """Gives a client to an accept that wants one only, if there is one."""

    def client(self, done: Completion, call: Call) -> list[Completion]:
        for other in self.accepts:
            if other is not call and other.number == call.number and other.note is None:
                other.note = "served"
                return [done._replace(token=other.token, flags=CompletionFlags.NONE)]
        return [done]

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if call.note == "served" else super().end(done, call)


@mutant("socket/71")
class SubmitAcceptsOnce(ExamplePort):
    """Has its own way of submitting operations, older than the keyword."""

    def submit(self, operation: Operation, *, token: object = None) -> int:
        if isinstance(operation, Accept):
            return self.accept(operation.sock, token)
        return super().submit(operation, token=token)
