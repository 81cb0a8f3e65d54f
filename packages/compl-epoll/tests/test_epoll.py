"""The epoll set as it is: register, modify, unregister, what is reported, what is refused."""

from __future__ import annotations

import errno
import gc
import os
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compl_epoll import Epoll, EpollEvents, Event, EventArray
from compl_epoll.epoll import events as typed_events

Pair = tuple[socket.socket, socket.socket]
Pipe = tuple[int, int]


class Number:
    """An int in all but name."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


@pytest.fixture
def events() -> EventArray:
    return EventArray(10)


# ---- the usual way --------------------------------------------------------------------------------------------------


def test_register_and_wait(tcp: Pair, events: EventArray) -> None:
    """A socket watched for input, its descriptor as the event's data; a wait of a second finds it."""
    client, server = tcp
    with Epoll() as epoll:
        epoll.register(server.fileno(), Event(EpollEvents.IN, data=server.fileno()))
        assert epoll.wait(events, 0) == 0
        client.sendall(b"hello")
        assert epoll.wait(events, 1000) == 1
        for mask, data in events:
            assert (mask, data) == (EpollEvents.IN, server.fileno())
            assert server.recv(100) == b"hello"
        assert epoll.wait(events, 1) == 0


def test_modify_and_unregister(tcp: Pair, events: EventArray) -> None:
    """Watched for input, then for output as well, then no more."""
    _, server = tcp
    with Epoll() as epoll:
        epoll.register(server, Event(EpollEvents.IN, server.fileno()))
        assert epoll.wait(events, 0) == 0
        epoll.modify(server, Event(EpollEvents.IN | EpollEvents.OUT, server.fileno()))
        assert epoll.wait(events, 0) == 1
        assert events[0] == (EpollEvents.OUT, server.fileno())
        epoll.unregister(server)
        assert epoll.wait(events, 0) == 0


