"""Readiness of sockets: what is asked of the driver, what its answers mean, and how requests share handles."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from compl_core import FileLike, Interest
from compl_iocp import Afd, AfdEvents, OverlappedEntry
from compl_iocp.afd import GROUP, events, readiness
from compl_iocp.constants import Status

READABLE, WRITABLE, ERROR, HANGUP = Interest.READABLE, Interest.WRITABLE, Interest.ERROR, Interest.HANGUP
BOTH = READABLE | WRITABLE


# ---- events and interests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interest", [Interest.NONE, READABLE, WRITABLE, BOTH])
def test_what_ends_a_connection_is_always_asked_for(interest: Interest) -> None:
    """RECEIVE is silent at the peer's end, SEND at a connect that failed: alone, they would be waited for for ever."""
    asked = events(interest)
    assert AfdEvents.ABORT | AfdEvents.CONNECT_FAIL | AfdEvents.LOCAL_CLOSE in asked
    assert (AfdEvents.RECEIVE | AfdEvents.DISCONNECT | AfdEvents.ACCEPT in asked) is (READABLE in interest)
    assert (AfdEvents.SEND in asked) is (WRITABLE in interest)


@pytest.mark.parametrize(
    ("found", "interest", "ready"),
    [
        (AfdEvents.RECEIVE, READABLE, READABLE),
        (AfdEvents.RECEIVE, BOTH, READABLE),
        (AfdEvents.RECEIVE, WRITABLE, Interest.NONE),
        (AfdEvents.ACCEPT, READABLE, READABLE),
        (AfdEvents.DISCONNECT, READABLE, READABLE),  # an end of stream can be read
        (AfdEvents.SEND, WRITABLE, WRITABLE),
        (AfdEvents.SEND | AfdEvents.RECEIVE, BOTH, BOTH),
        (AfdEvents.SEND, READABLE, Interest.NONE),
        (AfdEvents.ABORT, READABLE, READABLE | ERROR | HANGUP),
        (AfdEvents.ABORT | AfdEvents.SEND, WRITABLE, WRITABLE | ERROR | HANGUP),
        (AfdEvents.CONNECT_FAIL | AfdEvents.RECEIVE, WRITABLE, WRITABLE | ERROR | HANGUP),
        (AfdEvents.LOCAL_CLOSE, BOTH, Interest.NONE),
        (AfdEvents.NONE, BOTH, Interest.NONE),
        (AfdEvents.QOS, BOTH, Interest.NONE),
    ],
)
def test_what_an_answer_means(found: AfdEvents, interest: Interest, ready: Interest) -> None:
    assert readiness(found, interest) == ready


@pytest.mark.parametrize("interest", [READABLE, WRITABLE, BOTH])
def test_nothing_is_reported_that_was_not_asked_for(interest: Interest) -> None:
    unasked = {bits for bits in range(0x400) if readiness(AfdEvents(bits), interest) & BOTH & ~interest}
    assert unasked == set()


def test_error_and_hangup_cannot_be_asked_for() -> None:
    assert readiness(AfdEvents.RECEIVE, READABLE | ERROR | HANGUP) == READABLE


# ---- requests and handles -------------------------------------------------------------------------------------------


class Driver:
    """Makes handles that remember what was asked; a request is waiting until the test says what came of it."""

    def __init__(self) -> None:
        self.addresses = itertools.count(0x1000, 0x40)
        self.opened: list[Handle] = []

    def __call__(self, port: Any, key: int) -> Handle:
        self.opened.append(Handle(self, key))
        return self.opened[-1]


class Handle:
    def __init__(self, driver: Driver, key: int) -> None:
        self.driver = driver
        self.key = key
        self.out: dict[int, tuple[FileLike, int, int | None]] = {}
        self.cancelled: list[int] = []
        self.closed = False

    def poll(self, sock: FileLike, events: int, hundreds: int | None = None) -> int:
        address = next(self.driver.addresses)
        self.out[address] = (sock, events, hundreds)
        return address

    def take(self, address: int) -> int | None:
        return self.out.pop(address)[1]

    def cancel(self, address: int) -> bool:
        self.cancelled.append(address)
        return True

    def close(self) -> None:
        self.closed = True

    def __len__(self) -> int:
        return len(self.out)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def afd(driver: Driver) -> Afd:
    return Afd(None, 9, opened=driver)  # type: ignore[arg-type]


