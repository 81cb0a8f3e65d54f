"""``UringPort(single_thread=True)``: one thread's alone, and whoever else uses it is told whose it is."""

from __future__ import annotations

import errno
import gc
import os
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import Capability, ForkedPortError, Interest, Kind, PortClosedError, WrongThreadError
from compl_uring import UringPort

Pair = tuple[socket.socket, socket.socket]
Background = Callable[..., Future[Any]]
Child = Callable[[str], str]


@pytest.fixture
def bound() -> Iterator[UringPort]:
    with UringPort(single_thread=True) as port:
        yield port


def calls(port: UringPort, sock: socket.socket, file: int) -> dict[str, Callable[[], Any]]:
    """Every method, called as it should be."""
    return {
        "nop": port.nop,
        "timeout": lambda: port.timeout(1),
        "read": lambda: port.read(file, bytearray(1), 0),
        "write": lambda: port.write(file, b"x", 0),
        "read_vectored": lambda: port.read_vectored(file, [bytearray(1)], 0),
        "write_vectored": lambda: port.write_vectored(file, [b"x"], 0),
        "fsync": lambda: port.fsync(file),
        "recv": lambda: port.recv(sock, bytearray(1)),
        "recv_exactly": lambda: port.recv_exactly(sock, bytearray(1)),
        "recv_from": lambda: port.recv_from(sock, bytearray(1)),
        "send": lambda: port.send(sock, b"x"),
        "send_all": lambda: port.send_all(sock, b"x"),
        "send_to": lambda: port.send_to(sock, b"x", "/nowhere"),
        "accept": lambda: port.accept(sock),
        "connect": lambda: port.connect(sock, "/nowhere"),
        "poll": lambda: port.poll(sock, Interest.READABLE),
        "cancel": lambda: port.cancel(1),
        "cancel_all": lambda: port.cancel_all(sock),
        "close_file": lambda: port.close_file(sock),
        "register": lambda: port.register(sock, 1, Interest.READABLE),
        "modify": lambda: port.modify(sock, key=2),
        "unregister": lambda: port.unregister(sock),
        "post": lambda: port.post(1),
        "wait": lambda: port.wait(timeout=0),
        "flush": port.flush,
        "fileno": port.fileno,
        "statistics": port.statistics,
        "buffer_pool": lambda: port.buffer_pool(1, 1),
        "close": port.close,
    }


def test_what_it_is(bound: UringPort, port: UringPort) -> None:
    assert (bound.single_thread, port.single_thread) == (True, False)
    assert port.capabilities & ~bound.capabilities == Capability.MULTI_WAITER


def test_every_method_is_refused_elsewhere(
    bound: UringPort, pair: Pair, tmp_path: Path, background: Background
) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        table = calls(bound, pair[0], file.fileno())
        public = {name for name in dir(UringPort) if not name.startswith("_") and callable(getattr(UringPort, name))}
        assert public - table.keys() <= {"submit", "abilities", "register_associated"}
        for name, call in table.items():
            error = background(call).exception(30)
            if name == "statistics" and error is None:
                continue  # reads numbers only
            assert isinstance(error, WrongThreadError), (name, error)
            assert name in str(error) and str(threading.get_ident()) in str(error), error
    assert not bound.closed
    assert bound.in_flight == 0
    assert pair[0].fileno() >= 0
    bound.post(1)
    assert [done.key for done in bound.wait(timeout=0)] == [1]


def test_properties_are_anybodys(bound: UringPort, background: Background) -> None:
    assert background(lambda: (bound.closed, bound.in_flight, bound.single_thread)).result(30) == (False, 0, True)
    assert "UringPort" in background(repr, bound).result(30)


def test_operations_in_its_own_thread(bound: UringPort, tcp: Pair, pipe: tuple[int, int], tmp_path: Path) -> None:
    client, server = tcp
    buffer, contents = bytearray(4), bytearray(8)
    path = tmp_path / "file"
    path.write_bytes(b"contents")
    with path.open("rb", buffering=0) as file:
        bound.register(client, 7)
        bound.recv(client, buffer, 0, "recv")
        bound.read(file, contents, 0, "read")
        bound.read(pipe[0], bytearray(1), None, "pipe")
        bound.timeout(0.001, "timer")
        bound.send(server, b"real", 0, "send")
        bound.poll(server, Interest.WRITABLE, "poll")
        os.write(pipe[1], b"x")
        found: dict[Any, int] = {}
        while len(found) < 6:
            some = bound.wait(timeout=30)
            assert some
            found |= {done.token: done.result for done in some}
    assert found == {"recv": 4, "read": 8, "pipe": 1, "timer": 0, "send": 4, "poll": Interest.WRITABLE}
    assert (bytes(buffer), bytes(contents)) == (b"real", b"contents")


