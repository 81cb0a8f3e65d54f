"""One rule for each way in which a rule can end."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from compl_conformance.expect import expect, expect_completion, wait_one
from compl_conformance.rule import Level, rule
from compl_conformance.sources import Sources, host_lacks
from compl_core import Backend, Capability, CompletionPort, registry


@rule("mail/1", rationale="Keys are how a caller knows its packets again.")
def test_post(port: CompletionPort) -> None:
    """A post comes back with its key."""
    port.post(7)
    expect_completion(wait_one(port), key=7)


@rule("mail/2", level=Level.SHOULD)
def test_statistics(port: CompletionPort) -> None:
    """Posts are counted."""
    expect("posted" in port.statistics(), "a counter of posts", port.statistics())


@rule("mail/3")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_several(open_port: Callable[[], CompletionPort], count: int) -> None:
    """Several posts come back."""
    port = open_port()
    for key in range(count):
        port.post(key)
    assert len(port.wait()) == count


@rule("clock/1", needs=Capability.TIMEOUT, proves=Capability.TIMEOUT, timeout=2.0)
def test_timeout(port: CompletionPort) -> None:
    """A timeout completes.

    The paragraph after the first is the rationale.
    """
    port.timeout(0)
    wait_one(port)


@rule("clock/2", needs=Capability.MULTI_WAITER)
def test_waiters() -> None:
    """Two threads may wait, which is no call that could be refused."""


@rule("later/1", since="1.1")
def test_later() -> None:
    """Contract 1.1 has something that 1.0 has not."""


@rule("machine/1")
def test_host(sources: Sources) -> None:
    """The machine has a thing that none has."""
    sources.tcp()
    host_lacks("no machine has one", fix="build one")


@rule("machine/2")
def test_skip(backend: Backend) -> None:
    """A scenario does not skip itself."""
    if backend.name == "skipping":
        pytest.skip("because I can")


@rule("luck/1")
def test_random(backend: Backend, backend_spec: str, rng: random.Random) -> None:
    """What is drawn is even, wherever the backend is called wrong."""
    drawn = rng.randrange(1 << 32)
    assert registry.load(backend_spec) is backend
    expect(backend.name != "wrong", "luck", drawn)
