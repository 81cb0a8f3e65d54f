"""What the entry point names: how to ask whether this backend works here, and how to open a port."""

from __future__ import annotations

import selectors

from compl_core import CONTRACT, Backend, Probe
from compl_example.capabilities import CAPABILITIES
from compl_example.port import ExamplePort


def probe() -> Probe:
    """Nothing is needed but the standard library, so the answer is always yes."""
    return Probe(
        available=True,
        capabilities=CAPABILITIES,
        details={"selector": selectors.DefaultSelector.__name__},
    )


backend = Backend(name="example", contract=CONTRACT, capabilities=CAPABILITIES, probe=probe, open=ExamplePort)
