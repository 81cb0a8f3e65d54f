"""signals: what they do to a wait that does not expect them."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import ctypes
import select
import signal
import time
from typing import Any

from compl_core import Completion
from compl_example import ExamplePort
from mutants.fault import mutant


class Interrupted(ExamplePort):
    """Waits in a system call of its own, and learns of EINTR."""

    def interrupted(self, left: float | None, timeout: float | None) -> float | None:
        """What is left of the timeout when a signal has come; raise, or return 0 to be through."""
        raise NotImplementedError

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        left = timeout
        with select.epoll() as nothing:
            while True:
                batch = super().wait(max_completions, 0, **least)
                if batch or left == 0:
                    return batch
                start, slice = time.monotonic(), 0.02 if left is None else min(left, 0.2)
                events = ctypes.create_string_buffer(16)
                found = ctypes.CDLL(None).epoll_wait(nothing.fileno(), events, 1, int(slice * 1000) + 1)
                left = None if left is None else max(0.0, left - (time.monotonic() - start))
                if found < 0:
                    left = self.interrupted(left, timeout)


@mutant("signals/1", "signals/2", "signals/3", "signals/10", "signals/14")
class ReturnsAfterASignal(Interrupted):
    """Takes EINTR for the end of the wait."""

    def interrupted(self, left: float | None, timeout: float | None) -> float | None:
        return 0


@mutant("signals/1", "signals/2", "signals/3", "signals/10")
class RaisesInterruptedError(Interrupted):
    """Raises what the system said, as Python did before 3.5."""

    def interrupted(self, left: float | None, timeout: float | None) -> float | None:
        raise InterruptedError(4, "Interrupted system call")


@mutant(hangs=("signals/2",))
class StartsOverAfterASignal(Interrupted):
    """Waits again after a signal, as long as at first."""

    def interrupted(self, left: float | None, timeout: float | None) -> float | None:
        return timeout


@mutant("signals/2", hangs=("signals/3", "signals/4"))
class RunsNoHandlersWhileItWaits(ExamplePort):
    """Blocks all signals for the time of the system call."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGINT])
        try:
            return super().wait(*arguments, **named)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@mutant("signals/4", "signals/5", "signals/9")
class SwallowsExceptionsOfHandlers(ExamplePort):
    """Treats an exception of a handler like EINTR."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        try:
            return super().wait(*arguments, **named)
        except (TypeError, ValueError):
            raise
        except BaseException:
            return []


@mutant("signals/5", "signals/6", "signals/15")
class LosesTheBatchOfAnException(ExamplePort):
    """Has taken completions out of its queue when a handler raises, and drops them."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        try:
            return super().wait(max_completions, *arguments, **named)
        except (TypeError, ValueError):
            raise
        except BaseException:
            super().wait(100, 0)
            raise


@mutant("signals/7", "signals/8")
class IsNotReentrant(ExamplePort):
    """Refuses calls of the thread that is in wait: they can come from a handler only."""

    waiting = False

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.waiting = True
        try:
            return super().wait(*arguments, **named)
        finally:
            self.waiting = False

    def _refuse(self) -> None:
        if self.waiting:
            raise RuntimeError("reentrant call inside wait()")

    def post(self, *arguments: Any, **named: Any) -> None:
        self._refuse()
        super().post(*arguments, **named)

    def cancel(self, operation_id: int) -> bool:
        self._refuse()
        return super().cancel(operation_id)


@mutant("signals/9")
class AnExceptionCancelsEverything(ExamplePort):
    """Gives up what is in flight when a handler raises."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        try:
            return super().wait(*arguments, **named)
        except (TypeError, ValueError):
            raise
        except BaseException:
            for number in list(self._ledger.in_flight):
                self.cancel(number)
            raise


@mutant("signals/12")
class CloseIsInterrupted(ExamplePort):
    """Raises EINTR from close when a signal comes while it drains."""

    def close(self) -> None:
        super().close()
        if ctypes.CDLL(None).poll(None, 0, 20) < 0:
            raise InterruptedError(4, "Interrupted system call")
