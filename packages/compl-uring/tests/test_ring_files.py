"""Entries for files and pipes, each run for real."""

from __future__ import annotations

import array
import errno
import mmap
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from compl_uring import FILE_INDEX_ALLOC, CompletionEntry, Opcode, Ring, SpliceFlags, SqeFlags

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


def test_read_and_write_at_offsets(ring: Ring, path: Path) -> None:
    with path.open("r+b", 0) as file:
        buffer = bytearray(100)
        ring.read(file, buffer, 1000)
        assert result(ring) == 100
        assert bytes(buffer) == DATA[1000:1100]
        ring.write(file.fileno(), b"written", 5000)
        assert result(ring) == 7
        assert path.read_bytes()[4999:5008] == DATA[4999:5000] + b"written" + DATA[5007:5008]
        ring.read(file, buffer, len(DATA))
        assert result(ring) == 0


def test_the_files_own_position(ring: Ring, path: Path) -> None:
    with path.open("rb", 0) as file:
        first, second = bytearray(10), bytearray(10)
        ring.read(file, first)
        assert result(ring) == 10
        ring.read(file, second, -1)
        assert result(ring) == 10
        assert bytes(first + second) == DATA[:20]
        assert file.tell() == 20


def test_flags_and_priority_reach_the_kernel(ring: Ring, path: Path) -> None:
    with path.open("r+b", 0) as file:
        ring.write(file, b"end", 0, 0, 0, os.RWF_APPEND)
        assert result(ring) == 3
        assert path.read_bytes() == DATA + b"end"
        ring.read(file, bytearray(3), 0, 0, 0, 0, 2 << 13 | 4)  # IOPRIO_CLASS_BE, level 4
        assert result(ring) == 3
        ring.read(file, bytearray(3), 0, 0, 0, 1 << 30)
        assert result(ring) == -errno.EOPNOTSUPP
        ring.readv(file, [bytearray(3)], 0, 0, 0, 1 << 30)
        assert result(ring) == -errno.EOPNOTSUPP
        ring.read(file, bytearray(3), 0, 0, 0, 0, 7 << 13)
        assert result(ring) == -errno.EINVAL


def test_vectors(ring: Ring, path: Path) -> None:
    with path.open("r+b", 0) as file:
        one, two, three = bytearray(10), memoryview(bytearray(20))[5:], array.array("I", [0, 0])
        ring.readv(file, [one, two, three], 300)
        assert result(ring) == 33
        assert bytes(one) + bytes(two) + three.tobytes() == DATA[300:333]
        ring.writev(file, [b"abc", bytearray(b"def"), array.array("B", b"ghi")], 0)
        assert result(ring) == 9
        assert path.read_bytes()[:10] == b"abcdefghi" + DATA[9:10]
        ring.readv(file, (bytearray(1) for _ in range(1024)), 0)  # type: ignore[arg-type]
        assert result(ring) == 1024


def test_vectors_that_are_none(ring: Ring) -> None:
    held = bytearray(4)
    for refused in ([], [bytearray(1)] * 1025):
        with pytest.raises(ValueError, match="1 to 1024 buffers"):
            ring.readv(0, refused)
    with pytest.raises(TypeError, match="writable buffer"):
        ring.readv(0, [held, "text"])  # type: ignore[list-item]
    with pytest.raises(BufferError):
        ring.readv(0, [held, b"read-only"])
    with pytest.raises(OverflowError):
        ring.readv(0, [held], 0, -1)
    held.append(1)  # let go of by the failed calls
    assert ring.in_flight == 0


def test_buffers_that_are_none(ring: Ring) -> None:
    with pytest.raises(BufferError):
        ring.read(0, b"read-only")  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(TypeError, match=r"writable buffer is needed .*, not str"):
        ring.read(0, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="buffer is needed"):
        ring.write(0, 5)  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        ring.read(0, memoryview(bytearray(8))[::2])


def test_files_that_are_none(ring: Ring, path: Path) -> None:
    for refused in ("0", None, 1.5, True, object()):
        with pytest.raises(TypeError, match="a file must be an int or an object with fileno"):
            ring.read(refused, bytearray(1))  # type: ignore[arg-type]
    closed = path.open("rb")
    closed.close()
    for bad in (closed, -1, 2**20, 2**40):
        ring.read(bad, bytearray(1))
        assert result(ring) == -errno.EBADF


def test_fsync(ring: Ring, path: Path) -> None:
    with path.open("r+b", 0) as file:
        for named in ({}, {"data_only": True}, {"offset": 4096, "length": 4096}):
            ring.fsync(file, **named)
            assert result(ring) == 0
        ring.sync_file_range(file, 0, 4096, 2)
        assert result(ring) == 0
        ring.sync_file_range(file, 0, 4096, 1 << 20)
        assert result(ring) == -errno.EINVAL


def test_fallocate_and_ftruncate(ring: Ring, path: Path, needs: Callable[[Opcode], None]) -> None:
    with path.open("r+b", 0) as file:
        ring.fallocate(file, 0, 1 << 20, 4096)
        assert result(ring) == 0
        assert path.stat().st_size == (1 << 20) + 4096
        ring.fallocate(file, 1, 2 << 20, 4096)  # FALLOC_FL_KEEP_SIZE
        assert result(ring) == 0
        assert path.stat().st_size == (1 << 20) + 4096
        needs(Opcode.FTRUNCATE)
        ring.ftruncate(file, 10)
        assert result(ring) == 0
        assert path.read_bytes() == DATA[:10]


