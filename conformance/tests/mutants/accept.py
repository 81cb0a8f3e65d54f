"""socket: connections that are accepted."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import errno
import os
import socket
from typing import Any, ClassVar

from compl_core import Completion, CompletionFlags, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.stream import is_ready


class Accepting(Port):
    """Makes something else of an accepted connection."""

    def accepted(self, sock: socket.socket) -> Any:
        raise NotImplementedError

    def end(self, done: Completion, call: Call) -> list[Completion]:
        found = done.kind is Kind.ACCEPT and done.value is not None
        return [done._replace(value=self.accepted(done.value)) if found else done]


@mutant("socket/36", "socket/37", "socket/46", "socket/47", "socket/48")
class AcceptGivesANumber(Accepting):
    """Gives the descriptor of the connection."""

    def accepted(self, sock: socket.socket) -> Any:
        return sock.detach()


@mutant("socket/36", "socket/40", "capability/12")
class AcceptGivesTheAddressToo(Accepting):
    """Gives what ``socket.accept()`` gives."""

    def accepted(self, sock: socket.socket) -> Any:
        return sock, sock.getpeername()


@mutant("socket/46", "socket/47")
class AcceptsOneFamilyOnly(Accepting):
    """Makes a socket object of the family that it knows."""

    def accepted(self, sock: socket.socket) -> Any:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=sock.detach())


@mutant("socket/38", "socket/66")
class AcceptedIsNonBlocking(Accepting):
    """Leaves an accepted socket in the mode that it was accepted in."""

    def accepted(self, sock: socket.socket) -> Any:
        sock.setblocking(False)
        return sock


@mutant("socket/38")
class AcceptedIsAlwaysBlocking(Accepting):
    """Does not know of ``socket.setdefaulttimeout()``."""

    def accepted(self, sock: socket.socket) -> Any:
        sock.settimeout(None)
        return sock


@mutant("socket/39", "socket/66")
class AcceptedIsInheritable(Accepting):
    """Calls accept() where accept4() is meant."""

    def accepted(self, sock: socket.socket) -> Any:
        sock.set_inheritable(True)
        return sock


@mutant("socket/40")
class RegistersWhatItAccepts(Accepting):
    """Registers an accepted socket with the key of its listener."""

    def accepted(self, sock: socket.socket) -> Any:
        self.register(sock, 1)
        return sock


@mutant("leak/10")
class LeaksAnAcceptedDescriptor(Accepting):
    """Gives a copy of the accepted socket, and forgets the original."""

    def accepted(self, sock: socket.socket) -> Any:
        return socket.socket(fileno=os.dup(sock.detach()))


@mutant("socket/36", "capability/12", "capability/16")
class AcceptResultIsTheDescriptor(Port):
    """Gives the new descriptor as the result too, as the system call does."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=done.value.fileno()) if done.kind is Kind.ACCEPT and done.value else done]


@mutant("socket/43", "cancel/27")
class AcceptsMoreThanItWasAsked(Port):
    """Empties the backlog when one accept has completed, and keeps those that nobody asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.spare: list[socket.socket] = []

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call.method == "accept" and done.result == 0:
            with socket.socket(fileno=os.dup(call.number)) as listener:
                while is_ready(call):
                    self.spare.append(listener.accept()[0])
        return [done]

    def close(self) -> None:
        super().close()
        while self.spare:
            self.spare.pop().close()


@mutant("socket/49", "socket/62", "socket/41")
class KeepsTwoAcceptsPerListener(Port):
    """Forgets the oldest accept when a third one comes."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Call] = []
        self.forgotten: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.method == "accept":
            self.pending.append(call)
            self.forgotten += [self.pending.pop(0)] if len(self.pending) > 2 else []
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if call in self.pending:
            self.pending.remove(call)
        return [] if call in self.forgotten else [done]


@mutant("socket/41")
class AcceptsClientsInAdvance(Port):
    """Takes a client from the backlog before anybody asks, and drops it when nobody does in time."""

    listener: socket.socket | None = None

    def begin(self, call: Call) -> int:
        if call.method == "accept" and self.listener is None:
            self.listener = socket.socket(fileno=os.dup(call.number))
        return super().begin(call)

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(*arguments, **named)
        if self.listener and not batch and not self.in_flight:
            self.listener.setblocking(False)
            try:
                self.listener.accept()[0].close()
            except BlockingIOError:
                pass
        return batch

    def close(self) -> None:
        super().close()
        if self.listener is not None:
            self.listener.close()


@mutant("socket/42", "socket/70")
class AcceptWaitsForAListener(Port):
    """Has an accept wait until the socket listens."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.kind is Kind.ACCEPT and done.result == -errno.EINVAL else [done]


@mutant("socket/43", "socket/68")
class AResetClientFailsTheAccept(Port):
    """Asks for the client's name, and fails the accept when there is no client any more."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is not Kind.ACCEPT or done.value is None:
            return [done]
        try:
            done.value.getpeername()
            reset = done.value.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            reset = False
        except OSError:
            reset = True
        return [done._replace(result=-errno.ECONNABORTED, value=None) if reset else done]


@mutant("socket/44", "socket/69")
class AcceptWaitsForDescriptors(Port):
    """Tries again and again when there is no free descriptor."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.result == -errno.EMFILE else [done]


@mutant("socket/45", "cancel/31", "teardown/27", "capability/16", "socket/64", "socket/65", "socket/72")
class MultishotSaysNotMore(Port):
    """Does not set MORE on what is not the last."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(flags=done.flags & ~CompletionFlags.MORE)]


@mutant("socket/45", "cancel/31", "teardown/27", "capability/16", "socket/67", "socket/69", "socket/70", "socket/71")
class MultishotAlwaysSaysMore(Port):
    """Sets MORE on the last one too."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        more = call.values.get("multishot")
        return [done._replace(flags=done.flags | CompletionFlags.MORE) if more else done]


@mutant("socket/45", "cancel/31", "teardown/27", "capability/16", "socket/67", "socket/69")
class MultishotHasNoEnd(Port):
    """Has no completion for a multishot operation that is cancelled."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if call.values.get("multishot") and done.result < 0 else [done]


@mutant("socket/45", "capability/16", "socket/64", "socket/71")
class MultishotIsOneShot(ExamplePort):
    """Takes the flag, and accepts once."""

    def accept(self, sock: Any, token: object = None, *, multishot: bool = False) -> int:
        return super().accept(sock, token)


@mutant("teardown/7", "teardown/8", "leak/11")
class LeaksConnectionsNobodyTook(ExamplePort):
    """Frees its queue at close without closing the connections in it."""

    lost: ClassVar[list[Any]] = []

    def close(self) -> None:
        self.lost.extend([] if self.closed else [done.value for done in self.wait(1000, 0)])
        super().close()
