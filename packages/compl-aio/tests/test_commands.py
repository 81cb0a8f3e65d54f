"""Every command of a control block, and what the kernel refuses."""

from __future__ import annotations

import errno
import mmap
import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from compl_aio import EventArray, IocbCmd, IocbFlags, IoContext, IoControlBlock


def run(context: IoContext, block: IoControlBlock) -> int:
    """The result of one block."""
    events = EventArray(1)
    assert context.submit([block]) == 1
    assert context.get_events(1, events, 30) == 1
    assert events[0].obj == block.address
    return events[0].res


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_read_and_write_at_an_offset(context: IoContext, file: Path) -> None:
    with file.open("r+b", buffering=0) as opened:
        buffer = bytearray(4)
        assert run(context, IoControlBlock(IocbCmd.PREAD, opened, buffer, 3)) == 4
        assert buffer == b"3456"
        assert run(context, IoControlBlock(IocbCmd.PWRITE, opened, b"abc", 8)) == 3
        assert file.read_bytes() == b"01234567abc"
        assert run(context, IoControlBlock(IocbCmd.PREAD, opened, buffer, 11)) == 0
        assert opened.tell() == 0


def test_several_buffers(context: IoContext, file: Path) -> None:
    with file.open("r+b", buffering=0) as opened:
        buffers = [bytearray(2), bytearray(0), bytearray(5)]
        block = IoControlBlock(IocbCmd.PREADV, opened, buffers, 1)
        assert block.aio_nbytes == 3
        assert run(context, block) == 7
        assert buffers == [b"12", b"", b"34567"]
        assert run(context, IoControlBlock(IocbCmd.PWRITEV, opened, [b"AB", memoryview(b"CD")], 0)) == 4
        assert file.read_bytes() == b"ABCD456789"


@pytest.mark.parametrize("command", [IocbCmd.FSYNC, IocbCmd.FDSYNC])
def test_syncing(context: IoContext, file: Path, command: IocbCmd) -> None:
    with file.open("r+b", buffering=0) as opened:
        assert run(context, IoControlBlock(command, opened)) == 0


def test_past_the_page_cache(context: IoContext, direct: int, page: Callable[[], mmap.mmap]) -> None:
    memory = page()
    assert run(context, IoControlBlock(IocbCmd.PREAD, direct, memory, 4096 * 7)) == 4096
    assert memory[:] == b"\x07" * 4096
    memory[:] = b"z" * 4096
    assert run(context, IoControlBlock(IocbCmd.PWRITE, direct, memory, 4096)) == 4096
    again = page()
    assert run(context, IoControlBlock(IocbCmd.PREAD, direct, again, 4096)) == 4096
    assert again[:] == b"z" * 4096


def test_misaligned_past_the_page_cache(context: IoContext, direct: int, page: Callable[[], mmap.mmap]) -> None:
    """Told by the event, not by io_submit."""
    assert run(context, IoControlBlock(IocbCmd.PREAD, direct, memoryview(page())[1:], 1)) == -errno.EINVAL


def test_polls(context: IoContext, pipe: tuple[int, int]) -> None:
    assert run(context, IoControlBlock(IocbCmd.POLL, pipe[1], select.POLLOUT)) == select.POLLOUT
    os.write(pipe[1], b"x")
    assert run(context, IoControlBlock(IocbCmd.POLL, pipe[0], select.POLLIN | select.POLLOUT)) == select.POLLIN


def test_nowait(context: IoContext, pipe: tuple[int, int]) -> None:
    """rw_flags reach the kernel: without RWF_NOWAIT this io_submit would block."""
    block = IoControlBlock(IocbCmd.PREAD, pipe[0], bytearray(1), aio_rw_flags=os.RWF_NOWAIT)
    assert run(context, block) == -errno.EAGAIN


def test_priorities(context: IoContext, file: Path) -> None:
    """IOPRIO_CLASS_BE, level 3; a class that does not exist is refused."""
    with file.open("rb", buffering=0) as opened:
        block = IoControlBlock(IocbCmd.PREAD, opened, bytearray(4), aio_reqprio=2 << 13 | 3, aio_flags=IocbFlags.IOPRIO)
        assert run(context, block) == 4
        block.aio_reqprio = 3 << 13 | 5 << 10
        block = IoControlBlock(IocbCmd.PREAD, opened, bytearray(4), aio_reqprio=-1, aio_flags=IocbFlags.IOPRIO)
        with pytest.raises(OSError, match="io_submit") as caught:
            context.submit([block])
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("opcode", [IocbCmd.NOOP, 4, 99])
def test_commands_that_the_kernel_refuses(context: IoContext, opcode: int) -> None:
    with pytest.raises(OSError, match="io_submit") as caught:
        context.submit([IoControlBlock(opcode, 0)])
    assert caught.value.errno == errno.EINVAL
    assert context.in_flight == 0


def test_a_closed_file(context: IoContext, file: Path) -> None:
    opened = file.open("rb", buffering=0)
    opened.close()
    with pytest.raises(OSError, match="io_submit") as caught:
        context.submit([IoControlBlock(IocbCmd.FSYNC, opened)])
    assert caught.value.errno == errno.EBADF


def test_syncing_a_pipe(context: IoContext, pipe: tuple[int, int]) -> None:
    with pytest.raises(OSError, match="io_submit") as caught:
        context.submit([IoControlBlock(IocbCmd.FSYNC, pipe[0])])
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("bits", [1 << 16, 1 << 63])
def test_poll_bits_beyond_sixteen(context: IoContext, pipe: tuple[int, int], bits: int) -> None:
    with pytest.raises(OSError, match="io_submit") as caught:
        context.submit([IoControlBlock(IocbCmd.POLL, pipe[0], bits)])
    assert caught.value.errno == errno.EINVAL


def test_read_only_memory_is_not_read_into() -> None:
    with pytest.raises(BufferError):
        IoControlBlock(IocbCmd.PREAD, 0, b"constant")
    with pytest.raises(BufferError):
        IoControlBlock(IocbCmd.PREADV, 0, [bytearray(1), b"constant"])


@pytest.mark.parametrize(
    ("arguments", "named", "error"),
    [
        ((-1, 0), {}, OverflowError),
        ((1 << 16, 0), {}, OverflowError),
        ((IocbCmd.POLL, "file", 1), {}, TypeError),
        ((IocbCmd.POLL, 0, 1.5), {}, TypeError),
        ((IocbCmd.POLL, 0, -1), {}, OverflowError),
        ((IocbCmd.PREAD, 0, None), {}, TypeError),
        ((IocbCmd.PREADV, 0, 5), {}, TypeError),
        ((IocbCmd.FSYNC, 0), {"aio_data": 2**64}, OverflowError),
        ((IocbCmd.FSYNC, 0), {"aio_data": -1}, OverflowError),
        ((IocbCmd.FSYNC, 0), {"aio_data": True}, TypeError),
        ((IocbCmd.FSYNC, 0, None, 2**63), {}, OverflowError),
        ((IocbCmd.FSYNC, 0), {"aio_reqprio": 1 << 15}, OverflowError),
        ((IocbCmd.FSYNC, 0), {"aio_flags": 1 << 32}, OverflowError),
        ((IocbCmd.FSYNC, 0), {"aio_rw_flags": 1 << 31}, OverflowError),
    ],
)
def test_arguments_that_make_no_sense(
    arguments: tuple[object, ...], named: dict[str, int], error: type[Exception]
) -> None:
    with pytest.raises(error):
        IoControlBlock(*arguments, **named)  # type: ignore[arg-type]
