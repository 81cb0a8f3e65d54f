"""The load: a client process of its own, plain ``selectors``.  ``python load.py PORT CONNECTIONS SECONDS SIZE``.

Each connection sends a message and waits until all of it is back before it sends the next one, which differs.  Every
byte is compared.  Prints one line of JSON; a wrong or missing byte ends it with an error.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time


class _Client:
    """One connection with one message under way."""

    def __init__(self, address: tuple[str, int], size: int) -> None:
        self.sock = socket.create_connection(address, timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message = bytearray(os.urandom(size))
        self._echo = bytearray(size)
        self._view = memoryview(self._echo)
        self._got = 0
        self._count = 0
        self._sent = 0.0

    def send(self) -> None:
        self._count += 1
        self._message[:8] = self._count.to_bytes(8, "little")
        self._sent = time.perf_counter()
        self.sock.sendall(self._message)

    def receive(self) -> float | None:
        """Take what is there; the seconds of the round trip when it is complete."""
        received = self.sock.recv_into(self._view[self._got :])
        if not received:
            sys.exit(f"load.py: the server closed a connection at byte {self._got} of message {self._count}")
        self._got += received
        if self._got < len(self._echo):
            return None
        if self._echo != self._message:
            pairs = enumerate(zip(self._echo, self._message, strict=True))
            wrong = next(at for at, (came, went) in pairs if came != went)
            sys.exit(f"load.py: byte {wrong} of message {self._count} came back changed")
        self._got = 0
        return time.perf_counter() - self._sent


def load(address: tuple[str, int], connections: int, seconds: float, size: int) -> dict[str, float]:
    """Keep one message per connection under way for ``seconds``; what came of it."""
    clients = [_Client(address, size) for _ in range(connections)]
    trips: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        start = time.perf_counter()
        for client in clients:
            client.send()
        while (elapsed := time.perf_counter() - start) < seconds:
            for key, _ in selector.select(30):
                client = key.data
                trip = client.receive()
                if trip is not None:
                    trips.append(trip)
                    client.send()
    for client in clients:
        client.sock.close()
    trips.sort()
    if not trips:
        sys.exit(f"load.py: nothing came back in {seconds} s")
    return {
        "rate": len(trips) / elapsed,
        "trips": len(trips),
        "bytes": len(trips) * size,
        "p99": trips[len(trips) * 99 // 100],
    }


def main() -> None:
    port, connections, size = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
    print(json.dumps(load(("127.0.0.1", port), connections, float(sys.argv[3]), size)))


if __name__ == "__main__":
    main()
