"""Real work on the best backend of this host, every byte checked, beside asyncio in the same run.

An echo server under the load of a client process, and the copy of a file.  The two ways take turns, three rounds each;
the figures are the medians.  Both servers and the client are Python and share this machine, so the rates bound each
other: tools/bench measures with more care.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from filecopy import copy_with_port, copy_with_threads, digest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from compl_core import open_port

_HERE = Path(__file__).resolve().parent
_SCRATCH = _HERE.parents[1] / ".dev"
_ROUNDS = 3
_SECONDS = 1.0
_MESSAGE = 1024
_CONNECTIONS = (1, 100)
_FILE = 256 << 20


def main() -> int:
    console = Console()
    with open_port() as port:
        name = port.name
    console.rule(f"Real work on the {name} port, beside asyncio")
    table = Table()
    for title in ("work", "", f"{name} port", "asyncio", "ratio"):
        table.add_column(title, justify="left" if title in ("work", "") else "right", no_wrap=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        trips = moved = 0
        for connections in _CONNECTIONS:
            ours, theirs = _echo(connections, progress)
            trips += sum(int(run["trips"]) for run in ours + theirs)
            moved += sum(int(run["bytes"]) for run in ours + theirs)
            fast, slow = _median(ours, "rate"), _median(theirs, "rate")
            table.add_row(
                _echo_title(connections), "round trips/s", f"{fast:,.0f}", f"{slow:,.0f}", f"{fast / slow:.2f}x"
            )
            late, later = _median(ours, "p99") * 1e6, _median(theirs, "p99") * 1e6
            table.add_row("", "99 % within, us", f"{late:,.0f}", f"{later:,.0f}", f"{late / later:.2f}x")
        size, ours_seconds, theirs_seconds, checksum = _copy(progress)
        table.add_row(
            f"copy, {size >> 20} MiB",
            "MB/s",
            f"{size / ours_seconds / 1e6:,.0f}",
            f"{size / theirs_seconds / 1e6:,.0f}",
            f"{theirs_seconds / ours_seconds:.2f}x",
        )
    console.print(table)
    console.print("asyncio serves with a protocol, and copies with to_thread.")
    console.print(f"{trips:,} round trips of {_MESSAGE} bytes came back byte for byte: {moved / 1e6:,.0f} MB.")
    console.print(f"Every copy has the sha256 of its source, {checksum[:16]}...")
    return 0


def _echo(connections: int, progress: Progress) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Serve and load in turns; what each round came to, of the port and of asyncio."""
    runs: dict[str, list[dict[str, float]]] = {"port": [], "asyncio": []}
    task = progress.add_task(_echo_title(connections), total=2 * _ROUNDS)
    for _ in range(_ROUNDS):
        for server, results in runs.items():
            results.append(_serve_and_load(server, connections))
            progress.advance(task)
    return runs["port"], runs["asyncio"]


def _serve_and_load(server: str, connections: int) -> dict[str, float]:
    command = [sys.executable, str(_HERE / "echo.py"), server]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                sys.exit(f"demo: the {server} server did not start, see above")
            load = [sys.executable, str(_HERE / "load.py"), port, str(connections), str(_SECONDS), str(_MESSAGE)]
            client = subprocess.run(load, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
            process.stdin.close()
            code = process.wait(30)
        except BaseException:
            process.kill()
            raise
    if client.returncode or code:
        sys.exit(f"demo: echo of the {server} server failed (client {client.returncode}, server {code}), see above")
    result: dict[str, float] = json.loads(client.stdout)
    return result


def _copy(progress: Progress) -> tuple[int, float, float, str]:
    """Copy in turns; the size, the median seconds of the port and of asyncio's threads, and the checksum."""
    _SCRATCH.mkdir(exist_ok=True)
    room = shutil.disk_usage(_SCRATCH).free
    size = min(_FILE, room // 4 >> 20 << 20)
    if size < _FILE:
        progress.console.print(f"Only {room >> 20} MiB free in {_SCRATCH}: the file to copy is smaller than usual.")
    ways: dict[Callable[[Path, Path], None], list[float]] = {copy_with_port: [], copy_with_threads: []}
    task = progress.add_task(f"copy, {size >> 20} MiB", total=2 * _ROUNDS + 1)
    with tempfile.TemporaryDirectory(dir=_SCRATCH) as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        _fill(source, size)
        checksum = digest(source)
        progress.advance(task)
        for _ in range(_ROUNDS):
            for way, seconds in ways.items():
                start = time.perf_counter()
                way(source, target)
                seconds.append(time.perf_counter() - start)
                if digest(target) != checksum:
                    sys.exit(f"demo: {way.__name__} made a copy that differs from its source")
                target.unlink()
                progress.advance(task)
    return size, statistics.median(ways[copy_with_port]), statistics.median(ways[copy_with_threads]), checksum


def _fill(path: Path, size: int) -> None:
    """A file of random bytes, so that a chunk in the wrong place is seen."""
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def _echo_title(connections: int) -> str:
    return f"echo, {connections} connection{'s' if connections > 1 else ''}"


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


if __name__ == "__main__":
    sys.exit(main())
