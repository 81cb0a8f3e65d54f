"""socket: connections that are made, and the addresses for it."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any

from compl_core import Completion, Kind
from mutants.fault import mutant
from mutants.ports import Call, Port


@mutant("socket/62", "socket/50", "socket/58", "socket/63")
class ConnectsTwice(Port):
    """Completes a connect when the call succeeds at once, and again when the socket is writable."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done, done] if done.kind is Kind.CONNECT else [done]


@mutant("socket/52", "socket/55", "socket/61", "error/10", "leak/10")
class ConnectDoesNotAskForTheError(Port):
    """Takes a socket that has become writable for connected."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=0) if done.kind is Kind.CONNECT and done.result != -errno.ECANCELED else done]


@mutant("socket/50", "socket/54", "socket/58", "socket/63", "cancel/16")
class ConnectIsDoneAtOnce(Port):
    """Takes EINPROGRESS for success."""

    def begin(self, call: Call) -> int:
        if call.method != "connect" or call.number < 0:
            return super().begin(call)
        later = threading.Timer(0.02, self._connect, [os.dup(call.number), call.values["address"]])
        later.daemon = True
        later.start()
        return self.settle(call, 0)

    @staticmethod
    def _connect(number: int, address: Any) -> None:
        with socket.socket(fileno=number) as sock:
            sock.connect_ex(address)


@mutant("socket/51", "datagram/10")
class BindsBeforeItConnects(Port):
    """Binds each socket that it connects, as ConnectEx() wants it, bound ones included."""

    def begin(self, call: Call) -> int:
        if call.method == "connect" and call.number >= 0:
            with socket.socket(fileno=os.dup(call.number)) as sock:
                if sock.family == socket.AF_INET:
                    sock.bind(("127.0.0.1", 0))
        return super().begin(call)


@mutant("socket/53")
class ConnectedTwiceIsConnected(Port):
    """Takes EISCONN for success."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=0) if done.result == -errno.EISCONN else done]


@mutant("socket/54", "socket/55")
class ConnectTimesOut(Port):
    """Gives a connect ten milliseconds."""

    def begin(self, call: Call) -> int:
        started = super().begin(call)
        if call.method == "connect":
            threading.Timer(0.01, lambda: self.closed or self.cancel(started)).start()
        return started

    def end(self, done: Completion, call: Call) -> list[Completion]:
        late = done.kind is Kind.CONNECT and done.result == -errno.ECANCELED
        return [done._replace(result=-errno.ETIMEDOUT) if late else done]


@mutant("socket/56", "socket/63", "error/14", "datagram/16")
class ResolvesNames(Port):
    """Looks host names up in the call."""

    def begin(self, call: Call) -> int:
        address = call.values.get("address")
        if isinstance(address, tuple) and address[:1] == ("localhost",):
            call.values["address"] = (socket.gethostbyname(address[0]), *address[1:])
        return super().begin(call)


@mutant("socket/57", "datagram/16")
class LeavesAddressesToTheSystem(Port):
    """Says EINVAL of an address that is malformed."""

    def begin(self, call: Call) -> int:
        try:
            return super().begin(call)
        except (TypeError, ValueError, OverflowError):
            if "address" in call.values and call.number >= 0:
                return self.settle(call, -errno.EINVAL)
            raise


@mutant("socket/58", "datagram/13")
class TakesAddressesOfTwoParts(Port):
    """Unpacks ``host, port``."""

    def begin(self, call: Call) -> int:
        address = call.values.get("address")
        if isinstance(address, tuple):
            _host, _port = address
        return super().begin(call)


@mutant("socket/59")
class TakesPathsAsTextOnly(Port):
    """Encodes the path of an AF_UNIX socket, and knows no other form of an address than that and a tuple."""

    def begin(self, call: Call) -> int:
        if "address" in call.values and not isinstance(call.values["address"], (tuple, str)):
            raise TypeError("an address is a tuple or a path")
        return super().begin(call)


@mutant("socket/59", "datagram/15", "socket/60")
class KnowsNoUnixSockets(Port):
    """Says EAFNOSUPPORT of an AF_UNIX address."""

    def begin(self, call: Call) -> int:
        unix = isinstance(call.values.get("address"), (str, bytes)) and call.number >= 0
        return self.settle(call, -errno.EAFNOSUPPORT) if unix else super().begin(call)


@mutant("socket/60")
class SurfacesEagainOfUnixConnects(Port):
    """Completes with the EAGAIN that a full AF_UNIX backlog gives."""

    def begin(self, call: Call) -> int:
        if call.method != "connect" or not isinstance(call.values["address"], str):
            return super().begin(call)
        blocking = os.get_blocking(call.number)
        with socket.socket(fileno=os.dup(call.number)) as sock:
            sock.setblocking(False)
            found = sock.connect_ex(call.values["address"])
        os.set_blocking(call.number, blocking)
        return self.settle(call, -found)


@mutant("socket/61")
class EveryConnectThatFailsWasRefused(Port):
    """Says ECONNREFUSED of whatever goes wrong."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        failed = done.kind is Kind.CONNECT and done.result < 0
        return [done._replace(result=-errno.ECONNREFUSED) if failed else done]
