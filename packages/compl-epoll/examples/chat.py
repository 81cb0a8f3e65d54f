"""A chat server: what one client says, a line at a time, all others hear (nc 127.0.0.1 7008)."""

from __future__ import annotations

import argparse
import socket
from collections import deque

import compl_core
from compl_core import Completion, Kind


class Member:
    """A client: one recv in flight always, one send_all when there is something to say to it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.name = f"guest{number}"
        self.buffer = bytearray(4096)
        self.line = b""
        self.outbox: deque[bytes] = deque()
        self.sending = False


class Chat:
    def __init__(self, port: compl_core.CompletionPort, listener: socket.socket) -> None:
        self.port = port
        self.members: set[Member] = set()
        self.joined = 0
        port.accept(listener, multishot=True)

    def say(self, text: bytes, speaker: Member | None = None) -> None:
        for member in self.members - {speaker}:
            member.outbox.append(text)
            self.send_next(member)

    def send_next(self, member: Member) -> None:
        if member.outbox and not member.sending:
            member.sending = True
            self.port.send_all(member.sock, member.outbox.popleft(), member)

    def step(self, done: Completion) -> None:
        member = done.token
        if done.kind is Kind.ACCEPT:
            done.unwrap()
            self.joined += 1
            self.members.add(member := Member(done.value, self.joined))
            self.port.recv(member.sock, member.buffer, token=member)
            self.say(f"* {member.name} is here\n".encode())
        elif isinstance(member, Member) and member in self.members:
            if not done.ok or done.eof:
                self.members.remove(member)
                self.port.close_file(member.sock)  # ends what is in flight on it
                self.say(f"* {member.name} has left\n".encode())
            elif done.kind is Kind.SEND:
                member.sending = False
                self.send_next(member)
            else:
                *lines, member.line = (member.line + member.buffer[: done.result]).split(b"\n")
                for line in lines:
                    self.say(member.name.encode() + b": " + line + b"\n", member)
                self.port.recv(member.sock, member.buffer, token=member)


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server: what one client says, all others hear.")
    parser.add_argument("--port", type=int, default=7008, help="0: any free one")
    options = parser.parse_args()
    with compl_core.open_port() as port, socket.create_server(("127.0.0.1", options.port)) as listener:
        print(f"{port.name} port, chatting on 127.0.0.1 {listener.getsockname()[1]}", flush=True)
        chat = Chat(port, listener)
        while True:
            for done in port.wait():
                chat.step(done)


if __name__ == "__main__":
    main()
