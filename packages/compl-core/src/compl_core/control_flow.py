"""What a handler says about the loop that called it, and what a loop of handlers raises.

A handler's ``on_completion`` returns one of four: :class:`Continue`, :class:`Exit`, :class:`Warn`, :class:`Error`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class Continue:
    """Go on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exit:
    """End the loop: everything is torn down, and ``run()`` returns."""


@dataclasses.dataclass(frozen=True, slots=True)
class Warn:
    """Log this, as a warning with its traceback, and go on."""

    error: Exception


@dataclasses.dataclass(frozen=True, slots=True)
class Error:
    """End the loop: everything is torn down, and ``run()`` raises this as the cause of a :class:`HandlerError`."""

    error: Exception


ControlFlow: TypeAlias = Continue | Exit | Warn | Error


class ErrorKind(enum.Enum):
    """Where it went wrong."""

    SETUP = "setup"  #: a handler's ``setup`` raised
    COMPLETION = "completion"  #: a handler's ``on_completion`` returned Error, or raised
    TEARDOWN = "teardown"  #: ``on_teardown_completion`` raised, or something did not come to its end
    API = "api"  #: the kernel's queue failed, or a method was used in a way it cannot be
    PUSH = "push"  #: the queue is full, and so is the backlog


class HandlerError(Exception):
    """One failure in a loop of handlers; the exception behind it, if there is one, is its ``__cause__``.

    ``operation`` is the name that the handler was given in the loop, None when it is nobody's in particular.
    """

    def __init__(self, kind: ErrorKind, operation: str | None, reason: str) -> None:
        super().__init__(kind, operation, reason)
        self.kind = kind
        self.operation = operation
        self.reason = reason

    def __str__(self) -> str:
        who = f" of operation {self.operation!r}" if self.operation is not None else ""
        return f"{self.kind.value}{who}: {self.reason}"


def reason_of(error: BaseException) -> str:
    """An exception in one line: its type and what it says."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
