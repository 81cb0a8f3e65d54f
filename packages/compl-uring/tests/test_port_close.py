"""``close()`` as a barrier: when it returns, the kernel writes into no buffer; forks; ports that are left open."""

from __future__ import annotations

import gc
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from compl_core import ForkedPortError, Interest, Kind, PortClosedError
from compl_uring import UringPort

Pair = tuple[socket.socket, socket.socket]
Background = Callable[..., Future[Any]]
Until = Callable[[Callable[[], Any]], None]
Child = Callable[[str], str]

READS, SIZE = 128, 1 << 16


def descriptors() -> dict[str, str]:
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            found[path.name] = str(path.readlink())
        except OSError:
            pass  # that of the listing
    return found


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[int]:
    """A file past the page cache, whose reads are under way for a while and cannot be cancelled."""
    path = tmp_path / "file"
    path.write_bytes(b"\xff" * (READS * SIZE))
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        pytest.skip("the file system of the test's folder has no O_DIRECT")
    yield file
    os.close(file)


# ---- the barrier ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [4, 256])
@pytest.mark.parametrize("single_thread", [False, True])
def test_no_byte_changes_after_close(direct: int, entries: int, single_thread: bool) -> None:
    """128 reads are with the disk.  Closing the ring's descriptor alone would return while most of them go on."""
    for _ in range(25):
        memory = mmap.mmap(-1, READS * SIZE)
        view = memoryview(memory)
        with UringPort(entries, single_thread=single_thread) as port:
            for at in range(0, READS * SIZE, SIZE):
                port.read(direct, view[at : at + SIZE], at)
            port.flush()
        before = bytes(memory)
        assert port.in_flight == 0
        view.release()  # BufferError: a buffer is still exported
        with UringPort() as later:  # the disk has time for what would still be on its way
            later.read(direct, mmap.mmap(-1, SIZE), 0)
            assert [done.result for done in later.wait(timeout=30)] == [SIZE]
        assert memory[:] == before
        memory.close()


@pytest.mark.parametrize("entries", [1, 256])
def test_thousands_in_flight(entries: int, pair: Pair, pipe: tuple[int, int]) -> None:
    left, right = pair
    buffers = [bytearray(16) for _ in range(5000)]
    files = [socket.socketpair() for _ in range(100)]
    with UringPort(entries) as port:
        for buffer in buffers:
            port.recv(left, buffer)
        for number, (one, other) in enumerate(files):
            port.register(one, number, Interest.READABLE)
            port.recv_from(other, bytearray(1))
            port.poll(one, Interest.READABLE)
        port.read(pipe[0], buffers[0])
        port.timeout(3600)
        port.wait(timeout=0)
        for buffer in buffers[:100]:
            port.recv(left, buffer)  # these have not been handed over
    assert port.in_flight == 0
    right.send(b"too late")
    for buffer in buffers:
        assert buffer == bytes(16)
        buffer.append(1)
    assert left.recv(100) == b"too late"
    for one, other in files:
        one.close()
        other.close()


def test_waiters_leave(port: UringPort, background: Background, until: Until, pair: Pair) -> None:
    port.recv(pair[0], bytearray(1))
    waiting = [background(port.wait) for _ in range(4)]
    until(lambda: port.statistics()["kernel_waits"])
    closing = [background(port.close) for _ in range(2)]
    port.close()
    for future in waiting:
        assert isinstance(future.exception(30), PortClosedError)
    for future in closing:
        assert future.result(30) is None


def test_connections_that_nobody_took(pair: Pair) -> None:
    """They are closed, whether their completion had been seen by the port or not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = UringPort()
        port.accept(listener, multishot=True)
        assert port.wait(timeout=0) == []
        clients = [socket.create_connection(listener.getsockname()) for _ in range(8)]
        port.post(1)
        assert len(port.wait(1, timeout=30)) == 1
        port.close()
        listener.close()
        for client in clients:
            with client:
                client.settimeout(30)
                try:
                    assert client.recv(1) == b""
                except ConnectionResetError:
                    pass  # those that were still the listener's


def test_after_close_everything_is_refused(port: UringPort, pair: Pair) -> None:
    port.close()
    port.close()
    for call in (port.nop, port.wait, port.fileno, port.flush, lambda: port.recv(pair[0], bytearray(1))):
        with pytest.raises(PortClosedError):
            call()


def test_descriptors_are_given_back(pair: Pair) -> None:
    before = descriptors()
    with UringPort() as port:
        port.fileno()
        port.register(pair[0], 1, Interest.READABLE)
        counter = os.eventfd(0)
        port.register(counter, 2, Interest.READABLE)
        os.close(counter)
        added = {target for number, target in descriptors().items() if number not in before}
        assert "anon_inode:[io_uring]" in added
    assert descriptors() == before


# ---- forks ----------------------------------------------------------------------------------------------------------


def forked(call: Callable[[], None]) -> int:
    """Run it in a forked child; the child's exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("how", ["call", "close", "drop", "exit"])
