"""Completion: what native code builds and programs read."""

from __future__ import annotations

import errno
import pickle

import pytest

from compl_core import Completion, CompletionFlags, Interest, Kind, OperationCancelled


def completion(
    result: int = 0, kind: Kind = Kind.READ, flags: CompletionFlags = CompletionFlags.NONE, value: object = None
) -> Completion:
    return Completion(0x11, result, "token", kind, flags, value)


def test_fields_and_their_order_are_the_contract() -> None:
    assert Completion._fields == ("key", "result", "token", "kind", "flags", "value")
    assert issubclass(Completion, tuple)
    assert Completion.__basicsize__ == tuple.__basicsize__  # no storage of its own: C code fills a plain tuple
    assert vars(Completion)["__slots__"] == ()


def test_numbers_are_stable() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "POSTED": 0,
        "READY": 1,
        "READ": 2,
        "WRITE": 3,
        "FSYNC": 4,
        "RECV": 5,
        "SEND": 6,
        "RECV_FROM": 7,
        "SEND_TO": 8,
        "ACCEPT": 9,
        "CONNECT": 10,
        "POLL": 11,
        "TIMEOUT": 12,
        "CLOSE": 13,
        "NOP": 14,
    }
    assert {interest.name: interest.value for interest in Interest} == {
        "READABLE": 1,
        "WRITABLE": 2,
        "ERROR": 4,
        "HANGUP": 8,
    }
    assert {flag.name: flag.value for flag in CompletionFlags} == {"MORE": 1, "TRUNCATED": 2, "VIA_THREAD": 4, "EOF": 8}


@pytest.mark.parametrize("result", [0, 1, 2**32 - 1])
def test_success(result: int) -> None:
    done = completion(result)
    assert done.ok
    assert done.error is None
    assert done.unwrap() == result


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ECONNRESET, ConnectionResetError),
        (errno.EPIPE, BrokenPipeError),
        (errno.ECANCELED, OperationCancelled),
        (errno.EACCES, PermissionError),
        (errno.EBADF, OSError),
    ],
)
def test_failure_is_data_until_it_is_unwrapped(number: int, expected: type[OSError]) -> None:
    done = completion(-number, Kind.RECV)
    assert not done.ok
    error = done.error
    assert type(error) is expected
    assert error.errno == number
    assert str(error).endswith("recv on key 0x11")
    assert done.error is not error  # a new one each time, so that tracebacks do not pile up
    with pytest.raises(expected):
        done.unwrap()


def test_an_error_that_a_backend_made_itself_is_given_as_it_is() -> None:
    error = ConnectionResetError(errno.ECONNRESET, "reset (winerror 64)")
    done = completion(-errno.ECONNRESET, Kind.RECV, value=error)
    assert done.error is error
    with pytest.raises(ConnectionResetError) as caught:
        done.unwrap()
    assert caught.value is error


def test_bytes_moved_before_a_failure_are_no_error_of_their_own() -> None:
    done = completion(-errno.EPIPE, Kind.SEND, value=4096)
    assert isinstance(done.error, BrokenPipeError)
    assert done.value == 4096


@pytest.mark.parametrize("name", ["more", "eof"])
def test_flags_as_properties(name: str) -> None:
    flag = CompletionFlags[name.upper()]
    assert getattr(completion(flags=flag | CompletionFlags.VIA_THREAD), name) is True
    assert getattr(completion(flags=~flag), name) is False


def test_a_result_of_zero_alone_is_not_the_end() -> None:
    assert not completion(0, Kind.RECV_FROM).eof


@pytest.mark.parametrize("kind", list(Kind))
def test_readiness_is_for_readiness_only(kind: Kind) -> None:
    expected = Interest.READABLE | Interest.HANGUP if kind in (Kind.READY, Kind.POLL) else Interest.NONE
    assert completion(9, kind).readiness == expected
    assert completion(-errno.EBADF, kind).readiness == Interest.NONE


def test_an_operation_without_a_key_does_not_name_one() -> None:
    done = Completion(0, -errno.EBADF, None, Kind.FSYNC, CompletionFlags.NONE, None)
    assert str(done.error).endswith(": fsync")


def test_a_completion_is_immutable_comparable_and_picklable() -> None:
    done = completion(7)
    with pytest.raises(AttributeError):
        done.result = 8  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(done)) == done
    assert done == completion(7)
    assert done != completion(8)
    assert hash(done) == hash(completion(7))
