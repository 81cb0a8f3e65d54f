"""An echo server of two operations in one ring: one accepts connections, one talks to them.

python ring_echo_server.py --port 7777 & nc 127.0.0.1 7777
"""

from __future__ import annotations

import argparse
import errno
import signal
import socket

from compl_uring import CompletionEntry, Continue, ControlFlow, OperationRing, Ring, RingOperation, Submitter

Flow = tuple[ControlFlow, None]


class Connection:
    def __init__(self, number: int) -> None:
        self.sock, self.buffer = socket.socket(fileno=number), memoryview(bytearray(1 << 16))
        self.unsent = self.buffer[:0]


class Echo(RingOperation[Connection]):
    """One request in flight for each connection: a receive, or the sending of what came."""

    def setup(self, submitter: Submitter[Connection]) -> None:
        self.submitter = submitter

    def welcome(self, connection: Connection) -> Flow:
        self.submitter.push(self.submitter.prepare.recv(connection.sock, connection.buffer), connection)
        return Continue(), None

    def on_completion(self, entry: CompletionEntry, data: Connection, submitter: Submitter[Connection]) -> Flow:
        if entry.res <= 0:  # the end, or an error
            data.sock.close()
            return Continue(), None
        # After a send, which may have been short; or after a receive.
        data.unsent = data.unsent[entry.res :] if data.unsent else data.buffer[: entry.res]
        if not data.unsent:
            return self.welcome(data)
        submitter.push(submitter.prepare.send(data.sock, data.unsent, msg_flags=socket.MSG_NOSIGNAL), data)
        return Continue(), None

    def on_teardown_completion(self, entry: CompletionEntry, data: Connection, submitter: object) -> None:
        data.sock.close()


class Listener(RingOperation[None]):
    def __init__(self, sock: socket.socket, echo: Echo) -> None:
        self.sock, self.echo = sock, echo

    def setup(self, submitter: Submitter[None]) -> None:
        submitter.push(submitter.prepare.accept(self.sock), None)

    def on_completion(self, entry: CompletionEntry, data: None, submitter: Submitter[None]) -> Flow:
        if entry.res >= 0:
            self.echo.welcome(Connection(entry.res))
        pause = entry.res < 0 and entry.res != -errno.ETIME  # no descriptor is left, perhaps: again in a while
        submitter.push(submitter.prepare.timeout(0.1) if pause else submitter.prepare.accept(self.sock), None)
        return Continue(), None

    def on_teardown_completion(self, entry: CompletionEntry, data: None, submitter: object) -> None:
        if entry.res >= 0:  # it came before the accept could be cancelled
            Connection(entry.res).sock.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Send back whatever comes.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    with socket.create_server(("127.0.0.1", parser.parse_args().port)) as sock, Ring(256) as ring:
        server = OperationRing(ring, echo=(echo := Echo()), listener=Listener(sock, echo))
        signal.signal(signal.SIGTERM, lambda *_: server.stop())  # safe in a handler
        print(f"listening on 127.0.0.1 {sock.getsockname()[1]} (ring)", flush=True)
        server.run()


if __name__ == "__main__":
    main()
