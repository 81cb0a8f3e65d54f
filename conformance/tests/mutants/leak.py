"""leak: what stays behind."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, ClassVar

from compl_core import Completion, Interest, Kind
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port
from mutants.register import NONE


@mutant("leak/1", "leak/2")
class LeaksFd(ExamplePort):
    """Closes one end of its doorbell."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = os.pipe()

    def close(self) -> None:
        if not self.closed:
            os.close(self.ends[0])
        super().close()


@mutant("leak/2")
class LeaksAThread(ExamplePort):
    """Starts a thread for files that nobody tells to end."""

    def fsync(self, file: Any, token: object = None, *, data_only: bool = False) -> int:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return super().fsync(file, token, data_only=data_only)


@mutant("leak/3", "post/6")
class KeepsTheLastTokens(ExamplePort):
    """Keeps the last batches, to look at in a debugger."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[list[Completion]] = []

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        batch = super().wait(*arguments, **named)
        self.history = [*self.history[-9:], list(batch)]
        return batch


@mutant("leak/4", "leak/15", "register/14")
class KeepsUnregisteredFiles(ExamplePort):
    """Takes a second reference to a file in modify, and gives one back."""

    kept: ClassVar[list[Any]] = []

    def unregister(self, file: Any) -> None:
        source = self._sources.find(file, file if isinstance(file, int) else file.fileno())
        if source is not None:
            self.kept.append(source.file)
        super().unregister(file)


@mutant("leak/4", "leak/6", "post/6")
class KeepsTokensOfPosts(ExamplePort):
    """Counts references up for each packet, and not down."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        self.kept.append((key, token))
        super().post(key, result, token)


@mutant("leak/5", "leak/7", "leak/14")
class KeepsARecordOfEachRecv(Port):
    """Counts references up for each socket operation, and not down."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def begin(self, call: Call) -> int:
        started = super().begin(call)
        if call.kind is Kind.RECV:
            self.kept.append((call.file, [None] * 4))
        return started


@mutant("leak/6", "leak/7", "leak/8")
class NeverReusesASlot(Port):
    """Has a new slot for each operation, and never an old one."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: list[list[None]] = []

    def begin(self, call: Call) -> int:
        self.slots.append([None] * 8)
        return super().begin(call)


@mutant("leak/8")
class KeepsBuffersOfFailedReads(Port):
    """Lets go of a buffer when a read succeeds."""

    kept: ClassVar[list[Any]] = []

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is Kind.READ and done.result < 0:
            self.kept.append(memoryview(call.values["buffer"]))
        return [done]


@mutant("leak/9")
class KeepsACopyOfWhatWasSent(Port):
    """Copies each payload into memory of its own, and never frees it."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[bytes] = []

    def begin(self, call: Call) -> int:
        if call.method == "send":
            self.copies.append(bytes(bytearray(call.values["buffer"])))
        return super().begin(call)


@mutant("leak/10")
class LeaksADescriptorForEachFailedConnect(Port):
    """Duplicates a socket to connect it, and forgets the copy when that fails."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is Kind.CONNECT and done.result < 0:
            os.dup(call.number)
        return [done]


@mutant("leak/12")
class KeepsTokensOfClosedFiles(Port):
    """Keeps what is known of a file that close_file has closed."""

    kept: ClassVar[list[Any]] = []

    def end(self, done: Completion, call: Call) -> list[Completion]:
        if done.kind is Kind.CLOSE:
            self.kept.append(call.token)
        return [done]


@mutant("leak/13")
class KeepsCancelledTimersUntilTheirTime(Port):
    """Leaves a cancelled timer in its heap until it is on top."""

    def __init__(self) -> None:
        super().__init__()
        self.heap: list[Any] = []

    def begin(self, call: Call) -> int:
        if call.method == "timeout":
            self.heap.append((call.values["seconds"], call.token))
        return super().begin(call)


@mutant("leak/15")
class OpensADescriptorForEachRegistration(ExamplePort):
    """Watches a copy of the file, and closes it with the port."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[socket.socket] = []

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.copies.append(file.dup())

    def close(self) -> None:
        super().close()
        while self.copies:
            self.copies.pop().close()


@mutant("leak/16")
class KeepsItsErrors(ExamplePort):
    """Keeps every exception that it raised, with the frames and all that is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        try:
            super().post(key, result, token)
        except Exception as error:
            self.errors.append(error)
            raise
