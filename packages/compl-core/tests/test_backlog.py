"""Requests by number and state, and the groups that wait for room."""

from __future__ import annotations

import pytest

from compl_core.backlog import Backlog, Request, Requests, State


def test_numbers_are_never_used_twice() -> None:
    requests: Requests[str] = Requests(first=100)
    first = requests.add("a", None, None, State.STARTED)
    requests.end(first)
    second = requests.add("a", None, None, State.STARTED)
    assert (first.number, second.number) == (100, 101)
    assert requests.get(100) is None
    assert requests.get(101) is second


def test_states_and_counts() -> None:
    requests: Requests[str] = Requests()
    waiting = requests.add("a", "data", "work", State.WAITING)
    started = requests.add("a", None, None, State.STARTED)
    listening = requests.add("b", None, None, State.LISTENING, number=0)
    assert (len(requests), requests.started) == (3, 1)
    assert [requests.in_state(state) for state in State] == [[waiting], [started], [listening], []]
    requests.start(waiting)
    assert (waiting.state, waiting.work, waiting.data) == (State.STARTED, None, "data")
    assert requests.started == 2
    for request in requests:
        requests.end(request)
        requests.end(request)  # no harm
    assert (len(requests), requests.started) == (0, 0)
    assert waiting.state is State.ENDED


def test_a_number_of_ones_own_keeps_its_place() -> None:
    requests: Requests[str] = Requests(first=10)
    assert [requests.add("a", None, None, State.LISTENING, number).order for number in (None, 3, None)] == [1, 2, 3]


def waiting(*numbers: int) -> list[Request[str]]:
    return [Request(number, number, "a", None, None, State.WAITING) for number in numbers]


def test_groups_wait_in_order() -> None:
    backlog: Backlog[str] = Backlog()
    first, second, third = waiting(1, 2), waiting(3), waiting(4, 5)
    for group in (first, second, third):
        assert backlog.takes(1000)
        backlog.put(group)
    assert len(backlog) == 5
    assert backlog.first() is first
    backlog.drop_first()
    assert backlog.take_out(third[1]) is third  # a chain goes as one
    assert len(backlog) == 1
    assert backlog.take_all() == second
    assert len(backlog) == 0


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_a_limit_counts_requests(limit: int) -> None:
    backlog: Backlog[str] = Backlog(limit)
    assert backlog.takes(limit)
    assert not backlog.takes(limit + 1)
    backlog.put(waiting(*range(limit)))
    assert not backlog.takes(1)


def test_a_limit_below_nothing() -> None:
    with pytest.raises(ValueError, match="not -1"):
        Backlog(-1)
