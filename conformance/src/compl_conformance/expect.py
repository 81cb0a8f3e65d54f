"""The vocabulary of scenarios: what was expected, what was there instead, kept apart so that reports can show both."""

from __future__ import annotations

import errno as errnos
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from compl_core import Completion, CompletionPort, Kind, NotSupported

_T = TypeVar("_T")


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


_UNSET: Final = _Unset()
#: Seconds that anything may take that should come, however busy the machine.
PATIENCE: Final = 5.0
_patience_scale = 1.0


class ExpectationFailed(AssertionError):
    """A rule is not kept: ``expected`` in words, ``actual`` as it was found."""

    def __init__(self, expected: str, actual: object) -> None:
        self.expected = expected
        self.actual = actual if isinstance(actual, str) else show(actual)
        super().__init__(f"\nExpected  {self.expected}\nActual    {self.actual}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.expected, self.actual)


def expect(condition: object, expected: str, actual: object) -> None:
    """Fail with ``expected`` and ``actual`` unless ``condition`` is true."""
    if not condition:
        raise ExpectationFailed(expected, actual)


def patience(seconds: float = PATIENCE) -> float:
    """How long to wait for what should come: ``seconds``, times ``--compl-patience``."""
    return seconds * _patience_scale


def set_patience(scale: float) -> None:
    """Scale :func:`patience` in this process: below 1, failures take less time, and passes need a quiet machine."""
    global _patience_scale
    _patience_scale = scale


def wait_one(port: CompletionPort, timeout: float = PATIENCE) -> Completion:
    """Exactly one completion, within ``timeout`` seconds."""
    timeout = patience(timeout)
    done = port.wait(timeout=timeout)
    if len(done) != 1:
        raise ExpectationFailed(f"exactly one completion within {timeout:g} s", _several(done))
    return done[0]


def wait_for(port: CompletionPort, count: int, timeout: float = PATIENCE) -> list[Completion]:
    """``count`` completions in the order of arrival, within ``timeout`` seconds in all; later ones stay in the port."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    done: list[Completion] = []
    while len(done) < count:
        room = count - len(done)
        batch = port.wait(room, max(0.0, deadline - time.monotonic()))
        if len(batch) > room:
            raise ExpectationFailed(f"wait({room}) to return at most {room}", _several(batch))
        done += batch
        if not batch and time.monotonic() >= deadline:
            raise ExpectationFailed(f"{count} completions within {timeout:g} s", f"{len(done)}: {_several(done)}")
    return done


def expect_nothing(port: CompletionPort, timeout: float = 0.05) -> None:
    """No completion for ``timeout`` seconds."""
    done = port.wait(timeout=timeout)
    if done:
        raise ExpectationFailed(f"no completion within {timeout:g} s", _several(done))


def expect_completion(
    done: Completion,
    *,
    key: object = _UNSET,
    result: object = _UNSET,
    token: object = _UNSET,
    kind: Kind | _Unset = _UNSET,
    error: int | tuple[int, ...] | _Unset | None = _UNSET,
    eof: bool | _Unset = _UNSET,
    more: bool | _Unset = _UNSET,
    value: object = _UNSET,
) -> Completion:
    """Check what is given, nothing else, and return ``done``.

    ``token`` is compared by identity, the rest by equality; ``error`` is an errno, several of which one will do, or
    None for success.
    """
    given = {"key": key, "result": result, "kind": kind, "eof": eof, "more": more, "value": value}
    asked = {name: want for name, want in given.items() if want is not _UNSET}
    if value is None and isinstance(done.value, OSError) and done.result < 0:
        del asked["value"]  # a system with error numbers of its own: the error that Completion.error gives
    wrong = [f"{name}={show(want)}" for name, want in asked.items() if getattr(done, name) != want]
    if token is not _UNSET and done.token is not token:
        wrong.append(f"token={show(token)} (that very object)")
    if not isinstance(error, _Unset):
        found = None if done.error is None else done.error.errno
        if (found is not None) if error is None else (found not in _several_of(error)):
            wrong.append(f"error={_errno_names(error)}")
    if wrong:
        raise ExpectationFailed(f"a completion with {', '.join(wrong)}", done)
    return done


class Raises:
    """The context manager that :func:`raises` makes; ``error`` is what was raised, once the block has ended."""

    error: BaseException

    def __init__(self, cls: type[BaseException], errno: int | tuple[int, ...] | None, says: tuple[str, ...]) -> None:
        self._cls = cls
        self._errno = errno
        self._says = says
        self._expected = cls.__name__ + (f" with errno {_errno_names(errno)}" if errno is not None else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            raise ExpectationFailed(self._expected, "no exception")
        if isinstance(error, NotSupported) and not issubclass(self._cls, NotSupported):
            return False  # an undeclared capability is a verdict of its own
        if not isinstance(error, self._cls):
            if isinstance(error, ExpectationFailed) or not isinstance(error, Exception):
                return False
            raise ExpectationFailed(self._expected, show(error)) from error
        self.error = error
        found = getattr(error, "errno", None)
        if self._errno is not None and found not in _several_of(self._errno):
            raise ExpectationFailed(self._expected, show(error)) from error
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        missing = [words for words in self._says if words.lower() not in text.lower()]
        if missing:
            raise ExpectationFailed(f"a message that says {' and '.join(map(repr, missing))}", repr(text)) from error
        return True


def raises(
    cls: type[BaseException], *, errno: int | tuple[int, ...] | None = None, says: tuple[str, ...] = ()
) -> Raises:
    """The block raises ``cls``, with that errno (or one of them), its text and notes naming each of ``says``.

    NotSupported passes through unless it is what is asked for.
    """
    return Raises(cls, errno, says)


class Background(Generic[_T]):
    """A call that runs in a daemon thread of its own."""

    def __init__(self, call: Callable[..., _T], args: tuple[Any, ...]) -> None:
        self._name = getattr(call, "__qualname__", repr(call))
        self._call = call
        self._args = args
        self._outcome: _T | BaseException | _Unset = _UNSET
        self._raised = False
        self._thread = threading.Thread(target=self._run, name=f"background {self._name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._call(*self._args)
        except BaseException as error:
            self._raised = True
            self._outcome = error

    @property
    def alive(self) -> bool:
        """Still running."""
        return self._thread.is_alive()

    def ends(self, seconds: float) -> bool:
        """Whether it ends within ``seconds``."""
        self._thread.join(seconds)
        return not self.alive

    def result(self, timeout: float = PATIENCE) -> _T:
        """What the call returned; raises what it raised, or ExpectationFailed when it takes over ``timeout`` s."""
        timeout = patience(timeout)
        self._thread.join(timeout)
        if self.alive:
            raise ExpectationFailed(f"{self._name} to return within {timeout:g} s", "it is still running")
        if self._raised:
            assert isinstance(self._outcome, BaseException)
            raise self._outcome
        return self._outcome  # type: ignore[return-value]


def background(call: Callable[..., _T], *args: Any) -> Background[_T]:
    """Run ``call(*args)`` in a thread and go on."""
    return Background(call, args)


def until(predicate: Callable[[], _T], timeout: float = PATIENCE, what: str = "the condition to hold") -> _T:
    """Return the first true value of ``predicate()``, asked again and again for ``timeout`` seconds."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise ExpectationFailed(f"{what} within {timeout:g} s", f"{show(found)} until the end")
        time.sleep(0.001)  # polling is the point: there is no event for an arbitrary predicate


def show(value: object) -> str:
    """One line for a report; completions with the key in hex and the error by name."""
    if isinstance(value, Completion):
        return _completion(value)
    if isinstance(value, BaseException):
        notes = "".join(f"; note: {note}" for note in getattr(value, "__notes__", ()))
        return f"{type(value).__name__}: {value}{notes}" if str(value) else type(value).__name__
    return _short(value)


def _completion(done: Any) -> str:  # Any: a broken port may put anything into the fields
    fields = [f"key={done.key:#x}" if isinstance(done.key, int) else f"key={done.key!r}"]
    if isinstance(done.result, int) and done.result < 0:
        fields.append(f"result={done.result} ({_errno_names(-done.result)})")
    else:
        fields.append(f"result={done.result!r}")
    fields.append(f"kind={getattr(done.kind, 'name', done.kind)}")
    fields += [f"flags={done.flags!r}"] if done.flags else []
    fields += [f"token={_short(done.token)}"] if done.token is not None else []
    fields += [f"value={_short(done.value)}"] if done.value is not None else []
    return f"Completion({', '.join(fields)})"


def _several(done: list[Completion]) -> str:
    if not done:
        return "no completion"
    listed = ", ".join(show(one) for one in done[:4])
    return f"{len(done)}: {listed}" + (", ..." if len(done) > 4 else "")


def _short(value: object, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _several_of(number: int | tuple[int, ...]) -> tuple[int, ...]:
    return number if isinstance(number, tuple) else (number,)


def _errno_names(number: int | tuple[int, ...] | None) -> str:
    if number is None:
        return "None"
    if isinstance(number, tuple):
        return " or ".join(_errno_names(one) for one in number)
    return errnos.errorcode.get(number, str(number))
