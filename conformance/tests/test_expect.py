"""The vocabulary of scenarios: each word passes what it should, and says both sides of what it should not."""

from __future__ import annotations

import errno
import pickle
import threading
from typing import Any

import pytest

from compl_conformance.expect import (
    ExpectationFailed,
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    set_patience,
    show,
    until,
    wait_for,
    wait_one,
)
from compl_core import Capability, Completion, CompletionFlags, Kind, NotSupported


class Batches:
    """A port whose wait gives one prepared batch after the other."""

    def __init__(self, *batches: int) -> None:
        self._batches = list(batches)
        self._given = 0

    def wait(self, max_completions: int = 64, timeout: float | None = None) -> list[Completion]:
        count = self._batches.pop(0) if self._batches else 0
        first, self._given = self._given, self._given + count
        return [_done(key=key) for key in range(first, self._given)]


def _port(*batches: int) -> Any:
    return Batches(*batches)


def _done(
    key: int = 1, result: int = 0, token: object = None, flags: CompletionFlags = CompletionFlags.NONE
) -> Completion:
    return Completion(key, result, token, Kind.RECV, flags, None)


def test_wait_one() -> None:
    assert wait_one(_port(1)).key == 0
    for batches in ((0,), (2,)):
        with pytest.raises(ExpectationFailed, match="exactly one completion"):
            wait_one(_port(*batches), 0)


def test_wait_for() -> None:
    assert [done.key for done in wait_for(_port(1, 0, 2), 3)] == [0, 1, 2]
    with pytest.raises(ExpectationFailed) as caught:
        wait_for(_port(2), 3, 0)
    assert (caught.value.expected, caught.value.actual[:2]) == ("3 completions within 0 s", "2:")
    with pytest.raises(ExpectationFailed, match="return at most 3"):
        wait_for(_port(4), 3)


def test_expect_nothing() -> None:
    expect_nothing(_port(), 0)
    with pytest.raises(ExpectationFailed, match="no completion"):
        expect_nothing(_port(1), 0)


def test_expect() -> None:
    expect([1], "something", None)
    with pytest.raises(ExpectationFailed) as caught:
        expect([], "something", [])
    assert (caught.value.expected, caught.value.actual) == ("something", "[]")


def test_only_what_is_given_is_checked() -> None:
    done = _done(5, 3, flags=CompletionFlags.EOF)
    assert expect_completion(done) is done
    expect_completion(done, key=5, result=3, kind=Kind.RECV, eof=True, more=False, value=None, error=None, token=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": 2},
        {"result": 1},
        {"kind": Kind.SEND},
        {"eof": True},
        {"more": True},
        {"value": 1},
        {"error": errno.EBADF},
        {"error": (errno.EBADF, errno.EPIPE)},
    ],
)
def test_each_field_is_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ExpectationFailed, match=next(iter(wrong))):
        expect_completion(_done(), **wrong)


def test_token_by_identity() -> None:
    token = [1]
    expect_completion(_done(token=token), token=token)
    with pytest.raises(ExpectationFailed, match="that very object"):
        expect_completion(_done(token=[1]), token=token)


def test_error_is_one_of_several() -> None:
    done = _done(result=-errno.EBADF)
    expect_completion(done, error=errno.EBADF)
    expect_completion(done, error=(errno.EPIPE, errno.EBADF))
    with pytest.raises(ExpectationFailed, match="error=None"):
        expect_completion(done, error=None)
    with pytest.raises(ExpectationFailed, match="EPIPE"):
        expect_completion(done, error=errno.EPIPE)


def test_raises() -> None:
    with raises(OSError, errno=(errno.EPIPE, errno.EBADF), says=("FD 7", "close it")) as caught:
        error = OSError(errno.EBADF, "fd 7 is not open")
        error.add_note("Close it first")
        raise error
    assert caught.error is error


@pytest.mark.parametrize(
    ("raised", "expected", "actual"),
    [
        (None, "OSError with errno EBADF", "no exception"),
        (ValueError("x"), "OSError with errno EBADF", "ValueError: x"),
        (OSError(errno.EPIPE, "fd 7"), "OSError with errno EBADF", "BrokenPipeError"),
        (OSError(errno.EBADF, "bad"), "a message that says 'fd 7'", "bad"),
    ],
)
def test_raises_says_both_sides(raised: Exception | None, expected: str, actual: str) -> None:
    with pytest.raises(ExpectationFailed) as caught, raises(OSError, errno=errno.EBADF, says=("fd 7",)):
        if raised:
            raise raised
    assert caught.value.expected == expected
    assert actual in caught.value.actual


def test_a_refusal_passes_through_raises() -> None:
    """So that an undeclared capability keeps its own verdict."""
    refusal = NotSupported(Capability.TIMEOUT, "some", "timeout")
    with pytest.raises(NotSupported), raises(OSError):
        raise refusal
    with raises(NotSupported) as caught:
        raise refusal
    assert caught.error is refusal


def test_nested_expectations_pass_through_raises() -> None:
    with pytest.raises(ExpectationFailed, match="inner"), raises(OSError):
        expect(False, "inner", None)


def test_background() -> None:
    gate = threading.Event()
    call = background(lambda text: gate.wait() and text, "done")
    assert call.alive
    with pytest.raises(ExpectationFailed, match="still running"):
        call.result(0.01)
    gate.set()
    assert call.result() == "done"
    assert not call.alive


def test_background_raises_again() -> None:
    call = background(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        call.result()


def test_until() -> None:
    answers = iter([0, "", "yes"])
    assert until(lambda: next(answers)) == "yes"
    with pytest.raises(ExpectationFailed, match="rain within 0 s"):
        until(lambda: False, 0, "rain")


def test_failures_can_be_pickled() -> None:
    failure = pickle.loads(pickle.dumps(ExpectationFailed("this", [1])))
    assert (failure.expected, failure.actual) == ("this", "[1]")
    assert str(failure) == "\nExpected  this\nActual    [1]"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (_done(0x2A), "Completion(key=0x2a, result=0, kind=RECV)"),
        (_done(1, -errno.EBADF), f"Completion(key=0x1, result={-errno.EBADF} (EBADF), kind=RECV)"),
        (Completion("k", None, "t", 5, 0, "v"), "Completion(key='k', result=None, kind=5, token='t', value='v')"),  # type: ignore[arg-type]
        (ValueError(), "ValueError"),
        (ValueError("x"), "ValueError: x"),
        ("x" * 500, "'" + "x" * 196 + "..."),
    ],
)
def test_show(value: object, shown: str) -> None:
    assert show(value) == shown


def test_patience() -> None:
    set_patience(0.01)
    try:
        with pytest.raises(ExpectationFailed, match=r"within 0\.05 s"):
            until(lambda: False)
    finally:
        set_patience(1)


def test_background_ends() -> None:
    over = threading.Event()
    waiting = background(over.wait)
    assert not waiting.ends(0.001)
    over.set()
    assert waiting.ends(5)
