"""Code of the caller that runs inside a call (``fileno``, ``__index__``, buffers, destructors) and uses the port."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compl_core import Interest, Kind, PortClosedError
from compl_epoll import EpollPort

Pair = tuple[socket.socket, socket.socket]
Child = Callable[[str], str]

#: What every argument that runs code is tried with; each does it once, whatever comes of it.
TURNS = """
    import faulthandler, os, socket, sys, warnings
    faulthandler.dump_traceback_later(60, exit=True)
    from compl_core import Interest
    from compl_epoll import EpollPort

    def close(port):
        port.close()

    def post(port):
        for _ in range(100):  # enough to move the ready queue
            port.post(1, 2, "posted")

    def submit(port):
        for _ in range(200):  # enough to move the table of operations
            port.nop("nop")

    def wait(port):
        port.wait(timeout=0)

    def cancel(port):
        port.cancel_all(turning.left)

    def close_file(port):
        port.close_file(turning.left)

    def unregister(port):
        try:
            port.unregister(turning.left)
        except OSError:
            pass

    def other_files(port):  # enough to move the table of files
        opened = [os.dup(0) for _ in range(200)]
        for fd in opened:
            port.recv(fd, bytearray(1))
            os.close(fd)

    def raises(port):
        raise ZeroDivisionError

    class Turn:
        def __init__(self, port, action, value):
            self.port, self.action, self.value = port, action, value

        def turn(self):
            if turning.armed:
                turning.armed = False
                self.action(self.port)
            return self.value

        def fileno(self):
            return self.turn()

        def close(self):
            self.turn()

        def __index__(self):
            return self.turn()

        def __float__(self):
            return float(self.turn())

        def __bool__(self):
            return bool(self.turn())

        def __iter__(self):
            return iter(self.turn())

        def __eq__(self, other):
            return self.turn() == other

        __hash__ = None

        def __buffer__(self, flags):
            return memoryview(self.turn())

        def __release_buffer__(self, view):
            self.turn()

    class Host(str):
        def encode(self, *arguments):
            turning.turn.turn()
            return super().encode(*arguments)

    class Socket(socket.socket):
        def detach(self):
            turning.turn.turn()
            return super().detach()

    class turning:
        armed = False
        left = turn = None

    def calls(port, T):
        "Each call with one argument that runs code: a name, and what to do."
        left, fd = turning.left, turning.left.fileno()
        file = T(fd)
        yield "register file", lambda: port.register(file, 1, Interest.READABLE)
        yield "register key", lambda: port.register(left, T(1), Interest.READABLE)
        yield "register interest", lambda: port.register(left, 1, T(1))
        yield "register oneshot", lambda: port.register(left, 1, Interest.READABLE, oneshot=T(1))
        yield "modify file", lambda: port.modify(file, key=1)
        yield "modify key", lambda: port.modify(left, key=T(1))
        yield "modify interest", lambda: port.modify(left, interest=T(2))
        yield "modify oneshot", lambda: port.modify(left, oneshot=T(1))
        yield "unregister", lambda: port.unregister(file)
        yield "post key", lambda: port.post(T(1))
        yield "post result", lambda: port.post(1, T(1))
        yield "wait max", lambda: port.wait(T(4), timeout=0)
        yield "wait min", lambda: port.wait(4, timeout=0, min_completions=T(1))
        yield "wait timeout", lambda: port.wait(4, T(0))
        yield "timeout", lambda: port.timeout(T(0))
        for name in ("read", "write", "recv", "send", "recv_exactly", "send_all", "recv_from"):
            method = getattr(port, name)
            yield name + " file", lambda: method(file, bytearray(3))
            yield name + " buffer", lambda: method(left, T(bytearray(3)))
        for name in ("recv", "send", "recv_from"):
            method = getattr(port, name)
            yield name + " flags", lambda: method(left, bytearray(3), T(0))
        for name in ("read", "write"):
            method = getattr(port, name)
            yield name + " offset", lambda: method(turning.file, bytearray(3), T(0))
        for name in ("read_vectored", "write_vectored"):
            method = getattr(port, name)
            yield name + " file", lambda: method(file, [bytearray(3), bytearray(3)])
            yield name + " buffers", lambda: method(left, T([bytearray(3)]))
            yield name + " buffer", lambda: method(left, [bytearray(3), T(bytearray(3)), bytearray(3)])
            yield name + " offset", lambda: method(turning.file, [bytearray(3)], T(0))
        yield "fsync file", lambda: port.fsync(file)
        yield "fsync data_only", lambda: port.fsync(turning.file, data_only=T(1))
        yield "accept file", lambda: port.accept(file)
        yield "accept multishot", lambda: port.accept(left, multishot=T(1))
        yield "connect file", lambda: port.connect(file, "/nowhere")
        yield "connect address", lambda: port.connect(left, T("/nowhere"))
        yield "connect host", lambda: port.connect(turning.udp, (turning.host, 1))
        yield "connect number", lambda: port.connect(turning.udp, ("127.0.0.1", T(1)))
        yield "send_to file", lambda: port.send_to(file, b"x", "/nowhere")
        yield "send_to buffer", lambda: port.send_to(turning.udp, T(bytearray(3)), ("127.0.0.1", 9))
        yield "send_to host", lambda: port.send_to(turning.udp, b"x", (turning.host, 9))
        yield "poll file", lambda: port.poll(file, Interest.READABLE)
        yield "poll interest", lambda: port.poll(left, T(1))
        yield "cancel", lambda: port.cancel(T(1))
        yield "cancel_all", lambda: port.cancel_all(file)
        yield "close_file file", lambda: port.close_file(file)
        yield "close_file socket", lambda: port.close_file(left)
        yield "submit", lambda: port.submit(T(1))

    def one(action, place):
        "The call at that place, on a fresh port; its name, or None behind the last."
        with EpollPort() as port, open("/proc/self/exe", "rb", buffering=0) as turning.file:
            a, right = socket.socketpair()
            turning.left = left = Socket(fileno=a.detach())
            turning.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with left, right, turning.udp:
                port.register(left, 17)
                port.recv(left, bytearray(3), 0, "pending")
                port.post(3, 4, "before")
                turning.turn = Turn(port, action, None)
                turning.host = Host("127.0.0.1")
                listed = list(calls(port, lambda value: Turn(port, action, value)))
                if place >= len(listed):
                    return None
                name, call = listed[place]
                turning.armed = True
                try:
                    call()
                except (OSError, ValueError, TypeError, BufferError, OverflowError, ZeroDivisionError) as error:
                    assert not isinstance(error, ZeroDivisionError) or action is raises, (name, error)
                turning.armed = False
                if not port.closed:
                    port.cancel_all(left) if left.fileno() >= 0 else None
                    left_over = 0
                    while port.in_flight:
                        assert port.wait(1000, timeout=20), (name, port.statistics())
                        left_over += 1
                    port.post(5, 6, "after")
                    assert port.wait(1000, timeout=20)[-1].token == "after", name
                return name

    action, place = globals()[sys.argv[1]] if len(sys.argv) > 1 else {action}, 0
    with warnings.catch_warnings():
        while one(action, place) is not None:
            place += 1
    print(place)
