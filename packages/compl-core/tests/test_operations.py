"""Operations as data: each stands for one method of the port."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from unittest import mock

import pytest

import compl_core
from compl_core import (
    Accept,
    BufferPool,
    CloseFile,
    CompletionPort,
    Connect,
    Fsync,
    Interest,
    Nop,
    NotSupported,
    Operation,
    Poll,
    Read,
    ReadVectored,
    Recv,
    RecvExactly,
    RecvFrom,
    Send,
    SendAll,
    SendTo,
    Timeout,
    Write,
    WriteVectored,
)

BUFFER = bytearray(8)
HOME = ("127.0.0.1", 9)
POOL = mock.create_autospec(BufferPool, instance=True)

EXAMPLES: list[tuple[Operation, mock._Call]] = [
    (Nop(), mock.call.nop(token="token")),
    (Timeout(0.5), mock.call.timeout(0.5, token="token")),
    (Read(3, BUFFER), mock.call.read(3, BUFFER, None, token="token")),
    (Read(3, BUFFER, 0), mock.call.read(3, BUFFER, 0, token="token")),
    (Write(3, b"x", 9), mock.call.write(3, b"x", 9, token="token")),
    (ReadVectored(3, [BUFFER], 0), mock.call.read_vectored(3, [BUFFER], 0, token="token")),
    (WriteVectored(3, [b"x"]), mock.call.write_vectored(3, [b"x"], None, token="token")),
    (Fsync(3), mock.call.fsync(3, token="token", data_only=False)),
    (Fsync(3, data_only=True), mock.call.fsync(3, token="token", data_only=True)),
    (Recv(3, BUFFER, 2), mock.call.recv(3, BUFFER, 2, token="token")),
    (Recv(3, pool=POOL), mock.call.recv(3, None, 0, token="token", pool=POOL)),
    (Send(3, b"x"), mock.call.send(3, b"x", 0, token="token")),
    (SendAll(3, b"x"), mock.call.send_all(3, b"x", token="token")),
    (RecvExactly(3, BUFFER), mock.call.recv_exactly(3, BUFFER, token="token")),
    (RecvFrom(3, BUFFER), mock.call.recv_from(3, BUFFER, 0, token="token")),
    (SendTo(3, b"x", HOME), mock.call.send_to(3, b"x", HOME, 0, token="token")),
    (Accept(3), mock.call.accept(3, token="token", multishot=False)),
    (Accept(3, multishot=True), mock.call.accept(3, token="token", multishot=True)),
    (Connect(3, HOME), mock.call.connect(3, HOME, token="token")),
    (Poll(3, Interest.READABLE), mock.call.poll(3, Interest.READABLE, token="token")),
    (CloseFile(3), mock.call.close_file(3, token="token")),
]
KINDS: tuple[type[typing.Any], ...] = typing.get_args(Operation)


@pytest.mark.parametrize(("operation", "expected"), EXAMPLES)
def test_starting_an_operation_is_calling_its_method(operation: Operation, expected: mock._Call) -> None:
    port = mock.create_autospec(CompletionPort, instance=True)  # refuses a call that the signature does not allow
    getattr(port, operation.method).return_value = 42
    assert operation.start(port, "token") == 42
    assert port.mock_calls == [expected]


def test_every_operation_has_an_example() -> None:
    assert {type(operation) for operation, _ in EXAMPLES} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_the_methods_parameters_without_the_token(kind: type[typing.Any]) -> None:
    parameters = inspect.signature(getattr(CompletionPort, kind.method)).parameters
    expected = [(name, one.default) for name, one in parameters.items() if name not in ("self", "token")]
    fields = [
        (field.name, inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default)
        for field in dataclasses.fields(kind)
    ]
    assert fields == expected
    assert kind.keywords == {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}


def test_every_method_that_gives_an_operation_id_is_there_as_data() -> None:
    methods = {
        name
        for name, member in vars(CompletionPort).items()
        if inspect.isfunction(member) and member.__annotations__.get("return") == "OperationId"
    }
    assert methods - {"submit"} == {kind.method for kind in KINDS}


def test_operations_are_values() -> None:
    assert Read(3, BUFFER, 0) == Read(3, BUFFER, 0)
    assert Read(3, BUFFER, 0) != Read(3, BUFFER, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Timeout(1.0).seconds = 2.0  # type: ignore[misc]


def test_submit_starts_the_operation(bare_port: CompletionPort) -> None:
    assert bare_port.submit(Nop()) == bare_port.nop()
    with pytest.raises(NotSupported):
        bare_port.submit(Timeout(1.0), token="token")


def test_every_operation_is_exported() -> None:
    assert {kind.__name__ for kind in KINDS} <= set(compl_core.__all__)