@pytest.mark.parametrize("data", [0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_data_is_any_u64(epoll: Epoll, events: EventArray, pipe: Pipe, data: int) -> None:
    _, writer = pipe
    epoll.register(writer, Event(EpollEvents.OUT, data))
    assert epoll.wait(events, 0) == 1
    assert events[0] == (EpollEvents.OUT, data)
    assert list(events) == [(EpollEvents.OUT, data)]


def test_the_same_data_for_several_files(epoll: Epoll, events: EventArray, pair: Pair) -> None:
    for end in pair:
        epoll.register(end, Event(EpollEvents.OUT, 7))
    assert epoll.wait(events, 0) == 2
    assert list(events) == [(EpollEvents.OUT, 7)] * 2


def test_what_is_taken_for_an_event(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    _, writer = pipe
    assert Event(4) == (4, 0)
    epoll.register(writer, (4, 5))
    epoll.modify(writer, (Number(4), Number(6)))  # type: ignore[arg-type]  # an index is as good as an int
    epoll.wait(events, 0)
    assert events[0] == (4, 6)


@pytest.mark.parametrize("event", [None, 3, "ab", (1,), (1, 2, 3), (1.0, 2), (1, 2.0), ("1", 2), (None, 2)])
def test_what_is_no_event(epoll: Epoll, pipe: Pipe, event: Any) -> None:
    reader, _ = pipe
    with pytest.raises(TypeError):
        epoll.register(reader, event)
    epoll.register(reader, Event(EpollEvents.IN))
    with pytest.raises(TypeError):
        epoll.modify(reader, event)


@pytest.mark.parametrize("event", [(-1, 0), (2**32, 0), (1, -1), (1, 2**64)])
def test_out_of_range(epoll: Epoll, pipe: Pipe, event: tuple[int, int]) -> None:
    with pytest.raises(OverflowError):
        epoll.register(pipe[0], event)
    with pytest.raises(FileNotFoundError):  # nothing of it was done
        epoll.unregister(pipe[0])


@pytest.mark.parametrize("file", [None, 1.0, "1", True, object()])
def test_what_is_no_file(epoll: Epoll, file: Any) -> None:
    with pytest.raises(TypeError, match=r"Epoll\.register"):
        epoll.register(file, Event(EpollEvents.IN))


# ---- event bits -----------------------------------------------------------------------------------------------------


def test_bits_without_a_name_survive() -> None:
    mask = EpollEvents(0x0080_0001)
    assert int(mask) == 0x0080_0001
    assert int(mask | EpollEvents.OUT) == 0x0080_0005
    assert int(~EpollEvents.IN & mask) == 0x0080_0000


def test_masks_as_flags(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    reader, writer = pipe
    epoll.register(reader, Event(EpollEvents.IN | 0x0080_0000, 1))  # the kernel takes a bit that nobody knows
    os.close(writer)
    epoll.wait(events, 0)
    found = list(typed_events(events))
    assert found == [(EpollEvents.HUP, 1)]
    assert isinstance(found[0][0], EpollEvents)


def test_error_and_hangup_are_reported_unasked(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    reader, writer = pipe
    epoll.register(writer, Event(EpollEvents.NONE, 3))
    assert epoll.wait(events, 0) == 0
    os.close(reader)
    assert epoll.wait(events, 0) == 1
    assert events[0] == (EpollEvents.ERR, 3)


def test_the_peer_stops_writing(epoll: Epoll, events: EventArray, tcp: Pair) -> None:
    client, server = tcp
    epoll.register(server, Event(EpollEvents.IN | EpollEvents.RDHUP, 1))
    client.shutdown(socket.SHUT_WR)
    assert epoll.wait(events, 10_000) == 1
    assert events[0] == (EpollEvents.IN | EpollEvents.RDHUP, 1)


def test_urgent_data(epoll: Epoll, events: EventArray, tcp: Pair) -> None:
    client, server = tcp
    epoll.register(server, Event(EpollEvents.PRI, 1))
    client.send(b"!", socket.MSG_OOB)
    assert epoll.wait(events, 10_000) == 1
    assert events[0] == (EpollEvents.PRI, 1)


def test_level_triggered_reports_as_long_as_it_is_so(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    reader, writer = pipe
    epoll.register(reader, Event(EpollEvents.IN, 1))
    os.write(writer, b"x")
    assert [epoll.wait(events, 0) for _ in range(3)] == [1, 1, 1]
    os.read(reader, 1)
    assert epoll.wait(events, 0) == 0


def test_edge_triggered_reports_what_comes(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    reader, writer = pipe
    epoll.register(reader, Event(EpollEvents.IN | EpollEvents.ET, 1))
    for _ in range(3):
        os.write(writer, b"x")
        assert [epoll.wait(events, 0) for _ in range(2)] == [1, 0]


def test_oneshot_reports_once_until_modified(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    _, writer = pipe
    event = Event(EpollEvents.OUT | EpollEvents.ONESHOT, 1)
    epoll.register(writer, event)
    assert [epoll.wait(events, 0) for _ in range(2)] == [1, 0]
    epoll.modify(writer, event)
    assert [epoll.wait(events, 0) for _ in range(2)] == [1, 0]


def test_exclusive_passes_through(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    """The kernel takes it with register() alone, and a file so registered cannot be modified: epoll_ctl(2)."""
    reader, writer = pipe
    exclusive = Event(EpollEvents.IN | EpollEvents.EXCLUSIVE, 1)
    epoll.register(reader, exclusive)
    with Epoll() as other:
        other.register(reader, exclusive)
        os.write(writer, b"x")
        assert epoll.wait(events, 0) + other.wait(events, 0) >= 1
        other.register(writer, Event(EpollEvents.OUT))
        with pytest.raises(OSError) as caught:
            other.modify(writer, exclusive)
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError) as caught:
        epoll.modify(reader, Event(EpollEvents.IN))
    assert caught.value.errno == errno.EINVAL


def test_a_set_inside_another(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    reader, writer = pipe
    with Epoll() as outer:
        outer.register(epoll, Event(EpollEvents.IN, 9))
        epoll.register(reader, Event(EpollEvents.IN, 1))
        assert outer.wait(events, 0) == 0
        os.write(writer, b"x")
        assert outer.wait(events, 0) == 1
        assert events[0] == (EpollEvents.IN, 9)


# ---- refusals -------------------------------------------------------------------------------------------------------


def refused(epoll: Epoll, method: str, file: Any, expected: type[OSError], number: int) -> str:
    arguments = (file,) if method == "unregister" else (file, Event(EpollEvents.IN, 1))
    with pytest.raises(expected) as caught:
        getattr(epoll, method)(*arguments)
    assert caught.value.errno == number
    message = str(caught.value)
    assert os.strerror(number) in message
    assert method in message
    assert re.search(rf"epoll set {epoll.fileno()}\b", message)
    return message


def test_twice_is_refused_and_the_first_stays(epoll: Epoll, events: EventArray, pipe: Pipe) -> None:
    _, writer = pipe
    epoll.register(writer, Event(EpollEvents.OUT, 5))
    assert f"fd {writer} " in refused(epoll, "register", writer, FileExistsError, errno.EEXIST)
    epoll.wait(events, 0)
    assert events[0] == (EpollEvents.OUT, 5)


@pytest.mark.parametrize("method", ["modify", "unregister"])
def test_an_unknown_file_is_refused(epoll: Epoll, pipe: Pipe, method: str) -> None:
    assert f"fd {pipe[0]} " in refused(epoll, method, pipe[0], FileNotFoundError, errno.ENOENT)


@pytest.mark.parametrize("method", ["register", "modify", "unregister"])
def test_a_closed_file_is_refused(epoll: Epoll, method: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    assert f"fd {reader} " in refused(epoll, method, reader, OSError, errno.EBADF)
    closed = socket.socket()
    closed.close()
    refused(epoll, method, closed, OSError, errno.EBADF)


def test_a_regular_file_is_refused(epoll: Epoll, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert f"fd {file.fileno()} " in refused(epoll, "register", file, PermissionError, errno.EPERM)


def test_the_set_itself_is_refused(epoll: Epoll) -> None:
    assert f"fd {epoll.fileno()} " in refused(epoll, "register", epoll, OSError, errno.EINVAL)


def test_sets_inside_each_other_are_refused(epoll: Epoll) -> None:
    with Epoll() as other:
        other.register(epoll, Event(EpollEvents.IN))
        refused(epoll, "register", other, OSError, errno.ELOOP)


# ---- its life -------------------------------------------------------------------------------------------------------


def test_what_a_closed_set_says(events: EventArray, pipe: Pipe) -> None:
    epoll = Epoll()
    assert not epoll.closed
    epoll.close()
    epoll.close()
    assert epoll.closed
    event = Event(EpollEvents.IN)
    for call in (
        lambda: epoll.register(pipe[0], event),
        lambda: epoll.modify(pipe[0], event),
        lambda: epoll.unregister(pipe[0]),
        lambda: epoll.wait(events, 0),
        epoll.fileno,
        epoll.__enter__,
    ):
        with pytest.raises(ValueError, match="the epoll set is closed"):
            call()


def test_a_set_is_closed_with_its_block() -> None:
    with Epoll() as epoll:
        assert select.select([epoll], [], [], 0) == ([], [], [])
        number = epoll.fileno()
    assert epoll.closed
    with pytest.raises(OSError) as caught:
        os.fstat(number)
    assert caught.value.errno == errno.EBADF


def test_a_set_is_closed_with_its_last_reference() -> None:
    epoll = Epoll()
    number = epoll.fileno()
    del epoll
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(number)


def test_the_number_of_a_closed_set_is_never_closed_again() -> None:
    epoll = Epoll()
    number = epoll.fileno()
    epoll.close()
    reader, writer = os.pipe()
    assert number in (reader, writer)  # the lowest free number is taken
    epoll.close()
    del epoll
    gc.collect()
    os.fstat(number)
    os.close(reader)
    os.close(writer)


def test_a_set_is_not_inherited(epoll: Epoll) -> None:
    assert not os.get_inheritable(epoll.fileno())


def test_opened_once() -> None:
    with Epoll() as epoll:
        number = epoll.fileno()
        epoll.__init__()  # type: ignore[misc]
        assert epoll.fileno() == number
    epoll.__init__()  # type: ignore[misc]
    assert epoll.closed


def test_takes_no_arguments() -> None:
    with pytest.raises(TypeError):
        Epoll(10)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Epoll(sizehint=10)  # type: ignore[call-arg]


def test_subclasses(events: EventArray, pipe: Pipe) -> None:
    class Named(Epoll):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def add(self, fd: int) -> None:
            self.register(fd, Event(EpollEvents.OUT, 1))

    class Rows(EventArray):
        def __iter__(self) -> Iterator[tuple[int, int]]:
            yield from reversed(list(super().__iter__()))

    rows = Rows(4)
    with Named("mine") as epoll:
        epoll.add(pipe[1])
        assert epoll.wait(rows, 0) == 1
        assert (epoll.name, list(rows)) == ("mine", [(EpollEvents.OUT, 1)])


def test_code_of_the_caller_may_close_the_set(pipe: Pipe) -> None:
    class Closes:
        def fileno(self) -> int:
            epoll.close()
            return pipe[0]

    class ClosesAsNumber(Number):
        def __index__(self) -> int:
            epoll.close()
            return self.number

    events: list[Any] = [Event(EpollEvents.IN), (ClosesAsNumber(1), 1), (1, ClosesAsNumber(1))]
    files: list[Any] = [Closes(), pipe[0], pipe[0]]
    for file, event in zip(files, events, strict=True):
        with Epoll() as epoll, pytest.raises(ValueError, match="the epoll set is closed"):
            epoll.register(file, event)
