"""Rules of the area *model*: through random sequences of reads and writes a file holds what it should."""

from __future__ import annotations

import io
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import rule as step

from compl_conformance.expect import expect, expect_completion, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.exploring import explore
from compl_conformance.scenarios.payload import expect_bytes
from compl_conformance.sources import Sources
from compl_core import Backend, Capability, CompletionPort, Kind

OFFSETS = st.none() | st.integers(0, 300) | st.integers(0, 20_000)
DATA = st.binary(max_size=300) | st.binary(min_size=5000, max_size=5000)
LENGTHS = st.integers(0, 400) | st.just(8192)


class FileMachine(RuleBasedStateMachine):
    """A file through the port, and the same steps on a BytesIO."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.port = backend.open()
        self.directory = Path(tempfile.mkdtemp(prefix="compl-conformance-"))
        self.path = self.directory / "file"
        self.path.touch()
        self.file = self.path.open("r+b", buffering=0)
        self.model = io.BytesIO()

    @step(data=DATA, offset=OFFSETS)
    def write(self, data: bytes, offset: int | None) -> None:
        self.port.write(self.file, data, offset)
        expect_completion(wait_one(self.port), result=self._model_write(data, offset), kind=Kind.WRITE, error=None)

    @step(pieces=st.lists(DATA, min_size=1, max_size=6), offset=OFFSETS)
    def write_vectored(self, pieces: list[bytes], offset: int | None) -> None:
        self.port.write_vectored(self.file, pieces, offset)
        wanted = self._model_write(b"".join(pieces), offset)
        expect_completion(wait_one(self.port), result=wanted, kind=Kind.WRITE, error=None)

    @step(length=LENGTHS, offset=OFFSETS)
    def read(self, length: int, offset: int | None) -> None:
        buffer = bytearray(length)
        self.port.read(self.file, buffer, offset)
        self._expect_read(buffer, offset)

    @step(lengths=st.lists(LENGTHS, min_size=1, max_size=6), offset=OFFSETS)
    def read_vectored(self, lengths: list[int], offset: int | None) -> None:
        buffers = [bytearray(length) for length in lengths]
        self.port.read_vectored(self.file, buffers, offset)
        done = wait_one(self.port)
        wanted = self._model_read(sum(lengths), offset)
        expect_completion(done, result=len(wanted), error=None, eof=bool(sum(lengths)) and not wanted)
        expect_bytes(b"".join(buffers)[: len(wanted)], wanted, "the buffers")

    @step(lengths=st.lists(LENGTHS, min_size=2, max_size=8))
    def read_on_and_on(self, lengths: list[int]) -> None:
        """Several reads without an offset, all in flight at once."""
        buffers = [bytearray(length) for length in lengths]
        for index, buffer in enumerate(buffers):
            self.port.read(self.file, buffer, None, index)
        done = sorted(wait_for(self.port, len(buffers)), key=lambda one: int(str(one.token)))
        for one, buffer in zip(done, buffers, strict=True):
            wanted = self._model_read(len(buffer), None)
            expect_completion(one, result=len(wanted), error=None, eof=bool(buffer) and not wanted)
            expect_bytes(buffer[: len(wanted)], wanted)

    @step(pieces=st.lists(DATA, min_size=2, max_size=8))
    def write_on_and_on(self, pieces: list[bytes]) -> None:
        """Several writes without an offset, all in flight at once."""
        for piece in pieces:
            self.port.write(self.file, piece)
        for done in wait_for(self.port, len(pieces)):
            expect_completion(done, kind=Kind.WRITE, error=None)
        self._model_write(b"".join(pieces), None)

    @step(position=st.integers(0, 20_000))
    def seek(self, position: int) -> None:
        self.file.seek(position)
        self.model.seek(position)

    @step(size=st.integers(0, 20_000))
    def truncate(self, size: int) -> None:
        self.file.truncate(size)
        position = self.model.tell()
        self.model.truncate(size)
        self.model.seek(0, os.SEEK_END)
        self.model.write(bytes(size - self.model.tell()))
        self.model.seek(position)

    @step(data_only=st.booleans())
    def fsync(self, data_only: bool) -> None:
        self.port.fsync(self.file, data_only=data_only)
        expect_completion(wait_one(self.port), result=0, kind=Kind.FSYNC, error=None)

    def _expect_read(self, buffer: bytearray, offset: int | None) -> None:
        done = wait_one(self.port)
        wanted = self._model_read(len(buffer), offset)
        expect_completion(done, result=len(wanted), kind=Kind.READ, error=None, eof=bool(buffer) and not wanted)
        expect_bytes(buffer[: len(wanted)], wanted)

    def _model_read(self, length: int, offset: int | None) -> bytes:
        if offset is None:
            return self.model.read(length)
        return self.model.getvalue()[offset : offset + length]

    def _model_write(self, data: bytes, offset: int | None) -> int:
        position = self.model.tell()
        if offset is not None:
            self.model.seek(offset)
        self.model.write(data)
        if offset is not None:
            self.model.seek(position)
        return len(data)

    def teardown(self) -> None:
        try:
            if sys.exception() is None:  # else the step that failed says more
                expect(self.file.tell() == self.model.tell(), f"position {self.model.tell()}", self.file.tell())
                expect_bytes(self.path.read_bytes(), self.model.getvalue(), "the file")
        finally:
            self.port.close()
            self.file.close()
            shutil.rmtree(self.directory)


@rule("model/3", needs=Capability.FILE_IO | Capability.VECTORED, timeout=60)
def test_files(backend: Backend, port: CompletionPort, sources: Sources, rng: random.Random) -> None:
    """Through any sequence of reads, writes and seeks a file and its position are what plain calls would have made of
    them.
    """
    port.read_vectored(sources.file(), [bytearray(1)])  # refused at once where file I/O is not declared
    explore(lambda: FileMachine(backend), rng)
