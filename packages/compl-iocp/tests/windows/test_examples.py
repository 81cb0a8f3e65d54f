"""The examples, each as the program that it is: with clients that talk to it, with files, checked to the byte."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["echo_server.py", "file_copy.py", "post_between_threads.py"])
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


def echo(address: tuple[str, int], payload: bytes, failures: list[str]) -> None:
    """Send all, receive all, at once: neither side waits for the other to finish."""
    with socket.create_connection(address, timeout=30) as sock:

        def send() -> None:
            sock.sendall(payload)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        found = bytearray()
        while data := sock.recv(1 << 16):
            found += data
        sender.join()
        if found != payload:
            failures.append(f"{len(payload)} bytes sent, {len(found)} came back")


def test_echo() -> None:
    payloads = [b"", b"x", os.urandom(1000), os.urandom(1 << 20), *(os.urandom(n * 999) for n in range(1, 12))]
    failures: list[str] = []
    server = command("echo_server.py", "--connections", str(len(payloads) + 1))
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:2] == ["listening", "on"]
        assert words[4] == "(iocp)"
        address = words[2], int(words[3])
        with socket.create_connection(address, timeout=30) as rude:
            rude.sendall(bytes(1 << 16))
            assert rude.recv(1) == b"\0"  # it was accepted, and counts
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0")  # a reset
        clients = [threading.Thread(target=echo, args=(address, payload, failures)) for payload in payloads]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        try:
            output, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert (process.returncode, errors, failures) == (0, "", [])
    echoed = int(output.split()[2])
    whole = sum(map(len, payloads))
    assert whole <= echoed <= whole + (1 << 16)  # the rude one may have got some


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 3_000_001])
@pytest.mark.parametrize("depth", [1, 8])
def test_copy(tmp_path: Path, size: int, depth: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    target.write_bytes(b"what was there before" * 10)
    done = run("file_copy.py", str(source), str(target), "--block", "65536", "--depth", str(depth))
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_bytes() == source.read_bytes()
    operations = -(-size // 65536) * 2
    words = done.stdout.split()
    assert words[:2] == ["copied", str(size)]
    assert int(words[3]) >= operations  # each of them the kernel's; short ones would make it more


def test_posts() -> None:
    done = run("post_between_threads.py", "--workers", "3", "--jobs", "50")
    assert (done.returncode, done.stderr) == (0, "")
    assert [int(word) for word in done.stdout.split()] == [number**2 for number in range(50)]
