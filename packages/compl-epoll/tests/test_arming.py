"""What the kernel is asked to watch: once per file for operations, as long as it is wanted for a registration."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from compl_core import Completion, Interest, Kind
from compl_epoll import EpollEvents, EpollPort

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE
Pair = tuple[socket.socket, socket.socket]


class Watched(NamedTuple):
    """One entry of an epoll set, as proc_pid_fdinfo(5) shows it."""

    mask: EpollEvents
    data: int


def epoll_sets() -> set[str]:
    """Descriptors of this process."""
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return {path.name for path in links if str(path.readlink()) == "anon_inode:[eventpoll]"}


@pytest.fixture
def inspected() -> Iterator[tuple[EpollPort, Path]]:
    """A port, and where the kernel shows its epoll set."""
    before = epoll_sets()
    with EpollPort() as port:
        (number,) = epoll_sets() - before
        yield port, Path("/proc/self/fdinfo", number)


def watched(info: Path) -> dict[int, Watched]:
    """What the set watches, by descriptor."""
    found = re.findall(r"tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)", info.read_text())
    return {int(fd): Watched(EpollEvents(int(mask, 16)), int(data, 16)) for fd, mask, data in found}


def kinds(completions: list[Completion]) -> list[Kind]:
    return sorted(done.kind for done in completions)


# ---- operations -----------------------------------------------------------------------------------------------------


def test_what_is_there_needs_no_watching(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, right = pair
    before = watched(info)
    for _ in range(3):
        right.send(b"x")
        port.recv(left, bytearray(10))
        port.send(left, b"y")
        assert len(port.wait(timeout=0, min_completions=2)) == 2
    assert watched(info) == before


def test_armed_once_and_left(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, right = pair
    port.recv(left, bytearray(10))
    armed = watched(info)[left.fileno()]
    assert EpollEvents.ET | EpollEvents.IN in armed.mask
    assert EpollEvents.OUT not in armed.mask
    for _ in range(5):
        right.send(b"x")
        assert len(port.wait(timeout=30)) == 1
        assert watched(info)[left.fileno()] == armed
        port.recv(left, bytearray(10))
    assert watched(info)[left.fileno()] == armed


def test_the_other_direction_is_added(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, right = pair
    port.recv(left, bytearray(10), 0, "recv")
    port.send_all(left, bytes(1 << 22), "send")
    both = watched(info)[left.fileno()].mask
    assert EpollEvents.ET | EpollEvents.IN | EpollEvents.OUT in both
    right.send(b"x")
    received = 0
    done = []
    while received < 1 << 22:
        received += len(right.recv(1 << 20))
        done += port.wait(timeout=0)
    done += port.wait(timeout=30) if len(done) < 2 else []
    assert sorted((str(each.token), each.result) for each in done) == [("recv", 1), ("send", 1 << 22)]
    assert watched(info)[left.fileno()].mask == both


def test_cancelling_leaves_it_armed(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, right = pair
    port.cancel(port.recv(left, bytearray(10)))
    port.recv(left, bytearray(10), 0, "second")
    right.send(b"x")
    assert {done.token: done.result for done in port.wait(timeout=30, min_completions=2)}["second"] == 1
    assert len([fd for fd in watched(info) if fd == left.fileno()]) == 1


def test_close_file_disarms(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, _ = pair
    number = left.fileno()
    before = watched(info)
    port.recv(left, bytearray(10))
    duplicate = os.dup(number)
    port.close_file(left)
    port.wait(timeout=30, min_completions=2)
    assert watched(info) == before  # although the file lives on
    os.close(duplicate)


STRACED = """
    import os, socket, sys
    from compl_epoll import EpollPort

    with EpollPort() as port:
        left, right = socket.socketpair()
        with left, right:
            os.write(1, b"-- begin\\n")
            for _ in range(200):
                port.recv(left, bytearray(10))
                right.send(b"x")
                port.wait()
            os.write(1, b"-- end\\n")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (Debian: apt-get install strace)")
