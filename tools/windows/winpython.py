"""Run a Windows CPython under Wine as if it were a program of this system; windows_python.py puts it beside one.

    winpython ARGS...            python.exe ARGS...
    winpython --wine-run X ARGS  any other .exe, in the same Wine prefix
    winpython --wine-kill        end this prefix's wineserver, and all that runs in it

Standard streams may be anything, or closed: Wine 8 cannot stat a regular file that it did not open itself, and Python
refuses standard streams that it cannot stat, so the program gets pipes.  PYTHONPATH may hold Unix paths.  With
WINPYTHON_TTY=1 Wine talks to the terminal itself, which it fills with escape sequences.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

_HERE = Path(__file__).absolute().parent


def environment(folder: Path) -> dict[str, str]:
    """Ours, for Wine with the prefix in ``folder``: no window, no menu entries, no browser, no .NET."""
    kept = {"DISPLAY", "WAYLAND_DISPLAY", "PYTHONHOME", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR", "VIRTUAL_ENV"}
    found = {"WINEDEBUG": "-all", **{name: value for name, value in os.environ.items() if name not in kept}}
    found["WINEPREFIX"] = str(folder / "prefix")
    found["WINEARCH"] = "win64"
    found["WINEDLLOVERRIDES"] = "mscoree=;mshtml=;winemenubuilder.exe="
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = ";".join(windows_path(path) for path in found["PYTHONPATH"].split(os.pathsep))
    return found


def windows_path(path: str) -> str:
    """What Wine calls a path of ours: Z: is the root."""
    return "Z:" + path.replace("/", "\\") if path.startswith("/") else path


def main(arguments: list[str]) -> int:
    """Run it; its exit status, of which a Unix keeps the low eight bits."""
    variables = environment(_HERE)
    if arguments[:1] == ["--wine-kill"]:
        subprocess.run(["wineserver", "-k"], env=variables, check=False)
        return subprocess.run(["wineserver", "-w"], env=variables, check=False).returncode
    if not shutil.which("wine"):
        print("winpython: wine is not there any more; apt-get install wine wine64", file=sys.stderr)
        return 127
    if arguments[:1] == ["--wine-run"]:
        command = ["wine", *arguments[1:]]
    else:
        command = ["wine", str(_HERE / "python" / "python.exe"), *arguments]
    _open_what_is_closed()
    # Starting the server takes a second: it stays for a minute after its last program, and keeps what it inherits.
    silent = subprocess.DEVNULL
    subprocess.run(["wineserver", "-p60"], env=variables, stdin=silent, stdout=silent, stderr=silent, check=False)
    if variables.get("WINPYTHON_TTY"):
        os.execvpe(command[0], command, variables)
    return _run(command, variables)


def _open_what_is_closed() -> None:
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)


def _run(command: list[str], variables: dict[str, str]) -> int:
    feeder = None
    streams = [0, 1, 2]
    ended, end = os.pipe()
    pumps = []
    if stat.S_ISREG(os.fstat(0).st_mode):
        feeder = subprocess.Popen(["cat"], stdout=subprocess.PIPE)
        assert feeder.stdout is not None
        streams[0] = feeder.stdout.fileno()
    for number in (1, 2):
        if number == 2 and os.path.samestat(os.fstat(1), os.fstat(2)):
            streams[2] = streams[1]  # 2>&1: both in the order in which they were written
            continue
        source, streams[number] = os.pipe()
        pumps.append(threading.Thread(target=_pump, args=(source, number, ended)))
    child = subprocess.Popen(command, env=variables, stdin=streams[0], stdout=streams[1], stderr=streams[2])
    for number in set(streams) - {0, 1, 2}:
        os.close(number)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda number, _: child.send_signal(number))
    for pump in pumps:
        pump.start()
    status = child.wait()
    os.write(end, b"!")
    for pump in pumps:
        pump.join()
    if feeder is not None:
        feeder.terminate()
        feeder.wait()
    return status if status >= 0 else 128 - status


def _pump(source: int, sink: int, ended: int) -> None:
    """Copy until the source ends, or the program has ended and nothing more is there.

    Never until the source ends alone: the services that the first program of a prefix starts inherit its streams, and
    keep them for as long as the server stays.
    """
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while any(number == source for number, _ in poll.poll()):
        data = os.read(source, 1 << 16)
        if not data:
            return
        try:
            while data:
                data = data[os.write(sink, data) :]
        except OSError:  # the reader has gone: let the writer know
            os.close(source)
            return


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
