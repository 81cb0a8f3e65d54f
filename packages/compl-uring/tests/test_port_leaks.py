"""Nothing is left behind: descriptors, mappings, references and memory over many ports and many operations."""

from __future__ import annotations

import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from compl_core import Interest
from compl_uring import UringPort

Pair = tuple[socket.socket, socket.socket]


class Token:
    """Something that a weak reference can watch."""


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mappings() -> list[str]:
    """Those of rings; others come and go with the allocator."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if "io_uring" in line]


def resident() -> int:
    """Bytes of memory that are this process's."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(call: Callable[[], None], measure: Callable[[], int]) -> int:
    """The least of three rounds, after one that fills what is kept: others allocate as well."""
    call()
    found = []
    for _ in range(3):
        gc.collect()
        before = measure()
        call()
        gc.collect()
        found.append(measure() - before)
    return min(found)


@pytest.mark.parametrize("single_thread", [False, True])
def test_a_thousand_ports(pair: Pair, single_thread: bool) -> None:
    left, right = pair

    def open_and_close() -> None:
        for number in range(250):
            with UringPort(8, single_thread=single_thread) as port:
                port.recv(left, bytearray(1), 0, Token())
                port.register(right, number, Interest.READABLE)
                port.timeout(60)
                port.post(1, 1, Token())
                if number % 2:
                    port.fileno()
                if number % 3 == 0:
                    port.recv(right, pool=port.buffer_pool(2, 64))
                port.wait(1, timeout=0)

    before, mapped = descriptors(), mappings()
    # What a ring holds would be a hundred times as much.
    assert growth(open_and_close, resident) < 1 << 20
    assert descriptors() == before
    assert mappings() == mapped


def test_a_hundred_thousand_operations(port: UringPort, pair: Pair, tmp_path: Path) -> None:
    left, right = pair
    with (tmp_path / "file").open("w+b", buffering=0) as file:

        def operate() -> None:
            for _ in range(250):
                buffers = [bytearray(1) for _ in range(25)]
                for buffer in buffers:
                    port.recv(left, buffer, 0, Token())
                    port.send(right, b"x", 0, Token())
                    port.write(file, b"12345678", 0, Token())
                cancelled = [port.poll(left, Interest.READABLE, Token()) for _ in range(25)]
                for identity in cancelled:
                    port.cancel(identity)
                while port.in_flight:
                    assert port.wait(200, timeout=30)

        before = descriptors()
        assert growth(operate, resident) < 1 << 20
        assert port.statistics()["submitted"] == 100_000
        assert descriptors() == before
        assert port.statistics()["held"] == 1  # the doorbell's


def test_references_of_every_operation(pair: Pair, tmp_path: Path) -> None:
    """Taken at submission, given back with the last completion, or by close()."""
    left, right = pair
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        for closes in (False, True):
            token, buffer, other = Token(), bytearray(8), b"contents"
            held = [token, buffer, other, left, right, file]
            before = [sys.getrefcount(each) for each in held]
            with UringPort() as port:
                port.recv(left, buffer, 0, token)
                port.recv_exactly(left, buffer, token)
                port.recv_from(left, buffer, 0, token)
                port.send(right, other, 0, token)
                port.send_all(right, other, token)
                port.write(file, other, 0, token)
                port.read(file, buffer, 0, token)
                port.write_vectored(file, [other, other], 0, token)
                port.read_vectored(file, [buffer, memoryview(buffer)], 0, token)
                port.fsync(file, token)
                port.poll(left, Interest.READABLE, token)
                port.accept(left, token)
                port.connect(right, "/nowhere", token)
                port.nop(token)
                port.timeout(0, token)
                port.post(1, 1, token)
                port.register(left, 1, Interest.READABLE)
                if not closes:
                    port.unregister(left)
                    right.send(b"123456789")
                    while port.in_flight:
                        assert port.wait(timeout=30)
                    port.wait(timeout=0)
            gc.collect()
            assert [sys.getrefcount(each) for each in held] == before, closes
            buffer.append(1)


def test_a_file_object_is_kept_open_until_it_is_done(port: UringPort) -> None:
    left, right = socket.socketpair()
    gone = weakref.ref(left)
    ended = []
    buffer = bytearray(1)
    port.recv(left, buffer)
    del left
    gc.collect()
    assert gone() is not None
    right.send(b"x")
    with pytest.warns(ResourceWarning, match="unclosed <socket"):  # nobody else has it any more
        ended += port.wait(timeout=30)
    assert [done.result for done in ended] == [1]
    assert gone() is None
    right.close()


def test_cycles_through_the_port_are_found(pair: Pair) -> None:
    """Tokens, buffers, registered files and pools that know the port: all go with it."""

    class Buffer(bytearray):
        pass

    gc.collect()
    port = UringPort()
    buffer, token = Buffer(8), Token()
    buffer.port = token.port = port  # type: ignore[attr-defined]
    gone = [weakref.ref(each) for each in (port, buffer, token)]
    port.recv(pair[0], buffer, 0, token)
    port.recv(pair[1], None, 0, [port], pool=port.buffer_pool(2, 4))
    port.register(pair[0], 1, Interest.READABLE)
    port.post(1, 1, [port])
    port.wait(1, timeout=0)
    del buffer, token, port
    with pytest.warns(ResourceWarning, match="unclosed uring port"):
        gc.collect()
    assert [each() for each in gone] == [None] * 3
