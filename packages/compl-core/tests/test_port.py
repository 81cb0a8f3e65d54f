"""The contract's class: what is abstract, what a port gets for free, and what it refuses."""

from __future__ import annotations

import errno
import inspect
import re

import pytest

import compl_core
from compl_core import CONTRACT, METHODS, Capability, CompletionPort, Interest, NotSupported, PortClosedError

#: The contract itself: what no port may leave out.
ABSTRACT = {
    "capabilities",
    "in_flight",
    "closed",
    "statistics",
    "register",
    "modify",
    "unregister",
    "post",
    "wait",
    "close",
    "nop",
    "flush",
}
BUFFER = bytearray(8)
#: A legal call of every method that a capability stands behind.
CALLS: dict[str, tuple[object, ...]] = {
    "fileno": (),
    "timeout": (1.0,),
    "read": (3, BUFFER),
    "write": (3, BUFFER),
    "fsync": (3,),
    "read_vectored": (3, [BUFFER]),
    "write_vectored": (3, [BUFFER]),
    "recv": (3, BUFFER),
    "send": (3, BUFFER),
    "recv_exactly": (3, BUFFER),
    "send_all": (3, BUFFER),
    "accept": (3,),
    "connect": (3, ("127.0.0.1", 9)),
    "recv_from": (3, BUFFER),
    "send_to": (3, BUFFER, ("127.0.0.1", 9)),
    "poll": (3, Interest.READABLE),
    "cancel": (1,),
    "cancel_all": (3,),
    "close_file": (3,),
    "buffer_pool": (1, 1),
}
PROMISES = [(capability, method) for capability, methods in METHODS.items() for method in methods]
#: What a further keyword asks for: without it the method belongs to another capability.
EXTENSIONS = {(Capability.MULTISHOT, "accept"), (Capability.POOLED, "recv")}
#: What gives no operation id.
NO_OPERATIONS = {"fileno", "cancel", "cancel_all", "buffer_pool"}


def test_the_abstract_set() -> None:
    assert CompletionPort.__abstractmethods__ == ABSTRACT


def test_a_port_without_the_contract_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (CompletionPort,), {"name": "half"})()


def test_public_methods_are_abstract_promised_or_for_free() -> None:
    public = {
        name
        for name, member in vars(CompletionPort).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }
    assert public == ABSTRACT | {method for _, method in PROMISES} | {"submit"}


@pytest.mark.parametrize(("capability", "method"), [promise for promise in PROMISES if promise not in EXTENSIONS])
def test_a_method_behind_an_undeclared_capability_refuses_and_names_it(
    bare_port: CompletionPort, capability: Capability, method: str
) -> None:
    with pytest.raises(NotSupported, match=re.escape(f"bare port: {method}() needs {capability}")) as caught:
        getattr(bare_port, method)(*CALLS[method])
    assert caught.value.capability == capability
    assert caught.value.method == method
    assert caught.value.errno == errno.ENOTSUP


@pytest.mark.parametrize("method", sorted({method for _, method in PROMISES} - NO_OPERATIONS))
def test_every_operation_takes_a_token_last_by_position_and_by_keyword(method: str) -> None:
    parameters = list(inspect.signature(getattr(CompletionPort, method)).parameters.values())
    positional = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional[-1].name == "token"
    assert positional[-1].default is None


def test_a_with_block_closes_the_port_and_lets_errors_out(bare_port: CompletionPort) -> None:
    with pytest.raises(PortClosedError, match="out"):
        with bare_port as inside:
            assert inside is bare_port
            assert not bare_port.closed
            raise PortClosedError("out")
    assert bare_port.closed


def test_the_class_adds_no_storage() -> None:
    assert CompletionPort.__slots__ == ()
    assert CompletionPort.__basicsize__ == object.__basicsize__


def test_every_public_method_says_what_it_does() -> None:
    for name in ABSTRACT | {method for _, method in PROMISES} | {"submit"}:
        assert getattr(CompletionPort, name).__doc__, name


def test_the_contracts_version_is_major_and_minor() -> None:
    assert re.fullmatch(r"\d+\.\d+", CONTRACT)


def test_all_is_complete_and_true() -> None:
    assert [name for name in compl_core.__all__ if not hasattr(compl_core, name)] == []
    assert len(set(compl_core.__all__)) == len(compl_core.__all__)
    classes = {name for name, member in vars(compl_core).items() if inspect.isclass(member)}
    assert classes <= set(compl_core.__all__)
