"""register: which files a port knows, by which key, and for how long."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

from compl_conformance.expect import expect, expect_completion, expect_nothing, raises, until, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import KEYS, NOT_FILES, NOT_INTEGERS, Index, expect_freed
from compl_conformance.sources import Sources, host_lacks
from compl_core import AlreadyRegistered, Capability, CompletionPort, Interest, Kind, NotRegistered


class File:
    """Something with ``fileno()``, and nothing else."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number


@rule("register/1", needs=Capability.SOCKET_IO)
def test_key_of_operations(port: CompletionPort, sources: Sources) -> None:
    """The completions of a registered file's operations carry its key, those of a file never registered key 0."""
    for known, key in ((True, 0xABC), (False, 0)):
        mine, peer = sources.tcp()
        if known:
            port.register(mine, key)
        peer.send(b"x")
        port.recv(mine, bytearray(1))
        expect_completion(wait_one(port), key=key, kind=Kind.RECV, result=1)


@rule("register/2")
def test_twice(port: CompletionPort, sources: Sources) -> None:
    """Registering a file twice raises AlreadyRegistered, a FileExistsError that names the descriptor and its key."""
    mine, peer = sources.stream()
    port.register(mine, 0x11)
    number = mine.fileno()
    for again in (mine, number, File(number)):
        with raises(AlreadyRegistered, errno=errno.EEXIST, says=(str(number), "0x11")) as caught:
            port.register(again, 2)
        expect(isinstance(caught.error, FileExistsError), "a FileExistsError", type(caught.error).__mro__)
    port.register(peer, 0x11)  # two files may share a key


@rule("register/3", needs=Capability.READINESS)
def test_first_registration_stays(port: CompletionPort, sources: Sources) -> None:
    """A second register that is refused leaves the first registration as it was."""
    mine, peer = sources.tcp()
    port.register(mine, 1, Interest.READABLE)
    with raises(FileExistsError):
        port.register(mine, 2, Interest.WRITABLE, oneshot=True)
    expect_nothing(port, 0)
    peer.send(b"x")
    for _ in range(2):
        expect_completion(wait_one(port), key=1, kind=Kind.READY, result=int(Interest.READABLE))


@rule("register/4")
def test_unknown(port: CompletionPort, sources: Sources) -> None:
    """modify and unregister of an open file that is not registered raise NotRegistered, a FileNotFoundError."""
    mine, peer = sources.stream()
    port.register(peer, 1)
    calls: tuple[Callable[[], None], ...] = (
        lambda: port.unregister(mine),
        lambda: port.modify(mine, key=5),
        lambda: port.modify(mine),
    )
    for call in calls:
        with raises(NotRegistered, errno=errno.ENOENT, says=(str(mine.fileno()),)) as caught:
            call()
        expect(isinstance(caught.error, FileNotFoundError), "a FileNotFoundError", type(caught.error).__mro__)
    port.register(mine, 1)


@rule("register/5")
def test_unregistered(port: CompletionPort, sources: Sources) -> None:
    """A file that was unregistered is unknown, and can be registered again."""
    mine, _peer = sources.stream()
    for key in range(3):
        port.register(mine, key)
        port.unregister(mine)
        with raises(NotRegistered):
            port.unregister(mine)
        with raises(NotRegistered):
            port.modify(mine, key=9)


@rule("register/6")
def test_by_object_or_number(port: CompletionPort, sources: Sources) -> None:
    """A file is the same file by its object, by its number and by any other object with that fileno()."""
    mine, _peer = sources.stream()
    number = mine.fileno()
    forms = (mine, number, File(number))
    for form in forms:
        for other in forms:
            port.register(form, 1)
            port.modify(other, key=2)
            port.unregister(other)


@rule("register/7")
def test_closed_files(port: CompletionPort, sources: Sources) -> None:
    """A file that is not open is OSError with EBADF, for register, modify and unregister alike."""
    closed, _peer = sources.stream()
    closed.close()
    for file in (closed, sources.closed_number(), File(-1), -1):
        with raises(OSError, errno=errno.EBADF):
            port.register(file, 1)
        with raises(OSError, errno=errno.EBADF):
            port.register(file, 1, Interest.NONE, oneshot=True)
        with raises(OSError, errno=errno.EBADF):
            port.modify(file, key=1)
        with raises(OSError, errno=errno.EBADF):
            port.unregister(file)


@rule("register/8")
def test_no_files(port: CompletionPort) -> None:
    """What is no file at all, neither an int nor anything with fileno(), is TypeError."""
    for wrong in NOT_FILES:
        with raises(TypeError):
            port.register(wrong, 1)
        with raises(TypeError):
            port.modify(wrong, key=1)
        with raises(TypeError):
            port.unregister(wrong)


