"""A port with nothing but what is abstract, and backends that are installed for the length of one test."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from importlib import metadata

import pytest

from compl_core import GROUP, Backend, Capability, Completion, CompletionPort, FileLike, Interest, OperationId, Probe


class BarePort(CompletionPort):
    """What every port has, doing nothing, and not one capability."""

    name = "bare"

    def __init__(self) -> None:
        self._closed = False

    @property
    def capabilities(self) -> Capability:
        return Capability.NONE

    @property
    def in_flight(self) -> int:
        return 0

    @property
    def closed(self) -> bool:
        return self._closed

    def statistics(self) -> Mapping[str, int]:
        return {}

    def register(self, file: FileLike, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        pass

    def modify(
        self, file: FileLike, *, key: int | None = None, interest: Interest | None = None, oneshot: bool | None = None
    ) -> None:
        pass

    def unregister(self, file: FileLike) -> None:
        pass

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        pass

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        return []

    def close(self) -> None:
        self._closed = True

    def nop(self, token: object = None) -> OperationId:
        return 1

    def flush(self) -> int:
        return 0


@pytest.fixture
def bare_port() -> CompletionPort:
    return BarePort()


@pytest.fixture
def make_backend() -> Callable[..., Backend]:
    """``make_backend(name, refused="why", contract=..., capabilities=..., open=...)``; refused: the probe says no."""

    def make(name: str, *, refused: str = "", **fields: object) -> Backend:
        capabilities = Capability.TIMEOUT | Capability.CANCEL
        answer = (
            Probe(False, reason=refused, fix=f"mend {name}")
            if refused
            else Probe(True, Capability.CANCEL, details={"kernel": "6.18"})
        )
        record: dict[str, object] = {
            "contract": "1.0",
            "capabilities": capabilities,
            "probe": lambda: answer,
            "open": BarePort,
        }
        return Backend(name=name, **{**record, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], str]:
    """Replace whatever is installed: ``install(name, backend)`` adds an entry point and gives the object's path.

    A string in place of a backend is the value of the entry point, as a distribution's metadata would have it.
    """
    points: list[metadata.EntryPoint] = []

    def entry_points(*, group: str) -> metadata.EntryPoints:
        return metadata.EntryPoints(point for point in points if point.group == group)

    def add(name: str, exported: object) -> str:
        path = exported
        if not isinstance(path, str):
            module = types.ModuleType(f"installed_{len(points)}")
            vars(module)["backend"] = exported
            monkeypatch.setitem(sys.modules, module.__name__, module)
            path = f"{module.__name__}:backend"
        points.append(metadata.EntryPoint(name, path, GROUP))
        return path

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.delenv("COMPL_BACKEND", raising=False)
    return add
