"""The pool of buffers: what its class asks of a backend, and who counts as one."""

from __future__ import annotations

import pytest

from compl_core import BufferPool, Capability, CompletionPort, NotSupported, arguments
from compl_core.errors import foreign_pool


class Pool(BufferPool):
    """One buffer of one byte."""

    count = 1
    size = 1
    available = 1


def test_a_pool_says_how_many_how_large_and_how_many_are_free() -> None:
    assert BufferPool.__abstractmethods__ == {"count", "size", "available"}
    assert BufferPool.__slots__ == ()
    with pytest.raises(TypeError, match="abstract"):
        BufferPool()  # type: ignore[abstract]


def test_a_port_without_pools_refuses_them(bare_port: CompletionPort) -> None:
    with pytest.raises(NotSupported, match="buffer_pool") as caught:
        bare_port.buffer_pool(1, 1)
    assert caught.value.capability is Capability.POOLED
    with pytest.raises(NotSupported, match="recv") as caught:
        bare_port.recv(3, pool=Pool())
    assert caught.value.capability is Capability.POOLED
    with pytest.raises(NotSupported, match="recv") as caught:
        bare_port.recv(3, bytearray(1))
    assert caught.value.capability is Capability.SOCKET_IO


@pytest.mark.parametrize(("count", "size"), [(1, 1), (32768, 2**31 - 1)])
def test_shapes(count: int, size: int) -> None:
    assert arguments.pool_shape(count, size) == (count, size)


@pytest.mark.parametrize(
    ("count", "size", "error"),
    [
        (0, 1, ValueError),
        (-1, 1, ValueError),
        (32769, 1, ValueError),
        (2**70, 1, ValueError),
        (1, 0, ValueError),
        (1, 2**31, ValueError),
        (True, 1, TypeError),
        (1, 1.0, TypeError),
        ("1", 1, TypeError),
        (1, None, TypeError),
    ],
)
def test_no_shapes(count: object, size: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        arguments.pool_shape(count, size)


def test_a_buffer_or_a_pool() -> None:
    arguments.buffer_or_pool(bytearray(1), None)
    arguments.buffer_or_pool(None, Pool())
    with pytest.raises(TypeError, match="needs somewhere"):
        arguments.buffer_or_pool(None, None)
    with pytest.raises(TypeError, match="not both"):
        arguments.buffer_or_pool(bytearray(1), Pool())
    with pytest.raises(TypeError, match="not 'bytearray'"):
        arguments.buffer_or_pool(None, bytearray(1))


def test_a_native_pool_counts_as_one() -> None:
    class Native:
        pass

    BufferPool.register(Native)
    arguments.buffer_or_pool(None, Native())


def test_the_pool_of_another_port_is_named_as_such() -> None:
    assert str(foreign_pool("bare", "recv")).startswith("bare port: recv(): the pool belongs to another port")
