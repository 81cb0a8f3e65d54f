"""post: what can happen to a packet between two threads."""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from compl_core import Completion, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Port


@mutant("post/8", "limits/3")
class DropsEvery7thPost(ExamplePort):
    """Loses a packet each time its ring of seven slots wraps round."""

    posts = 0

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self.posts += 1
        if self.posts % 7:
            super().post(key, result, token)


@mutant("post/8")
class MergesPosts(Port):
    """Counts equal packets, as an eventfd does, instead of keeping them."""

    last: tuple[int, int, object] | None = None

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        if self.last != (key, 0, token):
            super().post(key, result, token)
        self.last = (key, 0, token)

    def other(self, done: Completion) -> list[Completion]:
        self.last = None
        return [done]


@mutant("post/7", "post/10", "wait/8", "wait/14", "wait/16", "limits/2", "error/8")
class StacksPosts(ExamplePort):
    """Keeps finished work in a list that is popped at the end it was pushed."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        return super().wait(max_completions, timeout, min_completions=min_completions)[::-1]


@mutant("post/3", "register/10")
class TruncatesKeyTo32Bits(Port):
    """Carries keys in an unsigned int."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token)  # checks the range

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(key=done.key & 0xFFFF_FFFF)]


@mutant("post/3", "register/10")
class KeepsKeysAsSignedNumbers(Port):
    """Gives keys back as the int64_t that the kernel's struct declares."""

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(key=done.key - (1 << 64) if done.key >> 63 else done.key)]


@mutant("post/3", "register/10")
class KeepsKeysAsFloats(Port):
    """Has keys pass through a double, which keeps 53 bits."""

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(key=int(float(done.key)) & (1 << 64) - 1)]


@mutant("post/3", "post/12")
class ReservesTheLastKey(Port):
    """Uses the key of all ones for its own wake-ups, and swallows the caller's."""

    def other(self, done: Completion) -> list[Completion]:
        return [] if done.key == (1 << 64) - 1 and done.kind is Kind.POSTED else [done]


@mutant("post/4", "post/12")
class PostsSignedResults(Port):
    """Gives results back as the int that the kernel's struct declares, so that large ones look like errors."""

    def other(self, done: Completion) -> list[Completion]:
        large = done.kind is Kind.POSTED and done.result >> 31
        return [done._replace(result=done.result - (1 << 32)) if large else done]


@mutant("post/1")
class ReturnsPlainTuples(ExamplePort):
    """Builds a plain tuple in C, to save the type."""

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        batch: list[Any] = super().wait(max_completions, timeout, min_completions=min_completions)
        return [tuple(done) for done in batch]  # type: ignore[misc]


@mutant("post/1")
class ReturnsKindsAsNumbers(Port):
    """Leaves the kind the number that the native code works with."""

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(kind=int(done.kind))]  # type: ignore[arg-type]


@mutant("post/1")
class ReturnsFlagsAsNumbers(Port):
    """Leaves the flags the number that the native code works with."""

    def other(self, done: Completion) -> list[Completion]:
        return [done._replace(flags=0)]  # type: ignore[arg-type]


@mutant("post/2", "capability/2")
class PostsByPositionOnly(ExamplePort):
    """Parses its arguments in C without names."""

    def post(self, key: int, result: int = 0, token: object = None, /) -> None:
        super().post(key, result, token)


@mutant("post/2")
class PostsItsKeyByDefault(ExamplePort):
    """Takes the key as the result where none is given."""

    def post(self, key: int, result: int | None = None, token: object = None) -> None:
        super().post(key, operator.index(key) & 0xFFFF_FFFF if result is None else result, token)


@mutant("post/5")
class ForgetsFalseTokens(ExamplePort):
    """Asks ``if token`` where ``is not None`` is meant."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token or None)


@mutant("post/5", "post/8")
class CopiesTokens(ExamplePort):
    """Copies what it is given, for safety."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, copy.copy(token) if type(token) in (list, dict) else object() if token else token)


