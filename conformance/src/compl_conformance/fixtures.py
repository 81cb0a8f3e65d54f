"""What a scenario may ask for by name: ``port``, ``open_port``, ``backend``, ``backend_spec``, ``sources``, ``rng``.

Scenario packages import these into their conftest, so that nobody else's tests meet fixtures of such common names.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator

import pytest

from compl_conformance.expect import ExpectationFailed, show
from compl_conformance.rule import rule_of
from compl_conformance.sources import Sources
from compl_core import Backend, CompletionPort

__all__ = ["backend", "backend_spec", "open_port", "port", "rng", "sources"]


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    """The backend under test, as its distribution exports it."""
    found = request.node.callspec.params["compl_target"].backend
    assert isinstance(found, Backend)
    return found


@pytest.fixture
def backend_spec(request: pytest.FixtureRequest) -> str:
    """What ``compl_core.registry.load`` takes to find the same backend in another process."""
    return str(request.node.callspec.params["compl_target"].spec)


@pytest.fixture
def open_port(backend: Backend, sources: Sources) -> Iterator[Callable[[], CompletionPort]]:  # noqa: ARG001  closed later
    """Opens further ports; closes them at the end, last opened first, before the sources."""
    opened: list[CompletionPort] = []

    def open_another() -> CompletionPort:
        opened.append(backend.open())
        return opened[-1]

    yield open_another
    failures: list[ExpectationFailed] = []
    while opened:
        try:
            _close(opened.pop())
        except ExpectationFailed as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def port(request: pytest.FixtureRequest, backend: Backend, sources: Sources) -> Iterator[CompletionPort]:  # noqa: ARG001
    """A fresh port; closing it at the end, before the sources, belongs to the rule: it neither raises nor warns."""
    fresh = backend.open()
    yield fresh
    _close(fresh)
    request.node.funcargs.pop("port")  # the last reference: what its finaliser does is this rule's doing


@pytest.fixture
def sources() -> Iterator[Sources]:
    """Files and sockets, closed at the end."""
    made = Sources()
    yield made
    made.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that the seed, the rule and the round determine."""
    rule = rule_of(request.function)
    seed = request.config.stash[SEED]
    count = request.node.callspec.params.get("compl_round", 0)
    return random.Random(f"{seed}:{rule.id if rule else request.node.name}:{count}")


#: The session's seed: of ``--compl-seed``, or drawn.
SEED = pytest.StashKey[int]()


def _close(port: CompletionPort) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            port.close()
        except Exception as error:
            raise ExpectationFailed("close() at the end of the rule to raise nothing", show(error)) from error
    if warned:
        raise ExpectationFailed("close() at the end of the rule to warn of nothing", show(warned[0].message))
