"""Row `iocp`: Python's share of a completion on Windows, the kernel's part being a queue in memory."""

from __future__ import annotations

import collections
import ctypes
import importlib
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.row import Case, Goal, Implementation, Metric, Row, Values
from bench.windows import run_under_wine

#: Completions that are under way at once, and that one call may take.
BATCH = 64
SIZE = 64
KEY = 0x1234
#: What posted packets refer to where they must refer to something.
SOMETHING = 8

#: Only Windows' ctypes has it.
WinDLL: Any = getattr(ctypes, "WinDLL", None)


def memory_queue(module: str = "") -> Any:
    """memory_queue.dll, in place of the calls that the module imports."""
    folder = next(path for path in map(Path, sys.path) if (path / "memory_queue.dll").exists())
    library = WinDLL(str(folder / "memory_queue.dll"))
    if module:
        loaded = WinDLL("kernel32").GetModuleHandleW
        loaded.restype, loaded.argtypes = ctypes.c_void_p, [ctypes.c_wchar_p]
        library.replace_calls.argtypes = [ctypes.c_void_p]
        replaced = library.replace_calls(loaded(importlib.import_module(module).__file__))
        assert replaced >= 4, f"{module} imports only {replaced} of the calls"
    return library


class Overlapped(ctypes.Structure):
    _fields_ = (
        ("Internal", ctypes.c_size_t),
        ("InternalHigh", ctypes.c_size_t),
        ("Offset", ctypes.c_uint64),
        ("hEvent", ctypes.c_void_p),
    )


class WsaBuf(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint32), ("buf", ctypes.c_void_p))


def with_ctypes(work: str, seconds: float) -> Values:
    library, entry = memory_queue(), struct.Struct("<QQQL4x")
    post, take, receive = library.memory_post, library.memory_take_many, library.memory_receive
    dword, pointer = ctypes.c_uint32, ctypes.c_void_p
    post.argtypes = [pointer, dword, ctypes.c_size_t, pointer]
    take.argtypes = [pointer, pointer, dword, pointer, dword, ctypes.c_int]
    receive.argtypes = [ctypes.c_size_t, pointer, dword, pointer, pointer, pointer, pointer]
    packets, found, flags = ctypes.create_string_buffer(entry.size * BATCH), dword(), dword()
    count, flag, view = ctypes.byref(found), ctypes.byref(flags), memoryview(packets)
    buffer = (ctypes.c_char * SIZE)()
    address, numbers = ctypes.addressof(buffer), [sock.fileno() for sock in sockets()]
    known: dict[int, object] = {}

    def posts() -> None:
        for number in range(BATCH):
            post(1, 1, number, SOMETHING)
        take(1, packets, BATCH, count, 1000, 0)
        for _key, _overlapped, _status, _bytes in entry.iter_unpack(view[: entry.size * found.value]):
            pass

    def receives() -> None:
        for number in numbers:
            overlapped, one = Overlapped(), WsaBuf(SIZE, address)
            receive(number, ctypes.byref(one), 1, None, flag, ctypes.byref(overlapped), None)
            known[ctypes.addressof(overlapped)] = overlapped, one, number
        take(1, packets, BATCH, count, 1000, 0)
        for _key, place, _status, _bytes in entry.iter_unpack(view[: entry.size * found.value]):
            known.pop(place)

    return per_completion(posts if work == "post" else receives, seconds)


def with_overlapped(work: str, seconds: float) -> Values:
    _overlapped = importlib.import_module("_overlapped")  # the standard library's, for asyncio

    memory_queue("_overlapped")
    post, take = _overlapped.PostQueuedCompletionStatus, _overlapped.GetQueuedCompletionStatus
    port = _overlapped.CreateIoCompletionPort(_overlapped.INVALID_HANDLE_VALUE, 0, 0, 0)
    buffer, kept = bytearray(SIZE), sockets()
    numbers = [sock.fileno() for sock in kept]
    for number in numbers:
        _overlapped.CreateIoCompletionPort(number, port, KEY, 0)
    known: dict[int, tuple[Any, int]] = {}

    def posts() -> None:
        for number in range(BATCH):
            post(port, 1, number, SOMETHING)
        for _ in range(BATCH):
            take(port, 1000)

    def receives() -> None:
        for number in numbers:
            overlapped = _overlapped.Overlapped(0)
            overlapped.WSARecvInto(number, buffer, 0)
            known[overlapped.address] = overlapped, number
        for _ in range(BATCH):
            _error, _bytes, _key, address = take(port, 1000)
            overlapped, _token = known.pop(address)
            overlapped.getresult()

    return per_completion(posts if work == "post" else receives, seconds)


def with_iocp(work: str, seconds: float) -> Values:
    assert work == "post"
    from compl_iocp import Iocp

    memory_queue("compl_iocp._native")
    port: Iocp = Iocp()
    post, take = port.post, port.get_many

    def posts() -> None:
        for number in range(BATCH):
            post(number, 1)
        take(BATCH)

    return per_completion(posts, seconds)


def with_port(work: str, seconds: float) -> Values:
    from compl_iocp import IocpPort

    memory_queue("compl_iocp._native")
    port: IocpPort = IocpPort()
    kept, buffer = sockets(), bytearray(SIZE)
    for sock in kept:
        port.register(sock, KEY)
    post, recv, wait = port.post, port.recv, port.wait

    def posts() -> None:
        for number in range(BATCH):
            post(number, 1)
        wait(BATCH)

    def receives() -> None:
        for number, sock in enumerate(kept):
            recv(sock, buffer, 0, number)
        left = BATCH
        while left:
            left -= len(wait(BATCH))

    return per_completion(posts if work == "post" else receives, seconds)


def sockets() -> list[socket.socket]:
    """One for each completion that is under way: they only lend their numbers."""
    return [socket.socket() for _ in range(BATCH)]


def per_completion(batch: Callable[[], None], seconds: float) -> Values:
    """The least of nine parts: whatever disturbs a loop in memory adds to it."""
    count, spent = 1, 0.0
    while spent < seconds / 9:
        count *= 2
        started = time.perf_counter()
        for _ in range(count):
            batch()
        spent = time.perf_counter() - started
    parts = collections.deque[float](maxlen=9)
    for _ in range(9):
        started = time.perf_counter()
        for _ in range(count):
            batch()
        parts.append(time.perf_counter() - started)
    # The process ends here: what is still registered somewhere must not be let go of through replaced calls.
    print(f'{{"share": {min(parts) / count / BATCH * 1e9}}}', flush=True)
    os._exit(0)


ROW = Row(
    name="iocp",
    title="Python's share of a completion on Windows",
    description=(
        f"Under Wine, the calls on the completion port replaced by a queue in memory: {BATCH} packets are posted, or "
        f"{BATCH} receives of one socket each are begun, and all of them taken, their tokens found again."
    ),
    cases=(Case("post and take", {"work": "post"}), Case("receive", {"work": "receive"})),
    metrics=(Metric("share", "Python's share", "ns per completion"),),
    implementations=(
        Implementation("_overlapped", with_overlapped),
        Implementation("ctypes", with_ctypes),
        Implementation("Iocp", with_iocp, ours=True, cases=frozenset({"post and take"})),
        Implementation("IocpPort", with_port, ours=True),
    ),
    goals=(
        Goal("IocpPort", "ctypes", "share", ("post and take", "receive"), 0.35),
        Goal("IocpPort", "_overlapped", "share", ("post and take", "receive"), 1.0),
    ),
    observe=run_under_wine,
    seconds=1.0,
)
