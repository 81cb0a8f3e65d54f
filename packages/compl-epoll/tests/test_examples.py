"""The examples, each as the program that it is: with clients that talk to it, with files, checked to the byte."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
#: In an environment without the distributions' metadata (a checkout on PYTHONPATH) a path names the backend, too.
BACKEND = ["--backend", "compl_epoll:backend"]


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False)


@contextlib.contextmanager
def serving(name: str) -> Iterator[tuple[str, int]]:
    """The address of a server, which ends well when it is told to."""
    with subprocess.Popen(
        command(name, *BACKEND), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["listening", "on"], (words, process.stderr and process.stderr.read())
            assert words[4] == "(epoll)"
            yield words[2], int(words[3])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert (process.returncode, errors) == (0, "")


def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    received = bytearray()
    while len(received) < size:
        data = sock.recv(size - len(received))
        if not data:
            break
        received += data
    return bytes(received)


@pytest.mark.parametrize("name", ["echo_server.py", "chat.py", "file_copy.py", "epoll_events.py"])
def test_each_says_what_it_wants(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {name}")
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 80


def test_every_example_is_tried_here() -> None:
    tried = Path(__file__).read_text(encoding="utf-8")
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in tried
        assert f"[{path.name}]({path.name})" in listed


# ---- echo_server.py -------------------------------------------------------------------------------------------------


def echo(address: tuple[str, int], payload: bytes, failures: list[str]) -> None:
    """Send all, receive all, at once: neither side waits for the other to finish."""
    with socket.create_connection(address, timeout=30) as sock:

        def send() -> None:
            sock.sendall(payload)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        found = receive(sock, len(payload))
        sender.join()
        if found != payload or sock.recv(1) != b"":
            failures.append(f"{len(payload)} bytes sent, {len(found)} came back")


def test_echo() -> None:
    failures: list[str] = []
    with serving("echo_server.py") as address:
        payloads = [b"", b"x", os.urandom(1000), os.urandom(1 << 22), *(os.urandom(n * 999) for n in range(1, 30))]
        clients = [threading.Thread(target=echo, args=(address, payload, failures)) for payload in payloads]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        idle = socket.create_connection(address, timeout=30)  # open when the server ends
        idle.sendall(b"still here")
        assert receive(idle, 10) == b"still here"
    assert failures == []
    assert idle.recv(1) == b""
    idle.close()


def test_echo_outlives_rude_clients() -> None:
    with serving("echo_server.py") as address:
        for _ in range(20):
            with socket.create_connection(address, timeout=30) as rude:
                rude.sendall(bytes(1 << 16))
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        failures: list[str] = []
        echo(address, os.urandom(100_000), failures)
        assert failures == []


# ---- chat.py --------------------------------------------------------------------------------------------------------


class Talker:
    """A client of the chat, and its name there."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=30)
        self.lines = self.sock.makefile("rb")

    def say(self, text: bytes) -> None:
        self.sock.sendall(text)

    def hear(self) -> tuple[bytes, bytes]:
        """The speaker and the line."""
        speaker, _, line = self.lines.readline().rstrip(b"\n").partition(b": ")
        return speaker, line

    def close(self) -> None:
        self.lines.close()
        self.sock.close()


def meet(address: tuple[str, int], others: list[Talker]) -> contextlib.closing[Talker]:
    """A newcomer that is known to be there: what it says is heard by all that were there before."""
    newcomer = Talker(address)
    newcomer.say(b"hello\n")
    for other in others:
        assert other.hear()[1] == b"hello"
    return contextlib.closing(newcomer)


def test_chat_is_many_to_many() -> None:
    """Each hears every line of every other, in the order in which that one said them, and none of its own."""
    with serving("chat.py") as address, contextlib.ExitStack() as stack:
        talkers: list[Talker] = []
        for _ in range(6):
            talkers.append(stack.enter_context(meet(address, talkers)))
        said = {number: [b"%d-%d" % (number, n) for n in range(50)] for number in range(6)}
        for n in range(50):
            for number, talker in enumerate(talkers):
                line = said[number][n] + b"\n"
                talker.say(line[:3])  # lines come in pieces
                talker.say(line[3:])
        for number, talker in enumerate(talkers):
            heard: dict[bytes, list[bytes]] = {}
            for _ in range(50 * 5):
                speaker, line = talker.hear()
                heard.setdefault(speaker, []).append(line)
            assert sorted(heard.values()) == sorted(said[other] for other in said if other != number)


def test_chat_drops_who_does_not_listen() -> None:
    with serving("chat.py") as address, contextlib.ExitStack() as stack:
        deaf = stack.enter_context(meet(address, []))
        speaker = stack.enter_context(meet(address, [deaf]))
        listener = stack.enter_context(meet(address, [deaf, speaker]))
        line = b"x" * 10_000
        for _ in range(3000):
            speaker.say(line + b"\n")
            assert listener.hear()[1] == line
        heard = 0
        with contextlib.suppress(ConnectionResetError):
            while deaf.lines.readline():
                heard += 1
        assert heard < 3000


def test_chat_goes_on_when_some_leave() -> None:
    with serving("chat.py") as address, contextlib.ExitStack() as stack:
        stay = stack.enter_context(meet(address, []))
        listen = stack.enter_context(meet(address, [stay]))
        for _ in range(10):
            with meet(address, [stay, listen]) as leaver:
                leaver.say(b"half a line")
            stay.say(b"next\n")
            assert listen.hear()[1] == b"next"


# ---- file_copy.py ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 3_000_001])
@pytest.mark.parametrize("depth", [1, 8])
def test_copy(tmp_path: Path, size: int, depth: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    target.write_bytes(b"what was there before" * 10)
    done = run("file_copy.py", str(source), str(target), "--block", "65536", "--depth", str(depth), *BACKEND)
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_bytes() == source.read_bytes()
    assert done.stdout.startswith(f"copied and compared {size} bytes (epoll, ")


def test_copy_refuses_what_it_cannot_copy(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"precious")
    done = run("file_copy.py", str(source), str(source), *BACKEND)
    assert done.returncode == 2
    assert "one file" in done.stderr
    assert source.read_bytes() == b"precious"
    done = run("file_copy.py", str(source), "/dev/full", *BACKEND)
    assert done.returncode == 1
    assert "OSError" in done.stderr


# ---- epoll_events.py ------------------------------------------------------------------------------------------------


def test_events() -> None:
    done = run("epoll_events.py", "good morning")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "-- registered for input",
        "no events within 0.5 ms",
        "server IN",
        "-- the message is read: good morning",
        "no events within 0 ms",
        "-- modified: output as well",
        "server OUT",
        "-- unregistered; the client's end, edge-triggered",
        "client IN|RDHUP",
        "no events within 0 ms",
    ]
