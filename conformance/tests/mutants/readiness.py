"""register, with an interest: how readiness gets from the kernel to the waiter."""

# mypy: disable-error-code="attr-defined"
# The mutants run on Linux alone, and are made of what other systems do not have.

from __future__ import annotations

import os
import select
import socket
import stat
from typing import Any

from compl_core import Completion, CompletionFlags, Interest, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import NONE, number_of

READABLE, WRITABLE = Interest.READABLE, Interest.WRITABLE


def _ready(key: int, ready: Interest) -> Completion:
    return Completion(key, int(ready), None, Kind.READY, CompletionFlags.NONE, None)


class _Watching(Port):
    """Knows the registrations, by number."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[int, int] = {}
        self.interests: dict[int, Interest] = {}

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.keys[number_of(file)], self.interests[number_of(file)] = key, interest

    def unregister(self, file: Any) -> None:
        super().unregister(file)
        del self.keys[number_of(file)], self.interests[number_of(file)]

    def number(self, key: int) -> int:
        """The descriptor that has this key."""
        return next((number for number, known in self.keys.items() if known == key), -1)


@mutant(
    "register/20", "register/23", "register/29", "register/30", "register/32", "register/34", "wait/34", "wait/37"
)  # fmt: skip
class ReportsEdges(Port):
    """Watches with EPOLLET: a file is reported once for each change, not as long as it is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: set[int] = set()

    def other(self, done: Completion) -> list[Completion]:
        if done.kind is not Kind.READY or done.key not in self.reported:
            self.reported.add(done.key)
            return [done]
        return []


@mutant("register/21", "register/10", "register/31", "register/33")
class MissesWhatWasReadyBefore(Port):
    """Waits for a change, and does not look at the file when it is registered."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        ready = interest & Interest.READABLE and select.select([file], [], [], 0)[0]
        ready = ready or (interest & Interest.WRITABLE and select.select([], [file], [], 0)[1])
        super().register(file, key, NONE if ready else interest, oneshot=oneshot)


@mutant("register/21")
class CountsRegistrationsInFlight(Port):
    """Submits a poll for each registration, and counts it as the caller's."""

    @property
    def in_flight(self) -> int:
        return super().in_flight + sum(source.registration is not None for source in self._sources)


@mutant("register/22", "register/38", "threads/4", "signals/11")
class LooksAtFilesWhenAWaitBegins(ExamplePort):
    """Asks the kernel once, then waits for packets and operations only."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        batch = super().wait(max_completions, 0, min_completions=min_completions)
        while not batch and timeout != 0:
            batch = [done for done in super().wait(max_completions, timeout) if done.kind is not Kind.READY]
            if timeout is not None:
                break
        return batch


@mutant("register/22")
class WatchesNoBareNumbers(ExamplePort):
    """Watches sockets, and takes a bare number to be none."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, NONE if isinstance(file, int) else interest, oneshot=oneshot)


@mutant("register/23", "register/24", "register/40", "wait/38")
class ReportsAFileTwice(Port):
    """Drains the kernel's events in two rounds, and finds what is level-triggered in both."""

    def other(self, done: Completion) -> list[Completion]:
        return [done, done] if done.kind is Kind.READY else [done]


@mutant("register/24")
class ReportsEachDirectionApart(Port):
    """Has a filter for each direction, as kqueue has, and a completion for each filter."""

    def other(self, done: Completion) -> list[Completion]:
        if done.kind is Kind.READY and done.result == READABLE | WRITABLE:
            return [done._replace(result=int(READABLE)), done._replace(result=int(WRITABLE))]
        return [done]


@mutant("register/21", "register/24", "register/27", "capability/9")
class ReportsWhatNobodyAskedFor(_Watching):
    """Passes on all that the kernel says of a file."""

    def other(self, done: Completion) -> list[Completion]:
        if done.kind is Kind.READY and select.select([], [self.number(done.key)], [], 0)[1]:
            return [done._replace(result=done.result | WRITABLE)]
        return [done]


@mutant("register/25", "register/26", "threads/6")
class IgnoresOneshot(ExamplePort):
    """Takes the flag, and watches on."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest)

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        super().modify(file, key=key, interest=interest)


@mutant("register/24", "register/27", "register/35")
class ModifyAddsInterests(_Watching):
    """Adds what modify is told to what was asked for before."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        known = self.interests.get(number_of(file), NONE)
        wanted = None if interest is None else interest | known
        super().modify(file, key=key, interest=wanted, oneshot=oneshot)


@mutant("register/28")
class AlwaysReportsHangups(_Watching):
    """Has a file without interest in its epoll set, which reports errors and hang-ups all the same."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        watch = select.poll()
        for number in self.keys:
            watch.register(number, 0)
        found = [_ready(self.keys[number], Interest.HANGUP) for number, _ in watch.poll(0)]
        return found or super().wait(*arguments, **named)


@mutant("register/29")
class BelievesSocketsAreWritable(_Watching):
    """Does not ask whether there is room: there mostly is."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        found = [_ready(self.keys[number], WRITABLE) for number, asked in self.interests.items() if asked is WRITABLE]
        return found or super().wait(*arguments, **named)


class _Peeking(_Watching):
    """Looks at what a reported socket has before it passes the report on."""

    def peek(self, number: int) -> bytes | OSError | None:
        """What is there; None if that cannot be told."""
        try:
            with socket.socket(fileno=os.dup(number)) as sock:
                return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            return error

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return self.look(done, call.number) if done.kind is Kind.POLL else [done]

    def other(self, done: Completion) -> list[Completion]:
        return self.look(done, self.number(done.key)) if done.kind is Kind.READY else [done]

    def look(self, done: Completion, number: int) -> list[Completion]:
        raise NotImplementedError


