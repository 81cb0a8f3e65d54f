"""Small backends, each good or bad in one way, to judge the judge with."""

from __future__ import annotations

import atexit
import collections
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from compl_core import (
    Backend,
    Capability,
    Completion,
    CompletionFlags,
    CompletionPort,
    FileLike,
    Interest,
    Kind,
    Operation,
    OperationId,
    PortClosedError,
    Probe,
)


class GoodPort(CompletionPort):
    """Keeps every staged rule: posts come back, TIMEOUT is declared and done."""

    name = "good"
    declared = Capability.TIMEOUT

    def __init__(self) -> None:
        self._ready: collections.deque[Completion] = collections.deque()
        self._condition = threading.Condition()
        self._closed = False

    @property
    def capabilities(self) -> Capability:
        return self.declared

    @property
    def in_flight(self) -> int:
        return 0

    @property
    def closed(self) -> bool:
        return self._closed

    def statistics(self) -> Mapping[str, int]:
        return {"posted": 0}

    def register(self, file: FileLike, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        raise PermissionError("not on this stage")

    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None:
        raise PermissionError("not on this stage")

    def unregister(self, file: FileLike) -> None:
        raise PermissionError("not on this stage")

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self._finish(Completion(key, result, token, Kind.POSTED, CompletionFlags.NONE, None))

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        with self._condition:
            self._condition.wait_for(lambda: self._closed or len(self._ready) >= min_completions, timeout)
            if self._closed:
                raise PortClosedError("good port: wait(): the port is closed; open a new one")
            return [self._ready.popleft() for _ in range(min(max_completions, len(self._ready)))]

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def nop(self, token: object = None) -> OperationId:
        self._finish(Completion(0, 0, token, Kind.NOP, CompletionFlags.NONE, None))
        return 1

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        self._finish(Completion(0, 0, token, Kind.TIMEOUT, CompletionFlags.NONE, None))
        return 1

    def submit(self, operation: Operation, *, token: object = None) -> OperationId:
        return operation.start(self, token)

    def flush(self) -> int:
        return 0

    def _finish(self, completion: Completion) -> None:
        with self._condition:
            self._ready.append(completion)
            self._condition.notify()


class WrongPort(GoodPort):
    """Gives back another key."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key + 1, result, token)


class LaxPort(GoodPort):
    """Breaks the staged SHOULD."""

    def statistics(self) -> Mapping[str, int]:
        return {}


class AbortingPort(GoodPort):
    """Takes the process with it when a timeout is asked for."""

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        os.abort()


class AlwaysAbortingPort(GoodPort):
    """Takes the process with it in every rule."""

    def __init__(self) -> None:
        os.abort()


class HangingPort(GoodPort):
    """Never comes back from a timeout."""

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        threading.Event().wait()
        return 1


class ExitingPort(GoodPort):
    """Ends the process in the middle of a rule."""

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        os._exit(7)


class ModestPort(GoodPort):
    """Declares nothing and refuses what it does not declare."""

    declared = Capability.NONE
    timeout = CompletionPort.timeout


class SecretivePort(GoodPort):
    """Declares nothing, and does it all the same."""

    declared = Capability.NONE


class RudePort(GoodPort):
    """Declares nothing, and refuses with the wrong exception."""

    declared = Capability.NONE

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        raise AttributeError("timeout")


class BoastingPort(GoodPort):
    """Declares what it does not have."""

    timeout = CompletionPort.timeout


class GrumblingPort(GoodPort):
    """Warns when it is closed."""

    def close(self) -> None:
        warnings.warn("2 operations leaked", ResourceWarning, stacklevel=2)
        super().close()


class StubbornPort(GoodPort):
    """Raises when it is closed."""

    def close(self) -> None:
        raise OSError(5, "will not close")


class LitteringPort(GoodPort):
    """Raises where nobody can catch it: in its finaliser."""

    def __del__(self) -> None:
        raise ValueError("in a finaliser")


class AfterlifePort(GoodPort):
    """Crashes the process when the interpreter exits."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(os.abort)


class LingeringPort(GoodPort):
    """Leaves a thread that keeps the interpreter from exiting."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=threading.Event().wait).start()


class SlowPort(GoodPort):
    """Takes its time, but not for ever."""

    def timeout(self, seconds: float, token: object = None) -> OperationId:
        time.sleep(1.5)
        return super().timeout(seconds, token)


def _backend(
    name: str, port: type[GoodPort], *, contract: str = "1.0", probe: Callable[[], Probe] | None = None
) -> Backend:
    found = probe or (lambda: Probe(available=True, capabilities=port.declared, details={"staged": "yes"}))
    return Backend(name, contract, port.declared, found, port)


def _raises() -> Probe:
    raise RuntimeError("a probe that raises")


def _lacking() -> Probe:
    return Probe(available=False, reason="no such kernel", fix="boot another")


good = _backend("good", GoodPort)
newer = _backend("newer", GoodPort, contract="1.1")
wrong = _backend("wrong", WrongPort)
lax = _backend("lax", LaxPort)
aborting = _backend("aborting", AbortingPort)
always_aborting = _backend("always-aborting", AlwaysAbortingPort)
hanging = _backend("hanging", HangingPort)
exiting = _backend("exiting", ExitingPort)
modest = _backend("modest", ModestPort)
secretive = _backend("secretive", SecretivePort)
rude = _backend("rude", RudePort)
boasting = _backend("boasting", BoastingPort)
grumbling = _backend("grumbling", GrumblingPort)
stubborn = _backend("stubborn", StubbornPort)
littering = _backend("littering", LitteringPort)
afterlife = _backend("afterlife", AfterlifePort)
lingering = _backend("lingering", LingeringPort)
slow = _backend("slow", SlowPort)
skipping = _backend("skipping", GoodPort)
absent = _backend("absent", GoodPort, probe=_lacking)
probe_raises = _backend("probe-raises", GoodPort, probe=_raises)
no_backend: Any = "a string"
