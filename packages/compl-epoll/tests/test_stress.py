"""Many threads, every call, a port closed under them: in processes of their own, which must not crash or hang."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

Child = Callable[[str], str]

#: Threads that use a port in every way until it is closed; what a call may raise is known.
CLOSED_UNDER = """
    import errno, faulthandler, os, random, socket, sys, threading, time
    faulthandler.dump_traceback_later(90, exit=True)
    from compl_core import Interest, PortClosedError
    from compl_epoll import EpollPort

    def use(port, seed, sockets, file, failures):
        choose = random.Random(seed)
        left, right = choose.choice(sockets)
        ids = [0]
        views = []
        pool = None

        def once():
            match choose.randrange(22):
                case 0: ids.append(port.recv(left, bytearray(8)))
                case 1: ids.append(port.send(right, b"12345678"))
                case 2: ids.append(port.timeout(choose.choice([0, 0.001, 60])))
                case 3: port.cancel(choose.choice(ids))
                case 4: port.post(1, 2, object())
                case 5: port.wait(8, timeout=0)
                case 6: port.wait(8, timeout=0.002, min_completions=2)
                case 7: port.register(left, choose.randrange(100), Interest.READABLE)
                case 8: port.unregister(left)
                case 9: port.modify(left, interest=Interest(choose.randrange(4)), oneshot=choose.random() < 0.5)
                case 10: ids.append(port.read(file, bytearray(choose.choice([10, 1 << 19])), 0))
                case 11: ids.append(port.write(file, bytes(1 << 19), 0))
                case 12: ids.append(port.fsync(file))
                case 13: ids.append(port.poll(left, Interest.READABLE))
                case 14: port.cancel_all(left)
                case 15: port.fileno()
                case 16: port.statistics()
                case 17: ids.append(port.recv_exactly(left, bytearray(16)))
                case 18: port.wait(1000, timeout=0.001)
                case 19: ids.append(port.nop()); port.flush(); port.in_flight; repr(port)
                case 20: ids.append(port.recv(left, pool=pool))
                case 21: views.extend(done.value for done in port.wait(4, timeout=0) if done.value is not None)
            if len(views) > choose.randrange(6):
                views.pop(choose.randrange(len(views)))

        try:
            pool = port.buffer_pool(3, 4)
            while True:
                try:
                    once()
                except OSError as error:
                    assert error.errno in (errno.EEXIST, errno.ENOENT), error
                if choose.random() < 0.01:
                    left, right = choose.choice(sockets)
                    time.sleep(0)
        except PortClosedError:
            pass
        except BaseException as error:
            failures.append(error)
            raise

    def drain(sockets):
        for pair in sockets:
            for end in pair:
                end.setblocking(False)
                try:
                    while end.recv(1 << 20):
                        pass
                except BlockingIOError:
                    pass
                end.setblocking(True)

    sys.setswitchinterval(1e-5)
    path = "/proc/self/fd"
    with open(os.memfd_create("file"), "w+b", buffering=0) as memory:
        sockets = [socket.socketpair() for _ in range(4)]
        before = None
        for round in range({rounds}):
            port, failures = EpollPort(), []
            arguments = (port, round * 100, sockets, memory, failures)
            threads = [
                threading.Thread(target=use, args=(port, round * 100 + n, sockets, memory, failures), daemon=True)
                for n in range(6)
            ]
            for thread in threads:
                thread.start()
            time.sleep(random.Random(round).random() * 0.02)  # how far they get is the point
            closers = [threading.Thread(target=port.close) for _ in range(2)]
            for closer in closers:
                closer.start()
            port.close()
            for thread in [*threads, *closers]:
                thread.join()
            assert not failures and port.closed and port.in_flight == 0, failures
            drain(sockets)
            opened = len(os.listdir(path))
            assert before in (None, opened), (before, opened)
            before = opened
        for pair in sockets:
            for end in pair:
                end.close()
    print("survived")
