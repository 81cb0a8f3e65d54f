"""Registered files and buffers, and io_uring_register(2) itself."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from pathlib import Path

import pytest

from compl_uring import CompletionEntry, Prepare, RegisteredBuffers, Ring, SqeFlags

DATA = bytes(range(256)) * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def result(ring: Ring) -> int:
    (entry,) = ring.submit_and_wait(1, 30)
    assert ring.in_flight == 0
    return entry.res


def test_fixed_buffers(ring: Ring, path: Path) -> None:
    one, two = bytearray(100), bytearray(200)
    buffers = ring.register_buffers([one, two])
    assert (len(buffers), buffers.size(0), buffers.size(1)) == (2, 100, 200)
    with path.open("r+b", 0) as file:
        ring.read_fixed(file, buffers, 1, 1000)
        assert result(ring) == 200
        assert bytes(two) == DATA[1000:1200]
        ring.read_fixed(file, buffers, 0, 50, start=10, length=20)
        assert result(ring) == 20
        assert bytes(one) == bytes(10) + DATA[50:70] + bytes(70)
        ring.write_fixed(file, buffers, 0, 0, start=10, length=5)
        assert result(ring) == 5
        assert path.read_bytes()[:6] == DATA[50:55] + DATA[5:6]
        ring.read_fixed(file, buffers, 0, start=100)
        assert result(ring) == 0
    for held in (one, two):
        with pytest.raises(BufferError):
            held.append(1)
    ring.unregister_buffers()
    with pytest.raises(BufferError):
        one.append(1)  # the record of them holds them still
    del buffers
    one.append(1)
    two.append(1)


@pytest.mark.parametrize(
    ("index", "named"),
    [
        (0, {"start": 101}),
        (0, {"start": -1}),
        (0, {"length": 101}),
        (0, {"start": 90, "length": 11}),
        (0, {"length": -1}),
    ],
)
def test_outside_of_a_fixed_buffer(ring: Ring, index: int, named: dict[str, int]) -> None:
    buffers = ring.register_buffers([bytearray(100)])
    with pytest.raises(ValueError, match="registered buffer 0, which has 100 bytes"):
        ring.read_fixed(0, buffers, index, 0, **named)
    for missing in (1, -1):
        with pytest.raises(IndexError):
            ring.read_fixed(0, buffers, missing, 0)
    assert ring.in_flight == 0


def test_refused_buffers(ring: Ring) -> None:
    held = bytearray(8)
    with pytest.raises(BufferError):
        ring.register_buffers([held, b"read-only"])
    with pytest.raises(ValueError, match="1 to 1024"):
        ring.register_buffers([])
    held.append(1)
    ring.register_buffers([held])
    with pytest.raises(OSError, match="register_buffers") as caught:
        ring.register_buffers([bytearray(8)])
    assert caught.value.errno == errno.EBUSY
    ring.unregister_buffers()
    with pytest.raises(OSError, match="unregister_buffers") as caught:
        ring.unregister_buffers()
    assert caught.value.errno == errno.ENXIO
    held.append(1)
    with pytest.raises(TypeError, match="register_buffers"):
        RegisteredBuffers()
    with pytest.raises(TypeError):
        ring.read_fixed(0, None, 0)  # type: ignore[arg-type]


def test_closing_the_ring_gives_them_back() -> None:
    held = bytearray(8)
    with Ring(4) as ring:
        ring.register_buffers([held])
        with pytest.raises(BufferError):
            held.append(1)
    held.append(1)


def test_a_read_in_flight_holds_them_when_they_are_unregistered(ring: Ring, pipe: tuple[int, int]) -> None:
    held = bytearray(8)
    buffers = ring.register_buffers([held])
    ring.read_fixed(pipe[0], buffers, 0, -1, 1)
    ring.submit()
    ring.unregister_buffers()
    del buffers
    with pytest.raises(BufferError):
        held.append(1)
    os.write(pipe[1], b"late")
    assert ring.submit_and_wait(1, 30) == [CompletionEntry(1, 4)]
    assert bytes(held[:4]) == b"late"
    held.append(1)


def test_prepared_fixed_reads(ring: Ring, path: Path) -> None:
    with mmap.mmap(-1, 4096) as pages:
        buffers = ring.register_buffers([pages])
        with path.open("rb", 0) as file:
            ring.submit_raw(Prepare().read_fixed(file, buffers, 0, 0, 5))
            assert result(ring) == 4096
        assert pages[:] == DATA[:4096]
        ring.unregister_buffers()
        del buffers


def test_files(ring: Ring, path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    ring.register_files([fd, -1])
    os.close(fd)
    buffer = bytearray(4)
    ring.read(0, buffer, 2, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == 4
    assert bytes(buffer) == DATA[2:6]
    ring.read(1, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == -errno.EBADF
    ring.read(2, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == -errno.EBADF
    with path.open("rb", 0) as file:
        assert ring.update_files(1, [file.fileno()]) == 1
    ring.read(1, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == 4
    assert ring.update_files(0, [-1, -1]) == 2
    ring.read(0, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == -errno.EBADF
    ring.unregister_files()
    with pytest.raises(OSError, match="unregister_files") as caught:
        ring.unregister_files()
    assert caught.value.errno == errno.ENXIO


def test_refused_files(ring: Ring) -> None:
    with pytest.raises(ValueError, match="no descriptors"):
        ring.register_files([])
    with pytest.raises(TypeError, match="a descriptor must be an int"):
        ring.register_files(["0"])  # type: ignore[list-item]
    with pytest.raises(OSError, match="register_files") as caught:
        ring.register_files([2**20])
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError, match="update_files"):
        ring.update_files(0, [0])
    with pytest.raises(OverflowError):
        ring.update_files(-(2**40), [0])


def test_any_other_registration(ring: Ring) -> None:
    """IORING_REGISTER_PERSONALITY and its end, IORING_REGISTER_IOWQ_MAX_WORKERS with an argument."""
    number = ring.register(9)
    assert number > 0
    ring.register(10, None, number)
    with pytest.raises(OSError, match=r"io_uring_register\(10\)") as caught:
        ring.register(10, None, number)
    assert caught.value.errno == errno.EINVAL
    workers = bytearray(struct.pack("=II", 3, 4))
    ring.register(19, workers, 2)
    ring.register(19, workers, 2)
    assert struct.unpack("=II", workers) == (3, 4)


@pytest.mark.parametrize("opcode", [0, 1, 15, 16, 20, 21, 22, 23, 24, 30, 32, 33, 34])
def test_registrations_that_outlive_the_call_are_refused(ring: Ring, opcode: int) -> None:
    with pytest.raises(ValueError, match="use the method that keeps them"):
        ring.register(opcode, bytearray(64), 1)


def test_registration_arguments(ring: Ring) -> None:
    with pytest.raises(TypeError, match="writable buffer"):
        ring.register(19, 5, 2)  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        ring.register(19, b"readonly", 2)