def test_waits_until_something_comes(bound: UringPort, pair: Pair, background: Background) -> None:
    """Its completions are made in its own thread when it enters the kernel, and it hears of them while it sleeps."""
    left, right = pair
    for number in range(20):
        buffer = bytearray(1)
        bound.recv(left, buffer)
        before = threading.Event()
        sent = background(lambda before=before, data=bytes([number]): (before.wait(30), right.send(data)))
        before.set()
        assert [done.result for done in bound.wait(timeout=30)] == [1]
        assert buffer[0] == number
        sent.result(30)


def test_level_readiness(bound: UringPort, pair: Pair) -> None:
    bound.register(pair[0], 3, Interest.READABLE)
    assert bound.wait(timeout=0) == []
    pair[1].send(b"x")
    for _ in range(3):
        assert [done.key for done in bound.wait(timeout=30)] == [3]
    pair[0].recv(1)
    bound.wait(timeout=0)
    assert bound.wait(timeout=0.01) == []


def test_thousands_in_flight(pair: Pair) -> None:
    with UringPort(4, single_thread=True) as port:
        buffers = [bytearray(1) for _ in range(5000)]
        for number, buffer in enumerate(buffers):
            port.recv(pair[0], buffer, 0, number)
        data = bytes(n % 251 for n in range(5000))
        pair[1].sendall(data)
        tokens: list[object] = []
        while len(tokens) < 5000:
            some = port.wait(1000, timeout=30)
            assert some
            tokens += [done.token for done in some]
        assert tokens == list(range(5000))
        assert b"".join(buffers) == data


def test_a_pool(bound: UringPort, pair: Pair, background: Background) -> None:
    """Its views may be let go of anywhere: that is no call of the port."""
    pool = bound.buffer_pool(1, 4)
    bound.recv(pair[0], pool=pool)
    for number in range(10):
        pair[1].send(b"ab%d" % number)
        (done,) = bound.wait(timeout=30)
        assert bytes(done.value) == b"ab%d" % number
        view = done.value
        del done
        background(view.release).result(30)
        assert pool.available == 1


def test_close_with_much_in_flight(pair: Pair) -> None:
    buffers = [bytearray(8) for _ in range(2000)]
    with UringPort(8, single_thread=True) as port:
        for buffer in buffers:
            port.recv(pair[0], buffer)
            port.poll(pair[0], Interest.READABLE)
        port.wait(timeout=0)
    pair[1].send(b"never seen")
    for buffer in buffers:
        buffer.append(1)
        assert buffer[:8] == bytes(8)
    with pytest.raises(PortClosedError):
        port.nop()


# ---- dropped, and left by its thread --------------------------------------------------------------------------------


def test_dropped_in_its_own_thread(pair: Pair) -> None:
    ports = [UringPort(single_thread=True)]
    ports[0].recv(pair[0], bytearray(1))
    ports[0].wait(timeout=0)
    with pytest.warns(ResourceWarning, match="unclosed uring port"):
        ports.clear()


def test_dropped_by_another_threads_collection(child: Child) -> None:
    """In a cycle, found by the garbage collector of whichever thread it is: a warning, no crash, no lost buffer."""
    child("""
        import gc, socket, threading, warnings
        from compl_uring import UringPort

        gc.disable()
        left, right = socket.socketpair()
        buffers = [bytearray(64) for _ in range(50)]
        for round in range(20):
            port = UringPort(single_thread=True)
            for buffer in buffers:
                port.recv(left, buffer)
            assert port.wait(timeout=0) == []
            cycle = [port]
            cycle.append(cycle)
            del port, cycle
            caught = []
            def collect():
                with warnings.catch_warnings(record=True) as found:
                    warnings.simplefilter("always")
                    gc.collect()
                    caught.extend(found)
            thread = threading.Thread(target=collect)
            thread.start()
            thread.join()
            assert any(issubclass(each.category, ResourceWarning) for each in caught), caught
        right.send(b"late" * 10)
        for buffer in buffers:
            assert buffer == bytes(64)
    """)


