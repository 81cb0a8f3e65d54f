"""Capabilities and the methods that they promise."""

from __future__ import annotations

from compl_core import FULL, METHODS, Capability, CompletionPort


def test_full_is_everything_a_program_needs_everywhere() -> None:
    names = ["READINESS", "FILE_IO", "VECTORED", "SOCKET_IO", "DATAGRAM", "TIMEOUT", "CANCEL"]
    assert [capability.name for capability in FULL] == names


def test_capabilities_are_single_bits() -> None:
    assert not Capability.NONE
    assert [capability.value for capability in Capability] == [1 << bit for bit in range(len(Capability))]


def test_every_capability_promises_methods_or_is_a_quality_of_others() -> None:
    qualities = {Capability.MULTI_WAITER, Capability.SUB_MS_TIMEOUT, Capability.FILE_IO_KERNEL}
    assert set(METHODS) | qualities == set(Capability)
    assert not set(METHODS) & qualities


def test_the_promised_methods_exist() -> None:
    for capability, methods in METHODS.items():
        for method in methods:
            assert callable(getattr(CompletionPort, method, None)), f"{capability}: {method}"


def test_a_method_belongs_to_one_capability() -> None:
    """But for accept, which MULTISHOT extends, and recv, which POOLED does."""
    methods = [method for names in METHODS.values() for method in names]
    methods.remove("accept")
    methods.remove("recv")
    assert len(methods) == len(set(methods))
