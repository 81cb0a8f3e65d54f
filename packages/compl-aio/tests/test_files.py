"""Files: past the page cache by the kernel, buffered ones without ever blocking in io_submit."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compl_aio import AioPort
from compl_core import Completion, CompletionFlags, Kind

VIA_THREAD = CompletionFlags.VIA_THREAD
Page = Callable[[], mmap.mmap]


def all_of(port: AioPort, count: int) -> list[Completion]:
    done: list[Completion] = []
    while len(done) < count:
        batch = port.wait(256, timeout=30)
        assert batch, f"{len(done)} of {count} within 30 s"
        done += batch
    return done


def test_the_kernel_carries_what_is_past_the_page_cache(port: AioPort, direct: int, page: Page) -> None:
    pages = [page() for _ in range(64)]
    for index, memory in enumerate(pages):
        port.read(direct, memory, 4096 * index, index)
    counters = port.statistics()
    assert counters["prepared"] == 64
    assert port.flush() == 64
    assert port.statistics()["carried"] == 64
    done = all_of(port, 64)
    assert {each.token for each in done} == set(range(64))
    assert all(each.result == 4096 and not each.flags & VIA_THREAD for each in done)
    assert all(memory[:] == bytes([index]) * 4096 for index, memory in enumerate(pages))
    assert port.statistics()["via_thread"] == 0


def test_writing_past_the_page_cache(port: AioPort, direct: int, page: Page) -> None:
    memory, again = page(), page()
    memory[:] = b"w" * 4096
    port.write(direct, memory, 4096 * 3)
    assert [(done.kind, done.result) for done in all_of(port, 1)] == [(Kind.WRITE, 4096)]
    port.read_vectored(direct, [memoryview(again)[:1024], memoryview(again)[1024:]], 4096 * 3)
    assert all_of(port, 1)[0].result == 4096
    assert again[:] == memory[:]
    port.write_vectored(direct, [memory, again], 0)
    assert all_of(port, 1)[0].result == 8192


def test_the_end_of_a_file(port: AioPort, direct: int, page: Page) -> None:
    port.read(direct, page(), 4096 * 64)
    (done,) = all_of(port, 1)
    assert (done.result, done.eof) == (0, True)


def test_what_the_kernel_says_is_data(port: AioPort, direct: int, page: Page) -> None:
    port.read(direct, memoryview(page())[1:], 1)
    (done,) = all_of(port, 1)
    assert done.result == -errno.EINVAL


@pytest.mark.parametrize("data_only", [False, True])
def test_fsync_needs_no_thread(port: AioPort, tmp_path: Path, data_only: bool) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"something")
        port.fsync(file, "synced", data_only=data_only)
        (done,) = all_of(port, 1)
    assert (done.token, done.result, done.flags) == ("synced", 0, CompletionFlags.NONE)


def test_more_than_the_context_has_room_for(port: AioPort, direct: int, page: Page) -> None:
    """The rest waits in the port, and none is lost."""
    memory = page()
    for index in range(500):
        port.read(direct, memory, 4096 * (index % 64), index)
    port.flush()
    counters = port.statistics()
    assert counters["carried"] + counters["prepared"] == 500
    assert counters["prepared"] > 0
    assert {done.token for done in all_of(port, 500)} == set(range(500))
    assert port.statistics()["carried"] == port.statistics()["prepared"] == 0


def test_what_waits_in_the_port_can_be_cancelled(port: AioPort, direct: int, page: Page) -> None:
    first = port.read(direct, page(), 0, "first")
    second = port.read(direct, page(), 4096, "second")
    assert port.cancel(second)
    assert port.statistics()["prepared"] == 2
    port.flush()
    assert port.cancel(first) in (True, False)  # the kernel has it, or is done with it: it ends as it ends
    done = {each.token: each.result for each in all_of(port, 2)}
    assert done == {"first": 4096, "second": -errno.ECANCELED}


def test_position_of_the_file(port: AioPort, direct: int, page: Page) -> None:
    """An offset of None uses and moves the file's own position, which kernel AIO does not know."""
    memory = page()
    for index in range(3):
        port.read(direct, memory)
        assert all_of(port, 1)[0].result == 4096
        assert memory[0] == index
    assert os.lseek(direct, 0, os.SEEK_CUR) == 3 * 4096


def test_a_cold_file_does_not_hold_up_the_caller(port: AioPort, tmp_path: Path) -> None:
    """io_submit of a buffered read would block until all of it is there: neither read() nor flush() does."""
    size = 64 << 20
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    buffer = bytearray(size)
    shortest = float("inf")
    with path.open("rb", buffering=0) as file:
        for _ in range(3):  # the best of them: this is about the kernel, not about a busy machine
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            started = time.monotonic()
            port.read(file, buffer, 0)
            port.flush()
            shortest = min(shortest, time.monotonic() - started)
            (done,) = all_of(port, 1)
            assert done.result == size
    assert shortest < 0.010
    assert bytes(buffer[-4096:]) == path.read_bytes()[-4096:]


def test_close_waits_for_the_kernel(direct: int, page: Page) -> None:
    """When close() returns nobody writes into the buffers any more."""
    pages = [page() for _ in range(64)]
    port = AioPort()
    for index, memory in enumerate(pages):
        port.read(direct, memory, 4096 * index)
    port.flush()
    port.close()
    for memory in pages:
        memory[:] = b"mine" * 1024
    time.sleep(0.02)  # what would still come would come now
    assert all(memory[:] == b"mine" * 1024 for memory in pages)