def test_its_thread_has_gone(background: Background, pair: Pair) -> None:
    """Nobody can use it any more; closing it from here is refused, dropping it is safe."""
    made: list[UringPort] = []

    def open_it() -> None:
        made.append(UringPort(single_thread=True))
        made[0].recv(pair[0], bytearray(1))
        made[0].wait(timeout=0)

    thread = threading.Thread(target=open_it)
    thread.start()
    thread.join()
    with pytest.raises(WrongThreadError):
        made[0].wait(timeout=0)
    with pytest.raises(WrongThreadError):
        made[0].close()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        made.clear()
        gc.collect()
    assert [each.category for each in found if each.category is ResourceWarning]


def test_no_other_thread_is_taken_for_it(background: Background, pair: Pair) -> None:
    """The system gives the number of a thread that has ended to the next one."""
    made: list[UringPort] = []
    numbers = set()

    def open_it() -> None:
        numbers.add(threading.get_ident())
        made.append(UringPort(single_thread=True))
        made[0].timeout(60)

    def use_it() -> None:
        numbers.add(threading.get_ident())
        with UringPort(single_thread=True) as own:
            own.recv(pair[0], bytearray(1))
            with pytest.raises(WrongThreadError):
                made[0].wait(timeout=0)
            assert own.statistics()["prepared"] == 2

    for call in [open_it] + [use_it] * 10:
        failures: list[BaseException] = []
        thread = threading.Thread(target=lambda call=call, failures=failures: run(call, failures))
        thread.start()
        thread.join()
        assert not failures, failures
    with pytest.warns(ResourceWarning):
        made.clear()


def run(call: Callable[[], None], failures: list[BaseException]) -> None:
    try:
        call()
    except BaseException as error:
        failures.append(error)


def test_dropped_in_a_thread_that_has_its_own(pair: Pair, background: Background) -> None:
    """Both rings are registered under the same number, each in its thread."""
    theirs: list[UringPort] = []
    opened, dropped = threading.Event(), threading.Event()

    def open_it() -> int:
        theirs.append(UringPort(single_thread=True))
        theirs[0].recv(pair[1], bytearray(1))
        assert theirs[0].wait(timeout=0) == []
        opened.set()
        dropped.wait(30)
        with UringPort(single_thread=True) as another:
            another.nop()
            return len(another.wait(timeout=30))

    other = background(open_it)
    assert opened.wait(30)
    with UringPort(single_thread=True) as mine:
        buffer = bytearray(1)
        mine.recv(pair[0], buffer)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            theirs.clear()
            gc.collect()
        assert {each.category for each in found} == {ResourceWarning}
        assert mine.wait(timeout=0) == []
        pair[1].send(b"x")
        assert [done.result for done in mine.wait(timeout=30)] == [1]
    dropped.set()
    assert other.result(30) == 1


def test_one_after_the_other(pair: Pair) -> None:
    """Each is registered with the thread, which has 16 places for rings: they are given back."""
    for _ in range(100):
        with UringPort(4, single_thread=True) as port:
            port.recv(pair[0], bytearray(1))
            assert port.wait(timeout=0) == []


def test_interpreter_exit_in_the_wrong_thread() -> None:
    """The port of a thread that is still there when the interpreter ends."""
    source = """if True:
        import threading
        from compl_uring import UringPort
        made = threading.Event()
        def use():
            global port
            port = UringPort(single_thread=True)
            made.set()
            port.wait()
        threading.Thread(target=use, daemon=True).start()
        made.wait(30)
        print("ends")
    """
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "ends"), done.stderr


def test_fork(bound: UringPort) -> None:
    """The child is not its process; the parent goes on."""
    bound.timeout(0.01, "timer")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            bound.post(1)
        except ForkedPortError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    (done,) = bound.wait(timeout=30)
    assert (done.token, done.kind, done.error) == ("timer", Kind.TIMEOUT, None)


def test_cancel(bound: UringPort, pair: Pair) -> None:
    identity = bound.recv(pair[0], bytearray(1))
    assert bound.wait(timeout=0) == []
    assert bound.cancel(identity)
    assert [done.result for done in bound.wait(timeout=30)] == [-errno.ECANCELED]
