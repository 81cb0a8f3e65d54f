"""limits: sizes that somebody thought would do."""

from __future__ import annotations

import errno
import os
from typing import Any, ClassVar

from compl_core import Completion, Interest
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import NONE, number_of


@mutant("limits/1")
class HasRoomFor4096Operations(ExamplePort):
    """Raises EAGAIN when its ring is full."""

    def nop(self, token: object = None) -> int:
        if self.in_flight >= 4096:
            raise BlockingIOError(errno.EAGAIN, "the ring is full")
        return super().nop(token)


@mutant("limits/2")
class HasRoomFor16384Posts(ExamplePort):
    """Writes packets into a pipe, and drops what that does not take."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        if len(self._ledger.ready) < 16384:
            super().post(key, result, token)


@mutant("limits/3")
class AllocatesTheBatchFirst(ExamplePort):
    """Refuses a batch that it could not allocate an array for."""

    def wait(self, max_completions: int = 64, *arguments: Any, **named: Any) -> list[Completion]:
        if max_completions > 1 << 20:
            raise MemoryError(f"{max_completions} completions")
        return super().wait(max_completions, *arguments, **named)


@mutant("limits/4")
class HasRoomFor256Polls(Port):
    """Has a list of 256 polls for each file, and ENOSPC for the next."""

    polls = 0

    def begin(self, call: Call) -> int:
        self.polls += call.method == "poll"
        return super().begin(call) if self.polls <= 256 else self.settle(call, -errno.ENOSPC)


@mutant("limits/6", "limits/8")
class HasRoomFor100Files(ExamplePort):
    """Has a table of 100 files, and ENOSPC for the next, also where one has been unregistered."""

    files = 0

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        self.files += 1
        if self.files > 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().register(file, key, interest, oneshot=oneshot)


@mutant("limits/9", "lifecycle/14", "lifecycle/8", "threads/13")
class OpensOnePortOnly(ExamplePort):
    """Is a singleton, which stays closed once it was closed."""

    only: ClassVar[Any] = None

    def __new__(cls) -> Any:
        cls.only = cls.only or super().__new__(cls)
        return cls.only

    def __init__(self) -> None:
        if "_owner" not in self.__dict__:
            super().__init__()


@mutant("limits/10")
class WatchesNumbersBelow1024(ExamplePort):
    """Calls select(), whose sets end at 1023."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        if interest and number_of(file) > 1023:
            raise ValueError("filedescriptor out of range in select()")
        super().register(file, key, interest, oneshot=oneshot)


@mutant("limits/11")
class OpensAPipeForEachWait(ExamplePort):
    """Has every waiter open what it is woken by."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        ends = os.pipe()
        try:
            return super().wait(*arguments, **named)
        finally:
            for number in ends:
                os.close(number)


@mutant("limits/11")
class SaysMemoryErrorWithoutDescriptors(ExamplePort):
    """Has one exception for whatever goes wrong when a port is opened."""

    def __init__(self) -> None:
        try:
            super().__init__()
        except OSError:
            raise MemoryError("cannot open a port") from None
