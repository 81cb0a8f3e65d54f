"""Sockets and files in one port: each client sends a file's name and a newline, and is sent the file.

    python file_server.py --port 7777 --folder /usr/share/doc
    echo adduser/copyright | nc 127.0.0.1 7777

Each connection is a generator: it yields the operation that it needs next, and is sent the completion.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from typing import TypeAlias

import compl_core
from compl_core import Completion, CompletionPort, Operation, Read, Recv, SendAll

Connection: TypeAlias = Generator[Operation, Completion, None]
STOP = 1


def serve(client: socket.socket, folder: Path) -> Connection:
    buffer = memoryview(bytearray(64 * 1024))
    with client:
        name = b""
        while b"\n" not in name and len(name) < 4096:
            done = yield Recv(client, buffer)
            if done.error or done.eof:
                return
            name += buffer[: done.result]
        path = (folder / os.fsdecode(name.partition(b"\n")[0])).resolve()
        if not path.is_file() or not path.is_relative_to(folder):
            yield SendAll(client, b"no such file\n")
            return
        with path.open("rb", buffering=0) as file:
            offset = 0
            while (done := (yield Read(file, buffer, offset))).result > 0:
                offset += done.result
                if (yield SendAll(client, buffer[: done.result])).error:
                    return


def run(port: CompletionPort, listener: socket.socket, folder: Path) -> None:
    port.accept(listener, multishot=True)
    while True:
        for done in port.wait():
            if done.key == STOP:
                return
            if done.token is None:  # the listener's
                done.unwrap()
                connection = serve(done.value, folder)
                port.submit(next(connection), token=connection)
                continue
            try:
                port.submit(done.token.send(done), token=done.token)  # type: ignore[attr-defined]
            except StopIteration:
                pass


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the files of a folder by their names.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--backend", default="aio", help="aio, uring, epoll ...")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", options.port)) as listener, compl_core.open_port(options.backend) as port:
        signal.signal(signal.SIGTERM, lambda *_: port.post(STOP))
        host, number = listener.getsockname()
        print(f"listening on {host} {number} ({port.name})", flush=True)
        run(port, listener, options.folder.resolve())


if __name__ == "__main__":
    main()