def test_a_forked_child_does_not_disturb(pair: Pair, tcp: Pair, how: str) -> None:
    """The queues are shared memory: what the child did to them would be done to the parent."""
    left, right = pair
    ports = [UringPort()]
    port = ports[0]
    try:
        buffers = [bytearray(1) for _ in range(100)]
        for buffer in buffers[:50]:
            port.recv(left, buffer)
        pool = port.buffer_pool(2, 4)
        port.recv(tcp[0], pool=pool)
        port.register(tcp[1], 5, Interest.READABLE)
        port.wait(timeout=0)
        for buffer in buffers[50:]:
            port.recv(left, buffer)  # prepared, and not handed over

        def child() -> None:
            nonlocal port
            if how == "call":
                for call in (port.nop, port.wait, port.flush, lambda: port.recv(left, bytearray(1))):
                    with pytest.raises(ForkedPortError):
                        call()
            elif how == "close":
                port.close()
            elif how == "drop":
                ports.clear()
                del port
                gc.collect()

        assert forked(child) == 0
        right.send(bytes(range(100)))
        tokens = 0
        while tokens < 100:
            some = port.wait(1000, timeout=30)
            assert some and all(done.result == 1 for done in some)
            tokens += len(some)
        assert b"".join(buffers) == bytes(range(100))
        tcp[1].send(b"pool")
        (done,) = port.wait(timeout=30)
        assert bytes(done.value) == b"pool"
        del done, some
        tcp[0].send(b"x")
        assert [done.key for done in port.wait(timeout=30)] == [5]
        assert pool.available == 2
    finally:
        port.close()


def test_a_child_has_ports_of_its_own(port: UringPort, pair: Pair) -> None:
    left, right = pair
    buffer = bytearray(4)
    port.recv(left, buffer)
    port.wait(timeout=0)

    def child() -> None:
        mine = bytearray(4)
        with UringPort() as own, socket.socket() as unused:
            one, other = socket.socketpair()
            own.recv(one, mine)
            other.send(b"mine")
            assert [done.result for done in own.wait(timeout=30)] == [4]
            assert unused.fileno() >= 0
        os.write(right.fileno(), mine)

    assert forked(child) == 0
    assert [done.result for done in port.wait(timeout=30)] == [4]
    assert bytes(buffer) == b"mine"


def test_an_executed_program_inherits_nothing(port: UringPort, pair: Pair) -> None:
    port.fileno()
    counter = os.eventfd(0)
    port.register(counter, 1, Interest.READABLE)
    port.recv(pair[0], bytearray(1))
    port.wait(timeout=0)
    source = """if True:
        import os
        for number in range(256):
            try:
                print(number, os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                pass
    """
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True, close_fds=False
    )
    assert "pipe:" in done.stdout
    assert "anon_inode" not in done.stdout, done.stdout
    os.close(counter)


# ---- left open ------------------------------------------------------------------------------------------------------


def test_dropped_open(pair: Pair) -> None:
    """It is closed, and said so."""
    buffer = bytearray(4)
    ports = [UringPort()]
    ports[0].recv(pair[0], buffer)
    ports[0].wait(timeout=0)
    before = len(descriptors())
    with pytest.warns(ResourceWarning, match="unclosed uring port"):
        ports.clear()
    assert len(descriptors()) < before
    pair[1].send(b"late")
    assert buffer == bytes(4)
    buffer.append(1)


def test_dropped_in_a_cycle(pair: Pair) -> None:
    """The port keeps its token, its token keeps the port."""
    port = UringPort()
    buffer = bytearray(4)
    port.recv(pair[0], buffer, 0, [port, buffer])
    port.post(1, 0, [port])
    port.wait(1, timeout=0)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        del port
        gc.collect()
    assert {each.category for each in found} == {ResourceWarning}
    buffer.append(1)


def test_the_interpreter_ends_with_everything_open(child: Child) -> None:
    child("""
        import socket, threading, warnings
        from compl_core import Interest
        from compl_uring import UringPort
        warnings.simplefilter("ignore", ResourceWarning)
        left, right = socket.socketpair()
        port = UringPort()
        pool = port.buffer_pool(4, 4)
        for _ in range(100):
            port.recv(left, bytearray(1))
        port.recv(right, pool=pool)
        port.register(left, 1, Interest.READABLE)
        started = threading.Event()
        def wait():
            started.set()
            port.wait()
        threading.Thread(target=wait, daemon=True).start()
        started.wait(30)
    """)


def test_opened_once(port: UringPort) -> None:
    with pytest.raises(RuntimeError, match="twice"):
        port.__init__()  # type: ignore[misc]
    port.post(1)
    assert [done.key for done in port.wait(timeout=0)] == [1]


def test_never_opened() -> None:
    port = UringPort.__new__(UringPort)
    assert port.closed
    for call in (port.nop, port.wait, port.fileno, port.flush):
        with pytest.raises(PortClosedError):
            call()
    port.close()


def test_closed_while_its_files_are_closed(pair: Pair) -> None:
    """A close that was promised is kept; linger and all."""
    left, right = pair
    with UringPort() as port:
        port.recv(left, bytearray(1))
        port.wait(timeout=0)
        port.close_file(left)
    assert right.recv(1) == b""


def test_closed_by_a_signal_handler(child: Child) -> None:
    output = child("""
        import os, signal, socket, threading
        from compl_core import PortClosedError
        from compl_uring import UringPort
        left, right = socket.socketpair()
        port = UringPort()
        buffer = bytearray(1)
        port.recv(left, buffer)
        signal.signal(signal.SIGUSR1, lambda *_: port.close())
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        try:
            port.wait()
        except PortClosedError:
            print("closed")
        buffer.append(1)
    """)
    assert output == "closed"


def test_a_reset_peer_at_close(tcp: Pair) -> None:
    client, server = tcp
    with UringPort() as port:
        port.send_all(client, bytes(1 << 24))
        port.recv(client, bytearray(1))
        port.wait(timeout=0)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
    assert port.in_flight == 0


def test_many_threads_close_many_ports() -> None:
    """Each with operations of every sort; none keeps another waiting for long."""

    def come_and_go() -> None:
        left, right = socket.socketpair()
        with left, right:
            for _ in range(50):
                with UringPort(8) as port:
                    for _ in range(20):
                        port.recv(left, bytearray(1))
                    port.poll(right, Interest.READABLE)
                    port.nop()
                    assert [done.kind for done in port.wait(1, timeout=30)] == [Kind.NOP]

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