"""


def test_every_call_while_the_port_is_closed(child: Child) -> None:
    assert child(CLOSED_UNDER.replace("{rounds}", "40")) == "survived"


def test_files_closed_and_reused_under_the_port(child: Child) -> None:
    """Numbers that change hands while operations and registrations are on them: anything goes but a crash or a hang."""
    output = child("""
        import faulthandler, os, random, socket
        faulthandler.dump_traceback_later(90, exit=True)
        from compl_core import Interest
        from compl_epoll import EpollPort

        choose = random.Random(4)
        with EpollPort() as port:
            opened = []
            pool, views = port.buffer_pool(4, 2), []
            for step in range(20_000):
                while len(opened) < 8:
                    kind = choose.randrange(4)
                    if kind == 0:
                        opened += [end.detach() for end in socket.socketpair()]
                    elif kind == 1:
                        opened += os.pipe()
                    elif kind == 2:
                        opened.append(os.eventfd(0))
                    else:
                        opened.append(os.open("/proc/self/exe", os.O_RDONLY))
                fd = choose.choice(opened)
                try:
                    match choose.randrange(13):
                        case 0: port.read(fd, bytearray(8))
                        case 1: port.write(fd, b"12345678")
                        case 2: port.recv(fd, bytearray(8))
                        case 3: port.poll(fd, Interest.READABLE)
                        case 4: port.register(fd, fd, Interest.READABLE, oneshot=choose.random() < 0.3)
                        case 5: port.register(fd, fd)
                        case 6: port.unregister(fd)
                        case 7: port.modify(fd, interest=Interest.WRITABLE)
                        case 8: port.cancel_all(fd)
                        case 9:
                            opened.remove(fd)
                            if choose.random() < 0.3:
                                opened.append(os.dup(fd))
                            os.close(fd)
                        case 10:
                            opened.remove(fd)
                            port.close_file(fd)
                            while os.path.exists(f"/proc/self/fd/{fd}"):
                                assert port.wait(timeout=20)
                        case 11: os.dup2(choose.choice(opened), fd)
                        case 12: port.recv(fd, pool=pool)
                except OSError:
                    pass
                views += [done.value for done in port.wait(32, timeout=0)]
                del views[: choose.randrange(3) and -5]
            for fd in set(opened):
                os.close(fd)
                try:
                    port.cancel_all(fd)
                except OSError:
                    pass
            views.clear()
            while port.in_flight:
                assert port.wait(1000, timeout=20), port.statistics()
            assert pool.available == 4
        print("survived")
    """)
    assert output == "survived"


def test_ports_come_and_go(child: Child) -> None:
    """Opened and closed in many threads at once, with operations in flight: nothing is left."""
    child("""
        import faulthandler, gc, os, socket, threading, warnings
        faulthandler.dump_traceback_later(90, exit=True)
        from compl_epoll import EpollPort

        def come_and_go(sockets):
            left, right = sockets
            for n in range(100):
                port = EpollPort()
                port.recv(left, bytearray(10))
                port.timeout(60)
                port.post(1)
                if n % 2:
                    port.fileno()
                if n % 3:
                    port.close()
                else:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", ResourceWarning)
                        del port

        warnings.simplefilter("ignore", ResourceWarning)
        pairs = [socket.socketpair() for _ in range(4)]
        before = len(os.listdir("/proc/self/fd"))
        threads = [threading.Thread(target=come_and_go, args=(pair,)) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before
        for pair in pairs:
            for end in pair:
                end.close()
    """)


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] not in (resource.RLIM_INFINITY,)
    and resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 12_000,
    reason="the hard limit of open files (ulimit -Hn) is below 12 000",
)
def test_more_than_ten_thousand_files(child: Child) -> None:
    """One ready among 10 500: one report.  All ready: each once, in as many waits as it takes."""
    child("""
        import faulthandler, os, resource
        faulthandler.dump_traceback_later(90, exit=True)
        from compl_core import Interest, Kind
        from compl_epoll import EpollPort

        COUNT = 10_500
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (12_000, hard))
        counters = [os.eventfd(0) for _ in range(COUNT)]
        with EpollPort() as port:
            for key, counter in enumerate(counters):
                port.register(counter, key, Interest.READABLE, oneshot=True)
            assert port.wait(timeout=0) == []
            os.eventfd_write(counters[5000], 1)
            (done,) = port.wait(timeout=20)
            assert (done.key, done.kind) == (5000, Kind.READY)
            port.modify(counters[5000])
            for counter in counters:
                os.eventfd_write(counter, 1)
            keys = []
            while len(keys) < COUNT:
                found = port.wait(1000, timeout=20)
                assert found
                keys += [done.key for done in found]
            assert sorted(keys) == list(range(COUNT))
            assert port.wait(timeout=0) == []
            for counter in counters:
                port.poll(counter, Interest.READABLE)
            for counter in counters:
                port.unregister(counter)
                port.close_file(counter)
            done = 0
            while port.in_flight:
                done += len(port.wait(10_000, timeout=20))
            assert done == 2 * COUNT
    """)