"""
ACTIONS = ["close", "post", "submit", "wait", "cancel", "close_file", "unregister", "other_files", "raises"]


@pytest.mark.parametrize("action", ACTIONS)
def test_arguments_that_turn_on_the_port(child: Child, action: str) -> None:
    """Whatever the argument does, the call succeeds or raises, everything submitted completes, nothing crashes."""
    assert int(child(TURNS.replace("{action}", action))) > 50


# ---- what is dropped runs code, too ---------------------------------------------------------------------------------


class Dropped:
    """Calls back when its last reference goes."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __del__(self) -> None:
        self.call()


def test_tokens_that_submit_as_they_go(port: EpollPort) -> None:
    """The port holds the last reference to a discarded post's token, and to the object of a registration."""
    port.post(1, 0, Dropped(lambda: port.post(2)))
    assert [done.key for done in port.wait(timeout=0)] == [1]  # the list is dropped at once, the token with it
    assert [done.key for done in port.wait(timeout=0)] == [2]


@pytest.mark.parametrize("what", ["post", "nop", "recv"])
def test_a_token_that_closes_the_port_as_it_goes(pair: Pair, what: str) -> None:
    """From inside wait(), which lets go of the operation: what it has so far it still returns."""
    port = EpollPort()
    memory = bytearray(10)
    if what == "recv":
        buffer = (ctypes.c_char * 4)()
        buffer.dropped = Dropped(port.close)  # type: ignore[attr-defined]
        port.recv(pair[0], buffer, 0, "recv")  # the token outlives wait() in its completion, the buffer does not
        del buffer
        pair[1].send(b"x")
    elif what == "nop":
        port.nop(Dropped(port.close))
    else:
        port.post(1, 0, Dropped(port.close))
    port.recv(pair[0], memory)
    for _ in range(3):
        port.nop()
    while not port.closed:
        assert port.wait(timeout=30)
    memory.append(0)  # nothing holds it any more
    with pytest.raises(PortClosedError):
        port.wait(timeout=0)


def test_a_handler_that_closes_the_port(child: Child) -> None:
    """As programs end on SIGTERM: the handler runs inside wait(), in the thread that waits, and others wait as well."""
    output = child("""
        import faulthandler, os, signal, threading
        faulthandler.dump_traceback_later(60, exit=True)
        from compl_core import PortClosedError
        from compl_epoll import EpollPort

        def handle(number, frame):
            port.close()
            print("closed")

        def wait():
            try:
                port.wait()
            except PortClosedError:
                ended.append(1)

        ended = []
        port = EpollPort()
        port.timeout(3600)
        signal.signal(signal.SIGTERM, handle)
        others = [threading.Thread(target=wait) for _ in range(3)]
        for other in others:
            other.start()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        wait()
        for other in others:
            other.join()
        print(len(ended))
    """)
    assert output.split() == ["closed", "4"]