@rule("register/9")
def test_bad_keys(port: CompletionPort, sources: Sources) -> None:
    """A key that is no integer is TypeError, one out of range OverflowError, and the file stays unregistered."""
    mine, _peer = sources.stream()
    for wrong in NOT_INTEGERS:
        with raises(TypeError):
            port.register(mine, wrong)
    for key in (-1, 2**64, -(2**63), 2**200):
        with raises(OverflowError):
            port.register(mine, key)
    with raises(NotRegistered):
        port.unregister(mine)
    port.register(mine, Index(3))  # type: ignore[arg-type]
    for key in (-1, 2**64):
        with raises(OverflowError):
            port.modify(mine, key=key)
    for wrong in NOT_INTEGERS[1:]:  # None is what leaves the key as it is
        with raises(TypeError):
            port.modify(mine, key=wrong)


@rule("register/10", needs=Capability.READINESS)
def test_every_key(port: CompletionPort, sources: Sources) -> None:
    """Every key from 0 to 2**64-1 is legal for a file and comes back to the bit, from register and from modify."""
    mine, peer = sources.tcp()
    peer.send(b"x")
    for key in KEYS:
        port.register(mine, key, Interest.READABLE)
        expect_completion(wait_one(port), key=key, kind=Kind.READY)
        port.modify(mine, key=2**64 - 1 - key)
        expect_completion(wait_one(port), key=2**64 - 1 - key, kind=Kind.READY)
        port.unregister(mine)


@rule("register/11", needs=Capability.READINESS)
def test_bad_interests(port: CompletionPort, sources: Sources) -> None:
    """ERROR and HANGUP cannot be asked for: ValueError; what is no interest is TypeError; nothing is registered."""
    mine, _peer = sources.stream()
    for interest in (Interest.ERROR, Interest.HANGUP, Interest.READABLE | Interest.ERROR):
        with raises(ValueError):
            port.register(mine, 1, interest)
        with raises(ValueError):
            port.poll(mine, interest)
    for wrong in ("READABLE", 1.0, [], object()):
        with raises(TypeError):
            port.register(mine, 1, wrong)  # type: ignore[arg-type]
    with raises(NotRegistered):
        port.unregister(mine)
    port.register(mine, 1)
    with raises(ValueError):
        port.modify(mine, interest=Interest.HANGUP)
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)


@rule("register/12", needs=Capability.READINESS)
def test_always_ready_files(port: CompletionPort, sources: Sources) -> None:
    """An interest in a file that is always ready, a regular one or the null device, is PermissionError."""
    null = sources.keep(Path(os.devnull).open("rb", buffering=0))  # noqa: SIM115  closed by sources
    for file in (sources.file(b"data"), null):
        for interest in (Interest.READABLE, Interest.WRITABLE, Interest.READABLE | Interest.WRITABLE):
            with raises(PermissionError, errno=errno.EPERM):
                port.register(file, 1, interest)
        with raises(NotRegistered):
            port.unregister(file)
        port.register(file, 1)
        with raises(PermissionError, errno=errno.EPERM):
            port.modify(file, interest=Interest.READABLE)
        port.unregister(file)
    expect_nothing(port, 0)


@rule("register/13", needs=Capability.READINESS)
def test_directories(port: CompletionPort, tmp_path: Path) -> None:
    """An interest in a directory is PermissionError."""
    if sys.platform == "win32":
        host_lacks("directories cannot be opened by os.open() here", fix="judge this rule on a POSIX system")
    number = os.open(tmp_path, os.O_RDONLY)
    try:
        with raises(PermissionError, errno=errno.EPERM):
            port.register(number, 1, Interest.READABLE)
    finally:
        os.close(number)


@rule("register/14")
def test_keeps_alive(port: CompletionPort, sources: Sources) -> None:
    """The port keeps a registered object alive until unregister, through modify too."""
    mine, _peer = sources.stream()
    file = File(mine.fileno())
    alive = weakref.ref(file)
    port.register(file, 1)
    del file
    gc.collect()
    expect(alive() is not None, "the registered object to be alive", "it was freed")
    port.modify(mine.fileno(), key=2)
    gc.collect()
    expect(alive() is not None, "the registered object to be alive after modify()", "it was freed")
    port.unregister(mine.fileno())
    expect_freed(alive, "the object to be free after unregister()")


@rule("register/15", needs=Capability.READINESS)
def test_reports_without_a_reference(port: CompletionPort, sources: Sources) -> None:
    """A file whose object nobody but the port refers to stays open and is reported."""
    mine, peer = sources.stream()

    class Owner(File):
        def __del__(self) -> None:
            mine.close()

    port.register(Owner(mine.fileno()), 5, Interest.READABLE)
    gc.collect()
    expect(mine.fileno() >= 0, "the socket open while it is registered", "closed")
    peer.send(b"x")
    expect_completion(wait_one(port), key=5, kind=Kind.READY)
    port.unregister(mine)
    until(lambda: gc.collect() >= 0 and mine.fileno() < 0, what="its owner to be free after unregister()")


