"""recv, send, accept, connect and their kin."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from compl_core import Kind
from compl_core.errors import foreign_pool
from compl_example import checks, sockets
from compl_example.buffers import Exports
from compl_example.nature import Nature
from compl_example.operation import Pending
from compl_example.pool import Pool
from compl_example.source import Lane, Source
from compl_example.submission import Submission

if TYPE_CHECKING:
    from compl_core import Address, BufferPool, FileLike, OperationId, ReadableBuffer, WritableBuffer


class SocketOperations(Submission):
    """What needs a socket; ENOTSOCK for any other file."""

    def recv(
        self,
        sock: FileLike,
        buffer: WritableBuffer | None = None,
        flags: int = 0,
        token: object = None,
        *,
        pool: BufferPool | None = None,
    ) -> OperationId:
        flags = checks.flags(flags)
        checks.buffer_or_pool(buffer, pool)
        if pool is not None:
            return self._recv_pooled(sock, pool, flags, token)
        with self._exported("recv", [buffer], writable=True) as exports:
            return self._on_socket(
                "recv",
                Kind.RECV,
                sock,
                token,
                lambda source: sockets.Recv(source, exports, flags) if exports.length else 0,
                exports,
            )

    def _recv_pooled(self, sock: FileLike, pool: BufferPool, flags: int, token: object) -> OperationId:
        self._check("recv")
        if not isinstance(pool, Pool) or pool.watcher is not self._watcher:
            raise foreign_pool(self.name, "recv")
        return self._on_socket("recv", Kind.RECV, sock, token, lambda source: sockets.PooledRecv(source, pool, flags))

    def buffer_pool(self, count: int, size: int) -> BufferPool:
        self._check("buffer_pool")
        return Pool(self._watcher, *checks.pool_shape(count, size))

    def recv_exactly(self, sock: FileLike, buffer: WritableBuffer, token: object = None) -> OperationId:
        with self._exported("recv_exactly", [buffer], writable=True) as exports:
            return self._on_socket(
                "recv_exactly",
                Kind.RECV,
                sock,
                token,
                lambda source: sockets.RecvExactly(source, exports) if exports.length else 0,
                exports,
            )

    def send(self, sock: FileLike, buffer: ReadableBuffer, flags: int = 0, token: object = None) -> OperationId:
        flags = checks.flags(flags)
        with self._exported("send", [buffer], writable=False) as exports:

            def choose(source: Source) -> Pending | int:
                if not exports.length and sockets.is_stream(source):
                    return 0  # an empty datagram, though, is something to send
                return sockets.Send(source, exports, flags)

            return self._on_socket("send", Kind.SEND, sock, token, choose, exports)

    def send_all(self, sock: FileLike, buffer: ReadableBuffer, token: object = None) -> OperationId:
        with self._exported("send_all", [buffer], writable=False) as exports:

            def choose(source: Source) -> Pending | int:
                if not exports.length and sockets.is_stream(source):
                    return 0
                return sockets.SendAll(source, exports)

            return self._on_socket("send_all", Kind.SEND, sock, token, choose, exports)

    def recv_from(self, sock: FileLike, buffer: WritableBuffer, flags: int = 0, token: object = None) -> OperationId:
        flags = checks.flags(flags)
        with self._exported("recv_from", [buffer], writable=True) as exports:
            return self._on_socket(
                "recv_from",
                Kind.RECV_FROM,
                sock,
                token,
                lambda source: sockets.RecvFrom(source, exports, flags),
                exports,
            )

    def send_to(
        self, sock: FileLike, buffer: ReadableBuffer, address: Address, flags: int = 0, token: object = None
    ) -> OperationId:
        flags = checks.flags(flags)
        with self._exported("send_to", [buffer], writable=False) as exports:
            return self._on_socket(
                "send_to",
                Kind.SEND_TO,
                sock,
                token,
                lambda source: sockets.SendTo(source, exports, checks.address(address, sockets.family(source)), flags),
                exports,
            )

    def accept(self, sock: FileLike, token: object = None, *, multishot: bool = False) -> OperationId:
        return self._on_socket(
            "accept", Kind.ACCEPT, sock, token, lambda source: sockets.Accept(source, bool(multishot))
        )

    def connect(self, sock: FileLike, address: Address, token: object = None) -> OperationId:
        def choose(source: Source) -> Pending | int:
            target = checks.address(address, sockets.family(source))
            if any(isinstance(pending, sockets.Connect) for pending in source.lines.get(Lane.OUTWARD, ())):
                return -errno.EALREADY
            return sockets.Connect(source, target)

        return self._on_socket("connect", Kind.CONNECT, sock, token, choose)

    def _on_socket(
        self,
        method: str,
        kind: Kind,
        sock: FileLike,
        token: object,
        choose: Callable[[Source], Pending | int],
        exports: Exports | None = None,
    ) -> OperationId:
        return self._begin(
            method,
            kind,
            sock,
            token,
            lambda source: choose(source) if source.nature is Nature.SOCKET else -errno.ENOTSOCK,
            exports,
        )