def test_a_registered_object_that_goes_with_its_registration(port: EpollPort, pair: Pair) -> None:
    class File:
        def __init__(self, fd: int) -> None:
            self.fd = fd

        def fileno(self) -> int:
            return self.fd

        def __del__(self) -> None:
            port.register(self.fd, 2, Interest.WRITABLE)

    port.register(File(pair[0].fileno()), 1)
    port.unregister(pair[0].fileno())
    assert [done.key for done in port.wait(timeout=0)] == [2]


@pytest.mark.parametrize("registered", [False, True])
def test_everything_dropped_by_close(registered: bool, pair: Pair) -> None:
    """Each of those calls a closed port as it goes."""
    refused: list[object] = []

    def use() -> None:
        for call in (lambda: port.post(1), lambda: port.nop(), lambda: port.wait(timeout=0), lambda: port.fileno()):
            try:
                call()
            except PortClosedError:
                refused.append(call)
        port.close()

    port = EpollPort()
    if registered:
        port.register(pair[0], 1, Interest.READABLE)
    for _ in range(100):
        port.post(1, 0, Dropped(use))
        port.nop(Dropped(use))
        port.recv(pair[0], bytearray(10), 0, Dropped(use))
        port.timeout(3600, Dropped(use))
    port.close()
    assert len(refused) == 400 * 4


def test_a_weak_reference_that_calls_back(port: EpollPort, pair: Pair) -> None:
    """The operation keeps its file; the callback runs as wait() lets go of it."""

    class File:
        def fileno(self) -> int:
            return pair[0].fileno()

    file = File()
    kept = weakref.ref(file, lambda _: port.post(9))
    port.recv(file, bytearray(1), 0, "recv")
    del file
    gc.collect()
    assert kept() is not None
    pair[1].send(b"x")
    done = port.wait(timeout=30)
    assert kept() is None
    done += port.wait(timeout=30) if len(done) < 2 else []
    assert [each.kind for each in done] == [Kind.RECV, Kind.POSTED]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="buffers written in Python came with 3.12 (PEP 688)")
def test_a_buffer_that_uses_the_port_when_released(port: EpollPort, pair: Pair) -> None:
    class Buffer:
        def __init__(self) -> None:
            self.memory = bytearray(10)

        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(self.memory)

        def __release_buffer__(self, view: memoryview) -> None:
            port.post(1, 0, "released")
            inner.extend(port.wait(timeout=0))

    inner: list[Any] = []
    for n in range(20):
        port.send(pair[0], Buffer(), 0, n)  # type: ignore[arg-type, unused-ignore]
    done = port.wait(timeout=0)
    while len(done) + len(inner) < 40:
        done += port.wait(timeout=30)
    tokens = [each.token for each in [*done, *inner]]
    assert tokens.count("released") == 20
    assert sorted(token for token in tokens if isinstance(token, int)) == list(range(20))


def test_close_of_a_file_object_that_fails(port: EpollPort, tmp_path: Path) -> None:
    class Stubborn:
        def __init__(self, error: Exception) -> None:
            self.fd = os.open(tmp_path, os.O_RDONLY)
            self.error = error

        def fileno(self) -> int:
            return self.fd

        def close(self) -> None:
            os.close(self.fd)
            port.post(1)
            raise self.error

    port.close_file(Stubborn(OSError(28, "no space")), "oserror")
    done = {each.token: each for each in port.wait(timeout=30, min_completions=1)}
    assert done["oserror"].result == -28
    ignored: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, ignored.append
    try:
        port.close_file(Stubborn(ZeroDivisionError()), "other")
        completions = port.wait(timeout=30, min_completions=2)
    finally:
        sys.unraisablehook = hook
    assert [each.result for each in completions if each.token == "other"] == [-5]
    assert [each.exc_type for each in ignored] == [ZeroDivisionError]
    assert type(ignored[0]).__name__ == "UnraisableHookArgs"  # the interpreter's own hook takes nothing else
    assert [each.kind for each in port.wait(timeout=0)] in ([], [Kind.POSTED])


def test_kept_completions_do_not_change(port: EpollPort) -> None:
    kept = []
    for n in range(300):
        port.post(n, n, ("token", n))
        if n % 3 == 0:
            kept += port.wait()
    while len(kept) < 300:
        kept += port.wait()
    assert [(done.key, done.result, done.token) for done in kept] == [(n, n, ("token", n)) for n in range(300)]