@rule("register/16", needs=Capability.SOCKET_IO)
def test_unregister_leaves_operations(port: CompletionPort, sources: Sources) -> None:
    """unregister cancels no operation: a recv in flight completes with its data, and new ones still work."""
    mine, peer = sources.tcp()
    buffer = bytearray(4)
    port.register(mine, 1)
    port.recv(mine, buffer, token="old")
    port.flush()
    port.unregister(mine)
    expect(port.in_flight == 1, "the recv still in flight", port.in_flight)
    peer.send(b"data")
    expect_completion(wait_one(port), kind=Kind.RECV, token="old", result=4)
    peer.send(b"more")
    port.recv(mine, buffer, token="new")
    expect_completion(wait_one(port), key=0, token="new", result=4)


@rule("register/17")
def test_reused_number(port: CompletionPort, sources: Sources) -> None:
    """A number that was closed and now is another file counts as new: it can be registered, and is not yet."""
    first, _ = sources.stream()
    other, _ = sources.stream()
    number = first.fileno()
    port.register(first, 1)
    first.close()
    second = sources.keep(_with_number(number, other))
    port.register(second, 2)
    port.unregister(second)
    with raises(NotRegistered):
        port.unregister(second)


@rule("register/18", needs=Capability.READINESS)
def test_reused_number_is_reported_by_its_own_key(port: CompletionPort, sources: Sources) -> None:
    """A file closed behind the port's back gives no event to the file that got its number, not even through a copy."""
    first, first_peer = sources.tcp()
    copy = sources.keep(first.dup())  # the old file lives on, and with it whatever watches it in the kernel
    second, second_peer = sources.tcp()
    number = first.fileno()
    port.register(first, 1, Interest.READABLE)
    first.close()
    replaced = sources.keep(_with_number(number, second))
    port.register(replaced, 2, Interest.READABLE)
    first_peer.send(b"for the old file")
    for _ in range(3):
        for done in port.wait(8, 0.01):
            expect(done.key != 2, "no event of the new file, which has no data", done)
    second_peer.send(b"x")
    for _ in range(50):
        if any(done.key == 2 and done.kind is Kind.READY for done in port.wait(8, 0.1)):
            break
    else:
        expect(False, "the new file reported by its own key", "no such completion")
    expect(copy.recv(99) == b"for the old file", "the old file's data untouched", "other data")
    port.unregister(replaced)


@rule("register/19", needs=Capability.READINESS)
def test_closed_behind_the_back(port: CompletionPort, sources: Sources) -> None:
    """A registered file closed behind the port's back gives no event without end, and does not harm other files."""
    gone, gone_peer = sources.tcp()
    stays, stays_peer = sources.tcp()
    number = gone.fileno()
    port.register(number, 1, Interest.READABLE)
    port.register(stays, 2, Interest.READABLE)
    gone.close()
    gone_peer.close()
    quiet = any(port.wait(8, 0.002) == [] for _ in range(50))
    expect(quiet, "one of 50 waits to return nothing", "an event in each of them")
    stays_peer.send(b"x")
    expect_completion(wait_one(port), key=2, kind=Kind.READY)


@rule("register/20", needs=Capability.READINESS)
def test_duplicates(port: CompletionPort, sources: Sources) -> None:
    """Two descriptors of one file are registered apart: each is reported by its key, and lives without the other."""
    mine, peer = sources.tcp()
    copy = sources.keep(mine.dup())
    port.register(mine, 1, Interest.READABLE)
    port.register(copy, 2, Interest.READABLE)
    peer.send(b"x")
    seen = {done.key for _ in range(3) for done in port.wait(8, 1)}
    expect(seen == {1, 2}, "both keys", seen)
    port.unregister(copy)
    copy.close()
    for _ in range(2):
        expect_completion(wait_one(port), key=1, kind=Kind.READY)


def _with_number(number: int, file: socket.socket) -> socket.socket:
    """A copy of ``file`` under ``number``, which was closed a moment ago."""
    if sys.platform == "win32":
        copies = [file.dup() for _ in range(64)]
        found = [copy for copy in copies if copy.fileno() == number]
        for copy in copies:
            if copy not in found:
                copy.close()
        if not found:
            host_lacks(f"the system did not give number {number} again", fix="run the rule once more")
        return found[0]
    import fcntl

    copy = socket.socket(fileno=fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, number))
    if copy.fileno() != number:
        copy.close()
        host_lacks(f"another thread took number {number} meanwhile", fix="run the rule once more")
    return copy
