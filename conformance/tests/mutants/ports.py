"""The example port with hooks for faults: where a call begins, and where its completion comes out of ``wait``."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final

from compl_core import Capability, Completion, Kind, OperationId
from compl_example import ExamplePort, backend
from compl_example.capabilities import CAPABILITIES

#: What the completions of each method are.
KINDS: Final = {
    "nop": Kind.NOP,
    "timeout": Kind.TIMEOUT,
    "read": Kind.READ,
    "write": Kind.WRITE,
    "read_vectored": Kind.READ,
    "write_vectored": Kind.WRITE,
    "fsync": Kind.FSYNC,
    "recv": Kind.RECV,
    "send": Kind.SEND,
    "recv_exactly": Kind.RECV,
    "send_all": Kind.SEND,
    "recv_from": Kind.RECV_FROM,
    "send_to": Kind.SEND_TO,
    "accept": Kind.ACCEPT,
    "connect": Kind.CONNECT,
    "poll": Kind.POLL,
    "close_file": Kind.CLOSE,
}


class Call:
    """One call of an operation: the token that the port is given, with the caller's inside."""

    def __init__(self, method: str, values: dict[str, Any]) -> None:
        self.method = method
        self.token = values.pop("token")
        #: The arguments by name, to be altered before the port sees them.
        self.values = values
        #: Key, kind, result and value that its completion gets instead of its own.
        self.outcome: dict[str, Any] | None = None
        #: Whatever a fault wants to remember.
        self.note: Any = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.method]

    @property
    def file(self) -> Any:
        return self.values.get("file", self.values.get("sock"))

    @property
    def number(self) -> int:
        """The descriptor; -1 where there is none (any more)."""
        try:
            return self.file if isinstance(self.file, int) else int(self.file.fileno())
        except (AttributeError, TypeError, ValueError):
            return -1


class Port(ExamplePort):
    """No fault yet.  A mutant overrides a public method, or one of the hooks."""

    declared: ClassVar[Capability] = CAPABILITIES

    def __init__(self) -> None:
        #: Completions that the next wait returns first.
        self.extra: deque[Completion] = deque()
        #: Threads that are in wait.
        self.waiting = 0
        super().__init__()

    @property
    def capabilities(self) -> Capability:
        return self.declared

    # ---- hooks ------------------------------------------------------------------------------------------------------

    def begin(self, call: Call) -> OperationId:
        """Start the operation."""
        started: OperationId = getattr(ExamplePort, call.method)(self, **call.values, token=call)
        return started

    def end(self, done: Completion, call: Call) -> list[Completion]:
        """What ``wait`` returns instead of ``done``, which has the caller's token again."""
        return [done]

    def other(self, done: Completion) -> list[Completion]:
        """What ``wait`` returns instead of a packet or a READY."""
        return [done]

    def settle(self, call: Call, result: int, value: Any = None) -> OperationId:
        """Let the call complete at once, with this result."""
        with self._lock:
            source = self._sources.find(call.file, call.number)
        key = 0 if source is None else source.key
        call.outcome = {"key": key, "kind": call.kind, "result": result, "value": value}
        return ExamplePort.nop(self, token=call)

    # ---- the way through --------------------------------------------------------------------------------------------

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        start, left = time.monotonic(), timeout
        while True:
            if self.extra:
                return [self.extra.popleft() for _ in range(min(len(self.extra), max_completions))]
            self.waiting += 1
            try:
                batch = super().wait(max_completions, left, min_completions=min_completions)
            finally:
                self.waiting -= 1
            passed = [altered for done in batch for altered in self._pass(done)]
            if timeout is not None:
                left = max(0.0, timeout - (time.monotonic() - start))
            if passed or not batch or left == 0:  # else all of it was dropped: go on waiting
                self.extra.extend(passed[max_completions:])
                return passed[:max_completions]

    def _pass(self, done: Completion) -> list[Completion]:
        call = done.token
        if not isinstance(call, Call):
            return self.other(done)
        done = done._replace(token=call.token)
        if call.outcome is not None:
            done = done._replace(**call.outcome)
        return self.end(done, call)


def _hooked(method: str) -> Callable[..., OperationId]:
    original = getattr(ExamplePort, method)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def call(self: Port, *arguments: Any, **named: Any) -> OperationId:
        bound = signature.bind(self, *arguments, **named)
        bound.apply_defaults()
        values = dict(bound.arguments)
        del values["self"]
        return self.begin(Call(method, values))

    return call


for _method in KINDS:
    setattr(Port, _method, _hooked(_method))

#: The port with its hooks and no fault, to be judged beside the mutants.
unmutated = dataclasses.replace(backend, open=Port)
