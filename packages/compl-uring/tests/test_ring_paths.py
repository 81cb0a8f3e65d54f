"""Entries for what has a path, each run for real."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compl_uring import Opcode, Ring, Statx

AT_EMPTY_PATH = 0x1000
AT_REMOVEDIR = 0x200
RENAME_NOREPLACE = 1
RESOLVE_BENEATH = 8


def result(ring: Ring) -> int:
    (entry,) = ring.submit_and_wait(1, 30)
    assert ring.in_flight == 0
    return entry.res


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield tmp_path, fd
    os.close(fd)


def test_openat(ring: Ring, folder: tuple[Path, int]) -> None:
    where, dir_fd = folder
    ring.openat(where / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    fd = result(ring)
    assert (where / "new").stat().st_mode & 0o777 == 0o640 & ~_umask()
    assert not os.get_inheritable(fd)
    os.close(fd)
    for name in ("new", b"new", Path("new")):
        ring.openat(name, os.O_RDONLY, dir_fd=dir_fd)
        fd = result(ring)
        assert fd >= 0
        os.close(fd)
    ring.openat(where / "missing", os.O_RDONLY)
    assert result(ring) == -errno.ENOENT


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_paths_that_are_none(ring: Ring) -> None:
    with pytest.raises(ValueError, match="null byte"):
        ring.openat("a\0b", os.O_RDONLY)
    with pytest.raises(ValueError, match="null byte"):
        ring.openat2("a\0b", os.O_RDONLY)
    with pytest.raises(ValueError, match="null byte"):
        ring.renameat("a", "b\0")
    with pytest.raises(TypeError):
        ring.openat(5, os.O_RDONLY)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ring.statx(None, bytearray(256))  # type: ignore[arg-type]
    assert ring.in_flight == 0


def test_names_that_are_not_text(ring: Ring, folder: tuple[Path, int]) -> None:
    where, dir_fd = folder
    name = b"caf\xe9 \xff"
    ring.mkdirat(name, dir_fd=dir_fd)
    assert result(ring) == 0
    assert [os.fsencode(path.name) for path in where.iterdir()] == [name]
    ring.unlinkat(os.fsdecode(name), dir_fd=dir_fd, at_flags=AT_REMOVEDIR)
    assert result(ring) == 0


def test_openat2(ring: Ring, folder: tuple[Path, int]) -> None:
    where, dir_fd = folder
    (where / "inside").write_text("x")
    ring.openat2("inside", os.O_RDONLY, dir_fd=dir_fd, resolve=RESOLVE_BENEATH)
    fd = result(ring)
    assert os.read(fd, 2) == b"x"
    os.close(fd)
    ring.openat2("../outside", os.O_RDONLY, dir_fd=dir_fd, resolve=RESOLVE_BENEATH)
    assert result(ring) == -errno.EXDEV
    ring.openat2("made", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=dir_fd)
    os.close(result(ring))
    assert (where / "made").stat().st_mode & 0o777 == 0o600


def test_statx(ring: Ring, folder: tuple[Path, int]) -> None:
    where, dir_fd = folder
    (where / "file").write_bytes(bytes(99))
    buffer = bytearray(256)
    ring.statx("file", buffer, dir_fd=dir_fd)
    assert result(ring) == 0
    assert Statx.from_bytes(buffer).size == 99
    ring.statx("", buffer, dir_fd=dir_fd, statx_flags=AT_EMPTY_PATH)
    assert result(ring) == 0
    assert Statx.from_bytes(buffer).inode == where.stat().st_ino
    ring.statx("missing", buffer, dir_fd=dir_fd)
    assert result(ring) == -errno.ENOENT
    with pytest.raises(ValueError, match="writes 256 bytes"):
        ring.statx("file", bytearray(255))
    with pytest.raises(ValueError, match="null byte"):
        ring.statx("fi\0le", buffer)
    buffer.append(0)


def test_changes_of_directories(ring: Ring, folder: tuple[Path, int], needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.LINKAT)
    where, dir_fd = folder
    ring.mkdirat(where / "sub", 0o700)
    assert result(ring) == 0
    assert (where / "sub").stat().st_mode & 0o777 == 0o700
    (where / "one").write_text("one")
    ring.linkat("one", where / "sub" / "hard", old_dir_fd=dir_fd)
    assert result(ring) == 0
    assert (where / "one").stat().st_nlink == 2
    ring.symlinkat("sub/hard", "soft", dir_fd=dir_fd)
    assert result(ring) == 0
    assert (where / "soft").readlink() == Path("sub/hard")
    assert (where / "soft").read_text() == "one"
    ring.renameat("one", "two", old_dir_fd=dir_fd, new_dir_fd=dir_fd)
    assert result(ring) == 0
    assert sorted(path.name for path in where.iterdir()) == ["soft", "sub", "two"]
    ring.renameat(where / "two", where / "sub" / "hard", rename_flags=RENAME_NOREPLACE)
    assert result(ring) == -errno.EEXIST
    ring.unlinkat("soft", dir_fd=dir_fd)
    assert result(ring) == 0
    ring.unlinkat("sub", dir_fd=dir_fd, at_flags=AT_REMOVEDIR)
    assert result(ring) == -errno.ENOTEMPTY


def test_extended_attributes(ring: Ring, folder: tuple[Path, int], needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.GETXATTR)
    path = folder[0] / "file"
    path.write_text("x")
    ring.setxattr(path, "user.colour", b"green")
    status = result(ring)
    if status == -errno.EOPNOTSUPP:
        pytest.skip("this file system has no extended attributes of users")
    assert status == 0
    assert os.getxattr(path, "user.colour") == b"green"
    buffer = bytearray(32)
    ring.getxattr(path, b"user.colour", buffer)
    assert result(ring) == 5
    assert bytes(buffer[:5]) == b"green"
    with path.open("rb") as file:
        ring.setxattr(None, "user.colour", b"blue", fd=file, xattr_flags=os.XATTR_REPLACE)
        assert result(ring) == 0
        ring.getxattr(None, "user.colour", buffer, fd=file)
        assert result(ring) == 4
        ring.setxattr(None, "user.colour", b"red", fd=file, xattr_flags=os.XATTR_CREATE)
        assert result(ring) == -errno.EEXIST
        with pytest.raises(TypeError, match="a path, or None and fd="):
            ring.getxattr(path, "user.colour", buffer, fd=file)
    ring.getxattr(path, "user.none", buffer)
    assert result(ring) == -errno.ENODATA
    with pytest.raises(TypeError, match="a path, or None and fd="):
        ring.getxattr(None, "user.colour", buffer)
