"""How others find the backend."""

from __future__ import annotations

from importlib.metadata import entry_points

from compl_core import CONTRACT, GROUP
from compl_example import ExamplePort, backend


def test_entry_point() -> None:
    (found,) = (point for point in entry_points(group=GROUP) if point.name == "example")
    assert found.load() is backend


def test_probe_says_what_a_port_declares() -> None:
    probe = backend.probe()
    assert probe.available
    with backend.open() as port:
        assert isinstance(port, ExamplePort)
        assert port.capabilities == probe.capabilities == backend.capabilities
        assert port.name == backend.name
    assert backend.contract == CONTRACT
