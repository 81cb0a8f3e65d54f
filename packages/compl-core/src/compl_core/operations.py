"""The port's operations as data: ``port.submit(Read(f, buf, 0))`` equals ``port.read(f, buf, 0)``.

For batches, backlogs and handlers that return what to do next.  A closed set: one frozen dataclass per method, its
fields the method's parameters in order, without the token.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from compl_core.buffers import BufferPool
    from compl_core.completion import Interest
    from compl_core.port import Address, CompletionPort, FileLike, OperationId, ReadableBuffer, WritableBuffer


class _Base:
    __slots__: tuple[str, ...] = ()
    method: ClassVar[str]
    #: Fields that the method takes by keyword only.
    keywords: ClassVar[frozenset[str]] = frozenset()

    def start(self, port: CompletionPort, token: object = None) -> OperationId:
        """Call the method that this operation stands for."""
        values = {name: getattr(self, name) for name in self.__slots__}
        # None stands for "not asked for": left out, a port that knows nothing of it is asked nothing.
        named = {name: value for name in self.keywords if (value := values.pop(name)) is not None}
        started: OperationId = getattr(port, self.method)(*values.values(), token=token, **named)
        return started


@dataclasses.dataclass(frozen=True, slots=True)
class Nop(_Base):
    method: ClassVar[str] = "nop"


@dataclasses.dataclass(frozen=True, slots=True)
class Timeout(_Base):
    method: ClassVar[str] = "timeout"
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Read(_Base):
    method: ClassVar[str] = "read"
    file: FileLike
    buffer: WritableBuffer
    offset: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Write(_Base):
    method: ClassVar[str] = "write"
    file: FileLike
    buffer: ReadableBuffer
    offset: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ReadVectored(_Base):
    method: ClassVar[str] = "read_vectored"
    file: FileLike
    buffers: Sequence[WritableBuffer]
    offset: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class WriteVectored(_Base):
    method: ClassVar[str] = "write_vectored"
    file: FileLike
    buffers: Sequence[ReadableBuffer]
    offset: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Fsync(_Base):
    method: ClassVar[str] = "fsync"
    keywords: ClassVar[frozenset[str]] = frozenset({"data_only"})
    file: FileLike
    data_only: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Recv(_Base):
    method: ClassVar[str] = "recv"
    keywords: ClassVar[frozenset[str]] = frozenset({"pool"})
    sock: FileLike
    buffer: WritableBuffer | None = None
    flags: int = 0
    pool: BufferPool | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Send(_Base):
    method: ClassVar[str] = "send"
    sock: FileLike
    buffer: ReadableBuffer
    flags: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SendAll(_Base):
    method: ClassVar[str] = "send_all"
    sock: FileLike
    buffer: ReadableBuffer


@dataclasses.dataclass(frozen=True, slots=True)
class RecvExactly(_Base):
    method: ClassVar[str] = "recv_exactly"
    sock: FileLike
    buffer: WritableBuffer


@dataclasses.dataclass(frozen=True, slots=True)
class RecvFrom(_Base):
    method: ClassVar[str] = "recv_from"
    sock: FileLike
    buffer: WritableBuffer
    flags: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SendTo(_Base):
    method: ClassVar[str] = "send_to"
    sock: FileLike
    buffer: ReadableBuffer
    address: Address
    flags: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Accept(_Base):
    method: ClassVar[str] = "accept"
    keywords: ClassVar[frozenset[str]] = frozenset({"multishot"})
    sock: FileLike
    multishot: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Connect(_Base):
    method: ClassVar[str] = "connect"
    sock: FileLike
    address: Address


@dataclasses.dataclass(frozen=True, slots=True)
class Poll(_Base):
    method: ClassVar[str] = "poll"
    file: FileLike
    interest: Interest


@dataclasses.dataclass(frozen=True, slots=True)
class CloseFile(_Base):
    method: ClassVar[str] = "close_file"
    file: FileLike


Operation: TypeAlias = (
    Nop
    | Timeout
    | Read
    | Write
    | ReadVectored
    | WriteVectored
    | Fsync
    | Recv
    | Send
    | SendAll
    | RecvExactly
    | RecvFrom
    | SendTo
    | Accept
    | Connect
    | Poll
    | CloseFile
)