@mutant("post/5")
class KeepsTokensInASet(ExamplePort):
    """Finds tokens again by hash and equality."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self.known = {token: token}
        super().post(key, result, self.known[token])


@mutant("post/6", "leak/3", "lifecycle/12", "teardown/6")
class NeverLetsTokensGo(Port):
    """Takes a reference to each token, and gives none back."""

    kept: ClassVar[list[object]] = []

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self.kept.append(token)
        super().post(key, result, token)


@mutant("post/17", "teardown/6")
class KeepsUntakenTokensAfterClose(ExamplePort):
    """Frees its queue without letting go of what is in it."""

    lost: ClassVar[list[Completion]] = []

    def close(self) -> None:
        if not self.closed:
            self.lost.extend(self.wait(1_000_000, 0))
        super().close()


@mutant("post/9", "wait/6", "wait/12", "wait/13")
class PostWakesNobody(ExamplePort):
    """Queues the packet, and leaves it to the next wait to find it."""

    def __init__(self) -> None:
        self.held: list[tuple[int, int, object]] = []
        super().__init__()

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self.held.append((key, result, token))

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        while self.held:
            super().post(*self.held.pop(0))
        return super().wait(max_completions, timeout, min_completions=min_completions)


@mutant("post/11", "register/9")
class RaisesValueErrorForTheRange(ExamplePort):
    """Has the wrong exception for a number that does not fit."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        try:
            super().post(key, result, token)
        except OverflowError as error:
            raise ValueError(str(error)) from None

    def register(self, file: Any, key: int, *arguments: Any, **named: Any) -> None:
        try:
            super().register(file, key, *arguments, **named)
        except OverflowError as error:
            raise ValueError(str(error)) from None


@mutant("post/11", "register/9")
class TakesFloatsAndBools(ExamplePort):
    """Converts keys by ``int()``."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(int(key), int(result), token)

    def register(self, file: Any, key: int, *arguments: Any, **named: Any) -> None:
        super().register(file, int(key), *arguments, **named)


@mutant("post/12", "register/9")
class TakesNothingButInts(ExamplePort):
    """Checks for int by type, and refuses numpy's integers."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        if type(key) is not int or type(result) is not int:
            raise TypeError("a key and a result are ints")
        super().post(key, result, token)

    def register(self, file: Any, key: int, *arguments: Any, **named: Any) -> None:
        if type(key) is not int:
            raise TypeError("a key is an int")
        super().register(file, key, *arguments, **named)


@mutant("post/13", "limits/12")
class CountsPostsAsSubmitted(ExamplePort):
    """Has one counter for everything that goes in."""

    def statistics(self) -> Mapping[str, int]:
        found = dict(super().statistics())
        return {**found, "submitted": found["submitted"] + found["posted"]}


@mutant("post/13", "wait/22", "lifecycle/14", "lifecycle/21")
class CountsPostsInFlight(Port):
    """Counts everything that wait has not returned as in flight."""

    @property
    def in_flight(self) -> int:
        return super().in_flight + sum(entry.origin is None for entry in self._ledger.ready._entries)


class _Priority(ExamplePort):
    """Takes all there is, and returns one kind of it first; the others only when there is room."""

    first: ClassVar[bool]

    def __init__(self) -> None:
        self.left: list[Completion] = []
        super().__init__()

    def wait(
        self, max_completions: int = 64, timeout: float | None = None, *, min_completions: int = 1
    ) -> list[Completion]:
        found = self.left + super().wait(100_000, 0 if self.left else timeout)
        found.sort(key=lambda done: (done.kind is Kind.READY) is not self.first)
        # What is ready and does not fit is ready next time too.
        self.left = [done for done in found[max_completions:] if done.kind is not Kind.READY]
        return found[:max_completions]


@mutant("post/14")
class LooksAtFilesWhenThereAreNoPosts(_Priority):
    """Asks the kernel only when its own queue is empty."""

    first = False


@mutant("post/15")
class LooksAtPostsWhenThereAreNoFiles(_Priority):
    """Fills the batch from the kernel, and takes packets if there is room."""

    first = True


@mutant("post/16")
class TakesPostsForReadiness(Port):
    """Tells packets from readiness by the key."""

    def other(self, done: Completion) -> list[Completion]:
        keys = {source.registration.key for source in self._sources if source.registration}
        return [done._replace(kind=Kind.READY) if done.key in keys else done]


@mutant("post/1", "post/8", "wait/8", "wait/19", "wait/20", "threads/7", "cancel/34")
class CompletesTwice(Port):
    """Adds a completion to the batch before it knows that there is room, and again when there is."""

    def other(self, done: Completion) -> list[Completion]:
        return [done, done]

    def end(self, done: Completion, call: object) -> list[Completion]:
        return [done, done]


@mutant("threads/7", "lifecycle/13")
class PostsFromItsOwnThreadOnly(ExamplePort):
    """Is not thread-safe, and says so."""

    def __init__(self) -> None:
        self.opener = threading.get_ident()
        super().__init__()

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        if threading.get_ident() != self.opener:
            raise RuntimeError("a port is used by the thread that opened it")
        super().post(key, result, token)