def test_no_call_per_operation(tmp_path: Path) -> None:
    """200 receives, each of which has to wait: one epoll_ctl for all of them."""
    trace = tmp_path / "trace"
    tracing = ["strace", "-f", "-o", str(trace), "-e", "trace=epoll_ctl,write"]
    program = [sys.executable, "-c", textwrap.dedent(STRACED)]
    done = subprocess.run([*tracing, *program], capture_output=True, text=True, timeout=100, check=False)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(f"strace may not trace here: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    begin, end = (next(n for n, line in enumerate(lines) if mark in line) for mark in ("-- begin", "-- end"))
    assert [line for line in lines[begin:end] if "epoll_ctl" in line][1:] == []


# ---- operations on a file that is watched for its registration ------------------------------------------------------


def test_a_queued_operation_beside_an_interest(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    port.register(left, 1, READABLE)
    buffer = bytearray(10)
    port.recv(left, buffer, 0, "recv")
    assert port.wait(timeout=0) == []
    right.send(b"abc")
    done = port.wait(timeout=30)
    assert [each.result for each in done if each.kind is Kind.RECV] == [3]
    assert all(each.key == 1 for each in done)
    assert port.wait(timeout=0) == []  # the operation took it all
    right.send(b"d")
    assert kinds(port.wait(timeout=30)) == [Kind.READY]
    port.recv(left, buffer)
    assert Kind.RECV in kinds(port.wait(timeout=30))
    assert port.wait(timeout=0) == []


def test_reading_and_writing_at_once(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    port.register(left, 1, READABLE | WRITABLE)
    payload = os.urandom(1 << 20)
    port.send_all(left, payload, "send")
    port.recv(left, bytearray(10), 0, "recv")
    received = bytearray()
    done: list[Completion] = []
    right.send(b"x")
    while len(received) < len(payload):
        received += right.recv(1 << 20)
        done += port.wait(timeout=0)
    while len({each.token for each in done if each.kind is not Kind.READY}) < 2:
        done += port.wait(timeout=30)
    results = {each.token: each.result for each in done if each.kind is not Kind.READY}
    assert results == {"send": 1 << 20, "recv": 1}
    assert received == payload
    assert [each.readiness for each in port.wait(timeout=0)] == [WRITABLE]


def test_operations_outlive_the_registration(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    left, right = pair
    port.register(left, 1, READABLE)
    assert EpollEvents.ET not in watched(info)[left.fileno()].mask
    port.recv(left, bytearray(10), 0, "recv")
    port.unregister(left)
    assert EpollEvents.ET in watched(info)[left.fileno()].mask
    right.send(b"x")
    (done,) = port.wait(timeout=30)
    assert (done.token, done.result) == ("recv", 1)
    right.send(b"x")
    assert port.wait(timeout=0) == []


def test_unregistered_and_idle_is_not_watched(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    before = watched(info)
    port.register(pair[0], 1, READABLE)
    assert watched(info) != before
    port.unregister(pair[0])
    assert watched(info) == before


def test_registered_without_an_interest_is_not_watched(inspected: tuple[EpollPort, Path], pair: Pair) -> None:
    port, info = inspected
    before = watched(info)
    port.register(pair[0], 1)
    assert watched(info) == before
    port.modify(pair[0], interest=WRITABLE)
    assert EpollEvents.OUT in watched(info)[pair[0].fileno()].mask
    port.modify(pair[0], interest=Interest.NONE)
    assert watched(info) == before


def test_oneshot_beside_operations(port: EpollPort, pair: Pair) -> None:
    """Disarmed for its registration, the file goes on being watched for its operations."""
    left, right = pair
    port.register(left, 1, READABLE, oneshot=True)
    port.recv(left, bytearray(1), 0, "first")
    right.send(b"ab")
    done = port.wait(timeout=30)
    done += port.wait(timeout=0)
    assert kinds(done) == [Kind.READY, Kind.RECV]
    port.recv(left, bytearray(10), 0, "second")
    port.recv(left, bytearray(10), 0, "third")
    assert [each.token for each in port.wait(timeout=30)] == ["second"]
    right.send(b"c")
    assert [each.token for each in port.wait(timeout=30)] == ["third"]
    right.send(b"d")
    assert port.wait(timeout=0) == []
    port.modify(left)
    assert kinds(port.wait(timeout=30)) == [Kind.READY]
    assert port.wait(timeout=0) == []


def test_an_interest_comes_to_an_armed_file(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    port.recv(left, bytearray(10), 0, "recv")
    right.send(b"x")
    assert kinds(port.wait(timeout=30)) == [Kind.RECV]
    right.send(b"y")  # an edge that is gone by then
    assert port.wait(timeout=0) == []
    port.register(left, 1, READABLE)
    assert [kinds(port.wait(timeout=30)) for _ in range(3)] == [[Kind.READY]] * 3
    port.unregister(left)
    port.recv(left, bytearray(10))
    assert kinds(port.wait(timeout=0)) == [Kind.RECV]


def test_polls_beside_operations_and_interests(port: EpollPort, pair: Pair) -> None:
    left, right = pair
    port.poll(left, READABLE, "first")
    port.poll(left, READABLE, "second")
    port.recv(left, bytearray(1), 0, "recv")
    port.register(left, 1, READABLE)
    right.send(b"ab")
    done = port.wait(timeout=30)
    assert sorted(str(each.token) for each in done if each.kind is not Kind.READY) == ["first", "recv", "second"]
    port.recv(left, bytearray(10))
    port.wait(timeout=30)
    port.poll(left, READABLE, "third")
    assert port.wait(timeout=0) == []
    right.send(b"c")
    assert Kind.POLL in kinds(port.wait(timeout=30))
