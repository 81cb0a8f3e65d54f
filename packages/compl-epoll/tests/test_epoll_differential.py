"""Beside the standard library's epoll: the same files, the same calls in any order, the same reports and refusals."""

from __future__ import annotations

import fcntl
import os
import select
import socket
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from compl_epoll import Epoll, EpollEvents, Event, EventArray

#: Not EXCLUSIVE: of several sets that watch a file so, the kernel tells some.
BITS = ["IN", "OUT", "PRI", "RDHUP", "RDNORM", "WRNORM", "ET", "ONESHOT"]
MASKS = st.builds(
    lambda bits, other: sum(int(EpollEvents[bit]) for bit in bits) | other,
    st.sets(st.sampled_from(BITS)),
    st.sampled_from([0, 0, 0, 0x0080_0000]),
)
#: Files by their place in the list that a machine opens.
PLACES = st.integers(0, 6)


def outcome(call: Callable[[], Any]) -> object:
    try:
        return call()
    except OSError as error:
        return type(error), error.errno


class Beside(RuleBasedStateMachine):
    """One epoll set of each kind over the same files."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = socket.socketpair()
        self.reader, self.writer = os.pipe()
        for end in (self.left, self.right):
            end.setblocking(False)
        for fd in (self.reader, self.writer):
            os.set_blocking(fd, False)
        self.counter = os.eventfd(0, os.EFD_NONBLOCK)
        self.regular = os.open("/", os.O_RDONLY)
        self.files = [self.left.fileno(), self.right.fileno(), self.reader, self.writer, self.counter, self.regular]
        self.files.append(fcntl.fcntl(self.regular, fcntl.F_DUPFD, 500))
        os.close(self.files[-1])  # a number that is not open, and that nothing opened here will get
        self.data: dict[int, int] = {}
        self.events = EventArray(len(self.files))
        self.ours = Epoll()
        self.theirs = select.epoll()

    def teardown(self) -> None:
        self.ours.close()
        self.theirs.close()
        for end in (self.left, self.right):
            end.close()
        for fd in (self.reader, self.writer, self.counter, self.regular):
            os.close(fd)

    @rule(place=PLACES, mask=MASKS, data=st.integers(0, 2**64 - 1))
    def register(self, place: int, mask: int, data: int) -> None:
        fd = self.files[place]
        ours = outcome(lambda: self.ours.register(fd, Event(mask, data)))
        assert ours == outcome(lambda: self.theirs.register(fd, mask))
        if ours is None:
            self.data[fd] = data

    @rule(place=PLACES, mask=MASKS, data=st.integers(0, 2**64 - 1))
    def modify(self, place: int, mask: int, data: int) -> None:
        fd = self.files[place]
        ours = outcome(lambda: self.ours.modify(fd, Event(mask, data)))
        assert ours == outcome(lambda: self.theirs.modify(fd, mask))
        if ours is None:
            self.data[fd] = data

    @rule(place=PLACES)
    def unregister(self, place: int) -> None:
        fd = self.files[place]
        assert outcome(lambda: self.ours.unregister(fd)) == outcome(lambda: self.theirs.unregister(fd))

    @rule(place=st.integers(0, 4), size=st.sampled_from([1, 8, 4096, 1 << 20]))
    def write(self, place: int, size: int) -> None:
        data = bytes(8) if place == 4 else bytes(size)
        try:
            os.write(self.files[place], data)
        except OSError:
            pass  # full, or not for writing

    @rule(place=st.integers(0, 4), size=st.sampled_from([1, 8, 1 << 20]))
    def read(self, place: int, size: int) -> None:
        try:
            os.read(self.files[place], size)
        except OSError:
            pass  # empty, or not for reading

    @rule(how=st.sampled_from([socket.SHUT_RD, socket.SHUT_WR]))
    def shut_down(self, how: int) -> None:
        self.left.shutdown(how)

    @invariant()
    def the_same_is_reported(self) -> None:
        theirs = sorted((self.data[fd], mask) for fd, mask in self.theirs.poll(0, len(self.files)))
        assert self.ours.wait(self.events, 0) == len(theirs)
        assert sorted((data, mask) for mask, data in self.events) == theirs


TestBeside = Beside.TestCase
TestBeside.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