def test_advice(ring: Ring, path: Path) -> None:
    with path.open("rb", 0) as file:
        ring.fadvise(file, 0, 4096, os.POSIX_FADV_WILLNEED)
        assert result(ring) == 0
        ring.fadvise(file, 0, 4096, 99)
        assert result(ring) == -errno.EINVAL
    with mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE) as pages:
        pages[0] = 1
        ring.madvise(pages, mmap.MADV_DONTNEED)
        assert result(ring) == 0
        assert pages[0] == 0


def test_close_file(ring: Ring, path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    ring.close_file(fd)
    assert result(ring) == 0
    ring.close_file(fd)
    assert result(ring) == -errno.EBADF


def test_splice_and_tee(ring: Ring, path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    other_reader, other_writer = os.pipe()
    with path.open("rb", 0) as file:
        ring.splice(file, 100, writer, -1, 50, 0, SqeFlags.IO_LINK)
        ring.tee(reader, other_writer, 50)
        assert [entry.res for entry in ring.submit_and_wait(2, 30)] == [50, 50]
    assert os.read(other_reader, 100) == DATA[100:150]
    target = path.with_name("target")
    with target.open("wb", 0) as into:
        ring.splice(reader, -1, into, 7, 50)
        assert result(ring) == 50
    assert target.read_bytes() == bytes(7) + DATA[100:150]
    os.close(other_reader)
    os.close(other_writer)
    ring.register_files([writer])
    with path.open("rb", 0) as file:
        ring.splice(file, 0, 0, -1, 3, 0, SqeFlags.FIXED_FILE)
        assert result(ring) == 3
    assert os.read(reader, 10) == DATA[:3]
    ring.update_files(0, [os.open(path, os.O_RDONLY)])
    ring.splice(0, 5, writer, -1, 3, 0, 0, splice_flags=SpliceFlags.FD_IN_FIXED)
    assert result(ring) == 3
    assert os.read(reader, 10) == DATA[5:8]


def test_pipe(ring: Ring, needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.PIPE)
    buffer = bytearray(8)
    ring.pipe(buffer, os.O_CLOEXEC)
    assert result(ring) == 0
    reader, writer = struct.unpack("ii", buffer)
    os.write(writer, b"through")
    assert os.read(reader, 10) == b"through"
    assert not os.get_inheritable(reader)
    os.close(reader)
    os.close(writer)
    with pytest.raises(ValueError, match="the kernel writes 8 bytes"):
        ring.pipe(bytearray(7))


def test_files_in_the_ring(ring: Ring, path: Path, needs: Callable[[Opcode], None]) -> None:
    """A file that is opened, read, made a descriptor and closed without having had one."""
    needs(Opcode.FIXED_FD_INSTALL)
    ring.register_files_sparse(4)
    ring.openat(path, os.O_RDONLY, file_index=2)
    assert result(ring) == 0
    buffer = bytearray(10)
    ring.read(2, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == 10
    assert bytes(buffer) == DATA[:10]
    ring.fixed_fd_install(2)
    fd = result(ring)
    assert stat.S_ISREG(os.fstat(fd).st_mode)
    assert not os.get_inheritable(fd)
    os.close(fd)
    ring.close_direct(2)
    assert result(ring) == 0
    ring.read(2, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == -errno.EBADF
    ring.openat(path, os.O_RDONLY, file_index=FILE_INDEX_ALLOC)
    index = result(ring)
    assert 0 <= index < 4
    ring.read(index, buffer, 5, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == 10
    for bad in (-1, 2**32):
        with pytest.raises(ValueError, match="file_index"):
            ring.openat(path, os.O_RDONLY, file_index=bad)
    with pytest.raises(ValueError, match="index of a registered file"):
        ring.read(-1, buffer, 5, 0, SqeFlags.FIXED_FILE)


def test_files_update(ring: Ring, path: Path) -> None:
    ring.register_files([-1, -1, -1])
    with path.open("rb", 0) as file:
        ring.files_update(1, [file.fileno(), -1])
        assert result(ring) == 2
    buffer = bytearray(4)
    ring.read(1, buffer, 0, 0, SqeFlags.FIXED_FILE)  # open in the ring, closed outside
    assert result(ring) == 4
    ring.files_update(1, [-1])
    assert result(ring) == 1
    ring.read(1, buffer, 0, 0, SqeFlags.FIXED_FILE)
    assert result(ring) == -errno.EBADF
    with pytest.raises(TypeError):
        ring.files_update(1, ["x"])  # type: ignore[list-item]
    with pytest.raises(OverflowError):
        ring.files_update(1, [2**40])


def test_direct_reads_into_aligned_pages(ring: Ring, path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip("this file system has no O_DIRECT")
    with mmap.mmap(-1, 8192) as pages:
        ring.read(fd, pages, 4096)
        assert result(ring) == 8192
        assert pages[:] == DATA[4096:12288]
    os.close(fd)


def test_many_reads_in_flight_each_find_their_buffer(ring: Ring, path: Path) -> None:
    buffers = [bytearray(32) for _ in range(500)]
    with path.open("rb", 0) as file:
        for number, buffer in enumerate(buffers):
            ring.read(file, buffer, number * 16, number, SqeFlags.ASYNC)
        entries = ring.submit_and_wait(500, 60)
    assert sorted(entry.user_data for entry in entries) == list(range(500))
    assert {entry.res for entry in entries} == {32}
    assert all(bytes(buffer) == DATA[number * 16 : number * 16 + 32] for number, buffer in enumerate(buffers))
    assert ring.reap() == []
    assert CompletionEntry(0) not in entries