@mutant("register/30", "register/34", "register/48")
class TakesNoBytesForASpuriousReport(_Peeking):
    """Drops the report when a look at the socket gives no byte: the end of a stream, an empty datagram."""

    def look(self, done: Completion, number: int) -> list[Completion]:
        return [] if self.peek(number) == b"" else [done]


@mutant("register/30")
class ReportsTheEndAsHangup(_Peeking):
    """Reports the end of a stream as HANGUP only, which whoever wants to read does not look for."""

    def look(self, done: Completion, number: int) -> list[Completion]:
        return [done._replace(result=int(Interest.HANGUP)) if self.peek(number) == b"" else done]


@mutant("register/31", "register/48")
class DropsReportsOfErrors(_Peeking):
    """Has no branch for a socket that has an error pending."""

    def look(self, done: Completion, number: int) -> list[Completion]:
        return [] if done.result & Interest.ERROR else [done]


@mutant("register/31", "register/33")
class TakesThePendingErrorAway(_Peeking):
    """Asks a socket for SO_ERROR while it reports it, which clears it."""

    def look(self, done: Completion, number: int) -> list[Completion]:
        with socket.socket(fileno=os.dup(number)) as sock:
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return [done]


@mutant("register/32", "register/34")
class WatchesStreamsOnly(_Peeking):
    """Has no readiness for sockets that are not connected: listeners, datagram sockets."""

    def look(self, done: Completion, number: int) -> list[Completion]:
        with socket.socket(fileno=os.dup(number)) as sock:
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            return [] if listens or sock.type is not socket.SOCK_STREAM else [done]


@mutant("register/35", "register/55")
class WatchesSocketsOnly(ExamplePort):
    """Refuses to watch what is no socket, as select() does on Windows."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        if interest and not stat.S_ISSOCK(os.fstat(number_of(file)).st_mode):
            raise PermissionError(1, "not a socket")
        super().register(file, key, interest, oneshot=oneshot)


@mutant("register/36", "register/51")
class ReportsReadyAfterUnregister(ExamplePort):
    """Leaves a report in the queue when the file is unregistered."""

    def unregister(self, file: Any) -> None:
        registration = self._open_source(file, "unregister").registration
        if registration is not None:
            registration.report = None
        super().unregister(file)


@mutant("register/50")
class ModifyLeavesAReportInTheQueue(ExamplePort):
    """Changes the registration, and not the report that was made of it."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        registration = self._open_source(file, "modify").registration
        if registration is not None:
            registration.report = None
        super().modify(file, key=key, interest=interest, oneshot=oneshot)


@mutant("register/52")
class KeepsReportsThatAreNotTrueAnyMore(ExamplePort):
    """Keeps a report that did not fit, and does not ask again before it gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[Completion] = []

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        found = self.left or super().wait(max(max_completions, 64), timeout, **least)
        self.left = found[max_completions:]
        return found[:max_completions]


@mutant("register/54")
class TellsWritersOfTheEnd(_Watching):
    """Asks for EPOLLRDHUP on every socket, and passes it on as HANGUP."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        watch = select.poll()
        for number, interest in self.interests.items():
            watch.register(number, select.POLLRDHUP if interest else 0)
        found = [_ready(self.keys[number], Interest.HANGUP) for number, _ in watch.poll(0)]
        return found or super().wait(*arguments, **named)


@mutant("register/36", "register/37")
class UnregistersWhenTheNextWaitIsOver(ExamplePort):
    """Puts off changes of the kernel's set, to make them in one go."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving: list[Any] = []

    def unregister(self, file: Any) -> None:
        self.leaving.append(file)

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        try:
            return super().wait(*arguments, **named)
        finally:
            while self.leaving and not self.closed:
                super().unregister(self.leaving.pop())


@mutant("register/40")
class ServesTheFirstFilesFirst(ExamplePort):
    """Goes through its files from the beginning in each wait, until the batch is full."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(100_000, *arguments, **named)
        return sorted(batch, key=lambda done: done.key)[:max_completions]


@mutant("register/41", "register/42", "register/43", "register/45", "register/46", "capability/9")
class SaysNotWhatAFileIsReadyFor(Port):
    """Completes a poll with 0, for success."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(result=min(done.result, 0)) if done.kind is Kind.POLL else done]


@mutant("register/18")
class ReportsTheOldFileByItsNumber(_Watching):
    """Tells files by their number: what still watches the file that had it before is taken for the new one."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[int, socket.socket] = {}

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.first.setdefault(number_of(file), socket.socket(fileno=os.dup(number_of(file))))

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        for number, sock in self.first.items():
            if select.select([sock], [], [], 0)[0]:
                return [_ready(self.keys[number], READABLE)]
        return super().wait(*arguments, **named)

    def close(self) -> None:
        super().close()
        for sock in self.first.values():
            sock.close()


@mutant("register/38", "threads/15")
class ChangesDoNotReachAWaiter(ExamplePort):
    """Loses what is to be watched while a thread is in wait, whose list of files is made."""

    waiting = 0

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, NONE if self.waiting else interest, oneshot=oneshot)

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        super().modify(file, key=key, interest=None if self.waiting else interest, oneshot=oneshot)

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self.waiting += 1
        try:
            return super().wait(*arguments, **named)
        finally:
            self.waiting -= 1
