"""The examples, each as the program that it is: with clients that talk to it, with files, checked to the byte."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compl_uring import Opcode

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SERVERS = ["ring_echo_server.py", "port_echo_server.py"]
COPIERS = ["ring_linked_copy.py", "port_file_copy.py"]
NAMES = ["ring_timeout.py", "ring_ping_pong.py", "port_chat.py", *SERVERS, *COPIERS]


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False)


@contextlib.contextmanager
def serving(name: str) -> Iterator[tuple[str, int]]:
    """The address of a server, which ends well when it is told to."""
    with subprocess.Popen(command(name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["listening", "on"], (words, process.stderr and process.stderr.read())
            yield words[2], int(words[3])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_wants(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {name}")
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 80


def test_every_example_is_tried_here() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(NAMES) == sorted(path.name for path in EXAMPLES.glob("*.py"))
    for name in NAMES:
        assert f"[{name}]({name})" in listed


def test_timeout() -> None:
    done = run("ring_timeout.py", "--ticks", "4", "--seconds", "0.01")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"tick {number}" for number in range(1, 5)]


def test_timeout_interrupted() -> None:
    """The interrupt ends it after the teardown."""
    with subprocess.Popen(
        command("ring_timeout.py", "--ticks", "9", "--seconds", "1"),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "tick 1\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "stopped before tick 2\n")


def test_ping_pong(needs: Callable[[Opcode], None]) -> None:
    needs(Opcode.MSG_RING)
    done = run("ring_ping_pong.py", "--hits", "101")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    hits = [line for line in lines if "leaves" not in line]
    assert hits == [f"{'pong' if number % 2 else 'ping'} {number}" for number in range(1, 102)]
    assert sorted(set(lines) - set(hits)) == ["ping leaves", "pong leaves"]


# ---- servers --------------------------------------------------------------------------------------------------------


def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    received = bytearray()
    while len(received) < size and (data := sock.recv(size - len(received))):
        received += data
    return bytes(received)


def echo(address: tuple[str, int], payload: bytes, failures: list[str]) -> None:
    """Send and receive at once: neither side waits for the other to finish."""
    with socket.create_connection(address, timeout=30) as sock:
        sender = threading.Thread(target=sock.sendall, args=(payload,))
        sender.start()
        found = receive(sock, len(payload))
        sender.join()
        sock.shutdown(socket.SHUT_WR)
        if found != payload or sock.recv(1) != b"":
            failures.append(f"{len(payload)} bytes sent, {len(found)} came back")


@pytest.mark.parametrize("name", SERVERS)
def test_echo(name: str) -> None:
    failures: list[str] = []
    with serving(name) as address:
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


@pytest.mark.parametrize("name", SERVERS)
def test_echo_outlives_rude_clients(name: str) -> None:
    failures: list[str] = []
    with serving(name) as address:
        for _ in range(20):
            with socket.create_connection(address, timeout=30) as rude:
                rude.sendall(bytes(1 << 16))
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        echo(address, os.urandom(100_000), failures)
    assert failures == []


def meet(address: tuple[str, int], count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """So many talkers that are known to be there: what each says first is heard by those that came before."""
    talkers: list[socket.socket] = []
    for number in range(count):
        newcomer = stack.enter_context(socket.create_connection(address, timeout=30))
        newcomer.sendall(b"hello %d\n" % number)
        for other in talkers:
            assert receive(other, 8) == b"hello %d\n" % number
        talkers.append(newcomer)
    return talkers


def test_chat_is_many_to_many() -> None:
    """Each hears every line of every other, in the order in which that one said them, and none of its own."""
    with serving("port_chat.py") as address, contextlib.ExitStack() as stack:
        talkers = meet(address, 5, stack)
        for n in range(50):
            for number, talker in enumerate(talkers):
                talker.sendall(b"%d-%02d\n" % (number, n))
        for number, talker in enumerate(talkers):
            lines = receive(talker, 4 * 50 * 5).splitlines()
            for other in range(5):
                said = [line for line in lines if line.startswith(b"%d-" % other)]
                assert said == ([] if other == number else [b"%d-%02d" % (other, n) for n in range(50)])


def test_chat_drops_who_does_not_listen() -> None:
    line = b"x" * 4000
    with serving("port_chat.py") as address, contextlib.ExitStack() as stack:
        deaf, speaker, listener = meet(address, 3, stack)
        for _ in range(5000):
            speaker.sendall(line)
            assert receive(listener, len(line)) == line
        heard = 0
        with contextlib.suppress(ConnectionResetError):
            while data := deaf.recv(1 << 16):
                heard += len(data)
        assert heard < 5000 * len(line)


# ---- copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COPIERS)
@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 3_000_001])
@pytest.mark.parametrize("depth", [1, 8])
def test_copy(name: str, tmp_path: Path, size: int, depth: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    target.write_bytes(b"what was there before" * 10)
    done = run(name, str(source), str(target), "--block", "65536", "--depth", str(depth))
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_bytes() == source.read_bytes()
    assert done.stdout.startswith(f"copied {size} bytes ")


@pytest.mark.parametrize("name", COPIERS)
def test_copy_refuses_what_it_cannot_copy(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"precious")
    done = run(name, str(source), str(source))
    assert done.returncode == 2
    assert "one file" in done.stderr
    assert source.read_bytes() == b"precious"
    done = run(name, str(source), "/dev/full")
    assert done.returncode == 1
    assert "OSError" in done.stderr
