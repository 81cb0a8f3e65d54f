"""read, write, fsync.

Only on POSIX.  On Windows the standard library can neither wait for a pipe nor cancel a read of one, so the port
does not declare FILE_IO there, and the methods stay what they are in the base class: a refusal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compl_example.submission import Submission

if TYPE_CHECKING:
    from compl_core import FileLike, OperationId, ReadableBuffer, WritableBuffer

if sys.platform != "win32":
    from compl_core import Kind
    from compl_example import checks
    from compl_example.buffers import Exports
    from compl_example.nature import Nature
    from compl_example.operation import Pending
    from compl_example.sockets import ReadSocket, WriteSocket
    from compl_example.source import Source
    from compl_example.storage import ReadStorage, Sync, WriteStorage
    from compl_example.streams import ReadStream, WriteStream

    class FileOperations(Submission):
        """What any file can do that holds bytes or carries them."""

        def read(
            self, file: FileLike, buffer: WritableBuffer, offset: int | None = None, token: object = None
        ) -> OperationId:
            with self._exported("read", [buffer], writable=True) as exports:
                return self._read("read", file, exports, offset, token)

        def read_vectored(
            self, file: FileLike, buffers: Sequence[WritableBuffer], offset: int | None = None, token: object = None
        ) -> OperationId:
            with self._exported("read_vectored", checks.several(buffers), writable=True) as exports:
                return self._read("read_vectored", file, exports, offset, token)

        def write(
            self, file: FileLike, buffer: ReadableBuffer, offset: int | None = None, token: object = None
        ) -> OperationId:
            with self._exported("write", [buffer], writable=False) as exports:
                return self._write("write", file, exports, offset, token)

        def write_vectored(
            self, file: FileLike, buffers: Sequence[ReadableBuffer], offset: int | None = None, token: object = None
        ) -> OperationId:
            with self._exported("write_vectored", checks.several(buffers), writable=False) as exports:
                return self._write("write_vectored", file, exports, offset, token)

        def fsync(self, file: FileLike, token: object = None, *, data_only: bool = False) -> OperationId:
            return self._begin("fsync", Kind.FSYNC, file, token, lambda source: Sync(source, bool(data_only)))

        def _read(self, method: str, file: FileLike, exports: Exports, offset: Any, token: object) -> OperationId:
            place = checks.offset(offset)

            def choose(source: Source) -> Pending | int:
                self._check_place(source, place, method)
                if not exports.length:
                    return 0
                match source.nature:
                    case Nature.STORAGE:
                        return ReadStorage(source, exports, place)
                    case Nature.STREAM:
                        return ReadStream(source, exports)
                    case Nature.SOCKET:
                        return ReadSocket(source, exports, 0)

            return self._begin(method, Kind.READ, file, token, choose, exports)

        def _write(self, method: str, file: FileLike, exports: Exports, offset: Any, token: object) -> OperationId:
            place = checks.offset(offset)

            def choose(source: Source) -> Pending | int:
                self._check_place(source, place, method)
                if not exports.length:
                    return 0
                match source.nature:
                    case Nature.STORAGE:
                        return WriteStorage(source, exports, place)
                    case Nature.STREAM:
                        return WriteStream(source, exports)
                    case Nature.SOCKET:
                        return WriteSocket(source, exports, 0)

            return self._begin(method, Kind.WRITE, file, token, choose, exports)

        def _check_place(self, source: Source, place: int | None, method: str) -> None:
            if place is not None and source.nature is not Nature.STORAGE:
                raise ValueError(
                    f"{self.name} port: {method}(): fd {source.number} is a pipe, socket or terminal, "
                    f"which has no offset {place}; use offset=None"
                )

else:

    class FileOperations(Submission):
        """Nothing."""
