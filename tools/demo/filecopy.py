"""Two ways to copy a file in chunks, several at once: on a completion port, and with asyncio's threads."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from pathlib import Path

from compl_core import CompletionPort, Kind, open_port

CHUNK = 1 << 20
#: Chunks under way at once, in either way.
DEPTH = 8


class _Chunk:
    """A piece of the file on its way: read until full or the file ends, then written until nothing is left."""

    __slots__ = ("filled", "offset", "view", "written")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(CHUNK))
        self.offset = self.filled = self.written = 0

    def move_to(self, offset: int) -> None:
        self.offset, self.filled, self.written = offset, 0, 0


class _Copy:
    """The copy as a machine: :meth:`advance` takes one completion and starts what follows from it."""

    def __init__(self, port: CompletionPort, source: io.FileIO, target: io.FileIO) -> None:
        self._port, self._source, self._target = port, source, target
        self._offsets = iter(range(0, os.fstat(source.fileno()).st_size, CHUNK))

    def start(self, chunk: _Chunk) -> None:
        offset = next(self._offsets, None)
        if offset is not None:
            chunk.move_to(offset)
            self._read(chunk)

    def advance(self, chunk: _Chunk, kind: Kind, moved: int) -> None:
        if kind is Kind.READ:
            chunk.filled += moved
            if moved and chunk.filled < CHUNK:
                self._read(chunk)
                return
        else:
            chunk.written += moved
        if chunk.written < chunk.filled:
            rest = chunk.view[chunk.written : chunk.filled]
            self._port.write(self._target, rest, chunk.offset + chunk.written, chunk)
        else:
            self.start(chunk)

    def _read(self, chunk: _Chunk) -> None:
        self._port.read(self._source, chunk.view[chunk.filled :], chunk.offset + chunk.filled, chunk)


def copy_with_port(source: Path, target: Path) -> None:
    with open_port() as port, io.FileIO(source) as reader, io.FileIO(target, "w") as writer:
        copy = _Copy(port, reader, writer)
        for _ in range(DEPTH):
            copy.start(_Chunk())
        while port.in_flight:
            for done in port.wait():
                assert isinstance(done.token, _Chunk)
                copy.advance(done.token, done.kind, done.unwrap())


def copy_with_threads(source: Path, target: Path) -> None:
    asyncio.run(_copy_with_threads(source, target))


async def _copy_with_threads(source: Path, target: Path) -> None:
    target.touch()
    offsets = iter(range(0, source.stat().st_size, CHUNK))

    async def work() -> None:
        view = memoryview(bytearray(CHUNK))
        with io.FileIO(source) as reader, io.FileIO(target, "r+") as writer:
            for offset in offsets:
                reader.seek(offset)
                writer.seek(offset)
                filled = await asyncio.to_thread(reader.readinto, view)
                written = 0
                while written < filled:
                    written += await asyncio.to_thread(writer.write, view[written:filled])

    async with asyncio.TaskGroup() as group:
        for _ in range(DEPTH):
            group.create_task(work())


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
