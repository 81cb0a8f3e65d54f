"""Every method of a port as a call that would succeed on a connected stream socket, for rules about all of them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from compl_core import METHODS, BufferPool, Capability, CompletionPort, Interest, Nop, NotSupported

Call: TypeAlias = Callable[[CompletionPort, socket.socket], object]


class _NobodysPool(BufferPool):
    """For a port that makes none, to be refused."""

    count = size = available = 1


def _pool_of(port: CompletionPort) -> BufferPool:
    try:
        return port.buffer_pool(1, 1)
    except NotSupported:
        return _NobodysPool()


#: Those that every port has.
CONTRACT: Mapping[str, Call] = MappingProxyType(
    {
        "statistics": lambda port, _: port.statistics(),
        "register": lambda port, sock: port.register(sock, 1),
        "modify": lambda port, sock: port.modify(sock, key=2),
        "unregister": lambda port, sock: port.unregister(sock),
        "post": lambda port, _: port.post(1),
        "wait": lambda port, _: port.wait(1, 0),
        "nop": lambda port, _: port.nop(),
        "submit": lambda port, _: port.submit(Nop()),
        "flush": lambda port, _: port.flush(),
    }
)

#: Those that belong to a capability.
OPTIONAL: Mapping[Capability, Mapping[str, Call]] = MappingProxyType(
    {
        Capability.READINESS: {
            "poll": lambda port, sock: port.poll(sock, Interest.WRITABLE),
            "register with an interest": lambda port, sock: port.register(sock, 1, Interest.READABLE),
        },
        Capability.FILE_IO: {
            "read": lambda port, sock: port.read(sock, bytearray(1)),
            "write": lambda port, sock: port.write(sock, b"x"),
            "fsync": lambda port, sock: port.fsync(sock),
        },
        Capability.VECTORED: {
            "read_vectored": lambda port, sock: port.read_vectored(sock, [bytearray(1)]),
            "write_vectored": lambda port, sock: port.write_vectored(sock, [b"x"]),
        },
        Capability.SOCKET_IO: {
            "recv": lambda port, sock: port.recv(sock, bytearray(1)),
            "send": lambda port, sock: port.send(sock, b"x"),
            "recv_exactly": lambda port, sock: port.recv_exactly(sock, bytearray(1)),
            "send_all": lambda port, sock: port.send_all(sock, b"x"),
            "accept": lambda port, sock: port.accept(sock),
            "connect": lambda port, sock: port.connect(sock, sock.getpeername()),
        },
        Capability.DATAGRAM: {
            "recv_from": lambda port, sock: port.recv_from(sock, bytearray(1)),
            "send_to": lambda port, sock: port.send_to(sock, b"x", sock.getpeername()),
        },
        Capability.TIMEOUT: {"timeout": lambda port, _: port.timeout(0)},
        Capability.CANCEL: {
            "cancel": lambda port, _: port.cancel(1),
            "cancel_all": lambda port, sock: port.cancel_all(sock),
            "close_file": lambda port, sock: port.close_file(sock),
        },
        Capability.MULTISHOT: {"accept with multishot": lambda port, sock: port.accept(sock, multishot=True)},
        Capability.POLLABLE: {"fileno": lambda port, _: port.fileno()},
        Capability.POOLED: {
            "buffer_pool": lambda port, _: port.buffer_pool(1, 1),
            "recv with a pool": lambda port, sock: port.recv(sock, pool=_pool_of(port)),
        },
    }
)
# A method that a new version of the contract adds must be called here too, or the rules about all methods miss it.
assert {name for names in METHODS.values() for name in names} <= {name for calls in OPTIONAL.values() for name in calls}


def declared_calls(capabilities: Capability) -> dict[str, Call]:
    """The calls that a port with these capabilities offers, by name."""
    calls = dict(CONTRACT)
    for capability in capabilities:
        calls.update(OPTIONAL.get(capability, {}))
    return calls
