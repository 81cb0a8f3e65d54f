"""What handlers say, and how failures read."""

from __future__ import annotations

import pickle

import pytest

from compl_core.control_flow import Continue, Error, ErrorKind, Exit, HandlerError, Warn, reason_of


def test_flows_are_values() -> None:
    problem = ValueError("odd")
    flows = [Continue(), Exit(), Warn(problem), Error(problem)]
    again = [Continue(), Exit(), Warn(problem), Error(problem)]
    assert [[one == other for other in again] for one in flows] == [[m == n for m in range(4)] for n in range(4)]
    assert Error(problem).error is problem


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_failure_says_where_and_why(kind: ErrorKind) -> None:
    error = HandlerError(kind, "echo", "OSError: no")
    assert str(error) == f"{kind.value} of operation 'echo': OSError: no"
    assert str(HandlerError(kind, None, "no")) == f"{kind.value}: no"
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, again.operation, again.reason) == (kind, "echo", "OSError: no")


def test_an_exception_in_one_line() -> None:
    assert reason_of(ValueError("odd")) == "ValueError: odd"
    assert reason_of(KeyboardInterrupt()) == "KeyboardInterrupt"
