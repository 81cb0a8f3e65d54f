"""datagram: messages with borders and addresses."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from compl_core import Completion, CompletionFlags, Kind
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.storage import room_of

TRUNCATED = CompletionFlags.TRUNCATED


class Received(Port):
    """Makes something else of a datagram that has come."""

    def received(self, done: Completion, call: Call) -> Completion:
        raise NotImplementedError

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [self.received(done, call) if done.kind is Kind.RECV_FROM and done.result >= 0 else done]


@mutant(
    "datagram/1", "datagram/3", "datagram/5", "datagram/7", "datagram/12", "datagram/13", "datagram/14", "datagram/20",
    "datagram/24", "capability/13", "cancel/19",
)  # fmt: skip
class ForgetsTheSender(Received):
    """Receives without asking for the address."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(value=None)


@mutant("datagram/13", "datagram/14")
class GivesAddressesOfTwoParts(Received):
    """Gives host and port, and leaves out what else an IPv6 address has."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(value=done.value[:2] if isinstance(done.value, tuple) else done.value)


@mutant("datagram/14")
class UnmapsAddresses(Received):
    """Gives an IPv4 address that is mapped as the IPv4 address that it stands for."""

    def received(self, done: Completion, call: Call) -> Completion:
        mapped = isinstance(done.value, tuple) and done.value[0].startswith("::ffff:")
        return done._replace(value=(done.value[0][7:], done.value[1])) if mapped else done


@mutant("datagram/15")
class NamelessSendersHaveAName(Received):
    """Has an empty path for an address of no length."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(value="" if done.value is None else done.value)


@mutant("datagram/5")
class TruncatesInSilence(Received):
    """Does not look at the flags that a message comes with."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(flags=done.flags & ~TRUNCATED)


@mutant("datagram/5")
class TruncationIsAnError(Received):
    """Says EMSGSIZE of a datagram that did not fit, as Windows does."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(result=-errno.EMSGSIZE) if done.flags & TRUNCATED else done


@mutant("datagram/5")
class CountsWhatWasCutOff(Received):
    """Sets MSG_TRUNC, and gives the real length of a datagram that did not fit."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(result=done.result + 4) if done.flags & TRUNCATED else done


@mutant("datagram/6")
class AFullBufferIsTruncated(Received):
    """Takes a buffer that is full for one that was too small."""

    def received(self, done: Completion, call: Call) -> Completion:
        return done._replace(flags=done.flags | TRUNCATED) if done.result == room_of(call) else done


@mutant("datagram/7", "datagram/8")
class AnEmptyDatagramIsTheEnd(Port):
    """Takes 0 bytes for the end, of a stream that is none."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        empty = done.kind in (Kind.RECV, Kind.RECV_FROM) and done.result == 0
        return [done._replace(flags=done.flags | CompletionFlags.EOF) if empty else done]


@mutant("datagram/7")
class SendsNothingOfNothing(Port):
    """Completes an empty send_to without a system call."""

    def begin(self, call: Call) -> int:
        empty = call.method == "send_to" and not room_of(call)
        return self.settle(call, 0) if empty else super().begin(call)


@mutant("datagram/2", "datagram/7", "datagram/13", "capability/13")
class SendsFromAnotherSocket(Port):
    """Has a socket of its own for datagrams that go out."""

    def begin(self, call: Call) -> int:
        if call.method != "send_to" or call.number < 0:
            return super().begin(call)
        with socket.socket(fileno=os.dup(call.number)) as sock:
            with socket.socket(sock.family, sock.type) as other:
                return self.settle(call, other.sendto(call.values["buffer"], call.values["address"]))


@mutant("datagram/12")
class ConnectsToSend(Port):
    """Connects the socket to the address, then sends, and leaves it so."""

    def begin(self, call: Call) -> int:
        if call.method == "send_to" and call.number >= 0:
            with socket.socket(fileno=os.dup(call.number)) as sock:
                sock.connect(call.values["address"])
        return super().begin(call)


@mutant("datagram/9", "datagram/20")
class ReceivesUntilTheBufferIsFull(Port):
    """Goes on receiving while there is room, as if there were no borders."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind not in (Kind.RECV, Kind.RECV_FROM) or done.result <= 0:
            return [done]
        view = memoryview(call.values["buffer"])
        with socket.socket(fileno=os.dup(call.number)) as sock:
            try:
                more = sock.recv_into(view[done.result :], 0, socket.MSG_DONTWAIT) if done.result < len(view) else 0
            except BlockingIOError:
                more = 0
        return [done._replace(result=done.result + more)]


@mutant("datagram/9")
class CollectsSmallSends(Port):
    """Sends a datagram together with the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.held = b""

    def begin(self, call: Call) -> int:
        if call.method != "send" or room_of(call) > 3:
            call.values.update({"buffer": self.held + bytes(call.values["buffer"])} if call.method == "send" else {})
            return super().begin(call)
        self.held = bytes(call.values["buffer"])
        return self.settle(call, len(self.held))


@mutant("datagram/10")
class ConnectsStreamsOnly(Port):
    """Waits for a handshake that a datagram socket does not have."""

    def begin(self, call: Call) -> int:
        if call.method == "connect" and call.number >= 0:
            with socket.socket(fileno=os.dup(call.number)) as sock:
                if sock.type is socket.SOCK_DGRAM:
                    return self._ledger.number()
        return super().begin(call)


@mutant("datagram/11")
class IgnoresUnreachablePorts(Port):
    """Tries again when a datagram socket says ECONNREFUSED: it is not connected to anything, after all."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [] if done.kind is Kind.RECV and done.result == -errno.ECONNREFUSED else [done]


@mutant("datagram/17", "error/17")
class CutsLongDatagrams(Port):
    """Sends as much as goes into one datagram."""

    def begin(self, call: Call) -> int:
        if call.method == "send_to":
            call.values["buffer"] = memoryview(call.values["buffer"]).cast("B")[:60_000]
        return super().begin(call)


@mutant("datagram/17", "error/17")
class RaisesForLongDatagrams(Port):
    """Refuses at the call what is too long for a datagram."""

    def begin(self, call: Call) -> int:
        if call.method == "send_to" and room_of(call) > 65_507:
            raise ValueError("too long for a datagram")
        return super().begin(call)


@mutant("datagram/18")
class SaysEpermForEacces(Port):
    """Takes one PermissionError for the other."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=-errno.EPERM) if done.result == -errno.EACCES else done]


@mutant("datagram/20", "datagram/24")
class IgnoresFlagsOfDatagrams(Port):
    """Has a parameter for flags in recv_from, and does nothing with it."""

    def begin(self, call: Call) -> int:
        call.values.update({"flags": 0} if call.method == "recv_from" else {})
        return super().begin(call)


@mutant("datagram/23")
class KeepsOneDestination(Port):
    """Keeps the address with the socket, where the next send_to overwrites it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Call] = []

    def begin(self, call: Call) -> int:
        if call.method != "send_to":
            return super().begin(call)
        self.held.append(call)
        return self._ledger.number()

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        for call in self.held:
            call.values["address"] = self.held[-1].values["address"]
            super().begin(call)
        self.held.clear()
        return super().wait(*arguments, **named)
