"""Time as the scenarios measure it: lower bounds are exact, upper bounds leave room for a busy machine."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Final, Self

from compl_conformance.expect import Background, ExpectationFailed, expect, patience

#: Seconds that anything prompt may take, however busy the machine; a hang or a wrong unit takes longer.
PROMPT: Final = 4.0


class Watch:
    """``with Watch() as watch:`` then ``watch.seconds``, by the finest clock there is."""

    def __enter__(self) -> Self:
        self.seconds = float("nan")
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start

    def expect_not_before(self, seconds: float, what: str) -> None:
        """Never early, by no more than the rounding of floats; nor so late that another unit must have been meant."""
        expect(self.seconds >= seconds - 1e-9, f"{what} not before {seconds:.9g} s", f"{self.seconds:.9f} s")
        self.expect_prompt(what, seconds)

    def expect_prompt(self, what: str, seconds: float = 0.0) -> None:
        """No later than ``seconds`` and what a busy machine adds."""
        limit = seconds + patience(PROMPT)
        expect(self.seconds <= limit, f"{what} within {limit:.6g} s", f"{self.seconds:.6f} s")


def expect_blocked(call: Background[Any], seconds: float = 0.02) -> None:
    """The call does not return for ``seconds``."""
    if call.ends(seconds):
        raise ExpectationFailed(f"the call to block for {seconds} s at least", f"it returned {call.result()!r}")
