"""Row `echo`, event loops: a protocol on the loop's own transports, the fast way to use asyncio, uvloop and rloop."""

from __future__ import annotations

import asyncio
import importlib
import socket
from typing import cast


class Echo(asyncio.Protocol):
    """Writes back what comes.  The loops set TCP_NODELAY themselves."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


def serve(module: str, listener: socket.socket, **_load: object) -> None:
    # asyncio receives into a new 256 KiB bytes each time.  Until glibc has seen a larger block freed it maps and unmaps
    # every one of them, at five times the cost of the whole request; long-running programs are past that.
    bytearray(1 << 20)
    loop: asyncio.AbstractEventLoop = importlib.import_module(module).new_event_loop()
    listener.setblocking(False)
    server = loop.run_until_complete(loop.create_server(Echo, sock=listener))
    loop.run_forever()
    server.close()
