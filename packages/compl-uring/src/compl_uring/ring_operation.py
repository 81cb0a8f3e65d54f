"""What a program on an :class:`compl_uring.OperationRing` is made of: operations, their callbacks, their errors."""

from __future__ import annotations

import errno
import os
from typing import Generic, TypeVar

from compl_core.control_flow import Continue, ControlFlow, Error, ErrorKind, Exit, HandlerError, Warn
from compl_core.handlers import Handler
from compl_uring._native import CompletionEntry
from compl_uring.submitter import Submitter

DataT = TypeVar("DataT")


class RingError(HandlerError):
    """One failure of an OperationRing, with its :class:`ErrorKind` and the name of the operation."""


class RingOperation(Handler[DataT, CompletionEntry, Submitter[DataT]], Generic[DataT]):
    """One operation of several that share a ring: ``RingOperation[Connection]`` has a Connection with every request.

    ``setup(submitter)`` pushes the first entries.  ``on_completion(entry, data, submitter)`` gets each completion with
    the data that was pushed, and returns what the ring does next and, while the request goes on (``entry.more``), its
    data for the next time, or None for the same again.  ``on_teardown_completion(entry, data, submitter)`` gets the
    last completion of each request that was alive when the ring ended, exactly once.
    """

    def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[DataT]) -> ControlFlow:  # noqa: ARG002
        """A completion of an entry that was pushed raw, under its own user_data, also during teardown.

        Unless overridden, a failure is a warning, and a success is of no interest.
        """
        if entry.res < 0 and entry.res != -errno.ECANCELED:
            failure = OSError(-entry.res, os.strerror(-entry.res))
            failure.add_note(f"completion of a raw entry with user_data {entry.user_data:#x}")
            return Warn(failure)
        return Continue()


__all__ = ["Continue", "ControlFlow", "Error", "ErrorKind", "Exit", "RingError", "RingOperation", "Warn"]