def test_no_handle_before_the_first_request(afd: Afd, driver: Driver) -> None:
    assert (afd.handles, len(driver.opened)) == (0, 0)
    afd.poll(7, AfdEvents.RECEIVE)
    assert (afd.handles, driver.opened[0].key) == (1, 9)


def test_handles_carry_so_many_each(afd: Afd, driver: Driver) -> None:
    for number in range(GROUP * 2 + 1):
        afd.poll(number, AfdEvents.RECEIVE)
    assert [len(handle) for handle in driver.opened] == [GROUP, GROUP, 1]
    assert afd.in_flight == GROUP * 2 + 1


def test_room_is_used_again(afd: Afd, driver: Driver) -> None:
    first, *_ = [afd.poll(number, AfdEvents.RECEIVE) for number in range(GROUP + 1)]
    assert afd.complete(OverlappedEntry(9, 32, first)) is not None
    afd.poll(100, AfdEvents.SEND)
    assert [len(handle) for handle in driver.opened] == [GROUP, 1]


def test_an_answer(afd: Afd) -> None:
    request = afd.poll(7, AfdEvents.RECEIVE | AfdEvents.SEND)
    polled = afd.complete(OverlappedEntry(9, 32, request))
    assert polled == (request, AfdEvents.RECEIVE | AfdEvents.SEND, 0)
    assert polled is not None
    assert not polled.timed_out
    assert afd.in_flight == 0
    assert afd.complete(OverlappedEntry(9, 32, request)) is None  # once


def test_a_packet_of_something_else(afd: Afd) -> None:
    afd.poll(7, AfdEvents.RECEIVE)
    assert afd.complete(OverlappedEntry(9, 32, 0x5000)) is None
    assert afd.complete(OverlappedEntry(9, 32, 0)) is None
    assert afd.in_flight == 1


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.CANCELLED, Status.HANDLES_CLOSED])
def test_an_end_without_events(afd: Afd, status: Status) -> None:
    request = afd.poll(7, AfdEvents.RECEIVE)
    polled = afd.complete(OverlappedEntry(9, 0, request, status))
    assert polled is not None
    assert (polled.request, polled.events, polled.status) == (request, AfdEvents.NONE, status)
    assert polled.timed_out is (status == Status.TIMEOUT)


def test_cancelling(afd: Afd, driver: Driver) -> None:
    request = afd.poll(7, AfdEvents.RECEIVE)
    assert afd.cancel(request)
    assert driver.opened[0].cancelled == [request]
    assert afd.in_flight == 1  # until its packet
    afd.complete(OverlappedEntry(9, 0, request, Status.CANCELLED))
    assert not afd.cancel(request)


def test_timeouts_are_rounded_up(afd: Afd, driver: Driver) -> None:
    for timeout in (None, 0, 0.1, 1e-9, 1.00000001):
        afd.poll(7, AfdEvents.RECEIVE, timeout)
    assert [hundreds for _, _, hundreds in driver.opened[0].out.values()] == [None, 0, 1_000_000, 1, 10_000_001]


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_no_such_timeout(afd: Afd, timeout: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        afd.poll(7, AfdEvents.RECEIVE, timeout)
    assert afd.in_flight == 0


def test_closing_goes_on_taking_packets(afd: Afd, driver: Driver) -> None:
    requests = [afd.poll(number, AfdEvents.RECEIVE) for number in range(3)]
    afd.close()
    assert all(handle.closed for handle in driver.opened)
    with pytest.raises(ValueError, match="closed"):
        afd.poll(7, AfdEvents.RECEIVE)
    for request in requests:
        assert afd.complete(OverlappedEntry(9, 0, request, Status.CANCELLED)) is not None
    assert afd.in_flight == 0
    afd.close()
