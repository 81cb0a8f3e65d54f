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
BACKEND = ["--backend", "compl_aio:backend"]


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["file_server.py", "direct_copy.py", "raw_reads.py"])
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


# ---- file_server.py -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a server, which ends well when it is told to."""
    with subprocess.Popen(
        command("file_server.py", "--folder", str(folder), *BACKEND),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["listening", "on"], (words, process.stderr and process.stderr.read())
            assert words[4] == "(aio)"
            yield words[2], int(words[3])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert (process.returncode, errors) == (0, "")


def fetch(address: tuple[str, int], name: bytes) -> bytes:
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(name)
        received = bytearray()
        while data := client.recv(1 << 16):
            received += data
        return bytes(received)


def test_files_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    contents = {name: os.urandom(size) for name, size in (("small", 10), ("large", 1_000_001), ("empty", 0))}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (tmp_path / "secret").write_bytes(b"not served")
    with serving(folder) as address:
        got: dict[str, bytes] = {}
        threads = [
            threading.Thread(target=lambda n=name: got.update({n: fetch(address, f"{n}\n".encode())}))
            for name in contents
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert got == contents
        assert fetch(address, b"../secret\n") == fetch(address, b"nothing\n") == b"no such file\n"
        with socket.create_connection(address) as silent:  # gone before it has said anything
            silent.sendall(b"sma")
        assert fetch(address, b"small\n") == contents["small"]


# ---- direct_copy.py, raw_reads.py -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024, 1_000_003])
@pytest.mark.usefixtures("direct")  # which skips where the file system has no O_DIRECT
def test_a_copy_past_the_page_cache(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    done = run("direct_copy.py", str(source), str(target), "--depth", "3", *BACKEND)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"copied {size} bytes (aio, ")
    assert target.read_bytes() == source.read_bytes()


def test_a_copy_onto_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    done = run("direct_copy.py", str(path), str(path))
    assert done.returncode == 2
    assert "source and target are one file" in done.stderr
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("size", [0, 5, 64 * 1024, 700_001])
def test_raw_reads(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = os.urandom(size)
    path.write_bytes(content)
    done = run("raw_reads.py", str(path), "--depth", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{size} bytes, their sum is {sum(content)} ")
