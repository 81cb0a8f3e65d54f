"""lifecycle: how a port comes into being, and how it goes."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import warnings
from typing import Any, ClassVar

from compl_core import Completion, Interest, PortClosedError
from compl_core.errors import already_registered
from compl_example import ExamplePort
from mutants.fault import mutant


@mutant("lifecycle/1", "lifecycle/14")
class StartsWithACompletion(ExamplePort):
    """Leaves the packet that it tries its own queue with."""

    def __init__(self) -> None:
        super().__init__()
        self.post(0)


@mutant("lifecycle/1", name="sample")
class IsNamedTwice(ExamplePort):
    """Has one name in its record and another on its ports."""


@mutant("lifecycle/2")
class StaysOpenAfterAnException(ExamplePort):
    """Closes itself at the end of a with statement only when all went well."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is None:
            self.close()


@mutant("lifecycle/2", "lifecycle/10")
class OpensAgainWhenEntered(ExamplePort):
    """Opens in ``__enter__``, and gives that port."""

    def __enter__(self) -> Any:
        return ExamplePort()


@mutant("lifecycle/3")
class ClosesOnlyOnce(ExamplePort):
    """Treats a second close as a use of a closed port."""

    def close(self) -> None:
        self._check("close")
        super().close()


@mutant("lifecycle/4")
class RunsOnClosed(ExamplePort):
    """Does not look whether it is closed where nothing needs the kernel."""

    def flush(self) -> int:
        return 0 if self.closed else super().flush()


@mutant("lifecycle/4", "lifecycle/5")
class RaisesValueErrorWhenClosed(ExamplePort):
    """Raises what a closed io object raises, a plain ValueError."""

    def _check(self, method: str) -> None:
        try:
            super()._check(method)
        except PortClosedError as error:
            raise ValueError(str(error)) from None

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        try:
            return super().wait(*arguments, **named)
        except PortClosedError as error:
            raise ValueError(str(error)) from None


@mutant("lifecycle/5", "lifecycle/6")
class CloseDoesNotWake(ExamplePort):
    """Closes without a word to the threads that are in wait."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        closed_before = self.closed
        try:
            return super().wait(*arguments, **named)
        except PortClosedError:
            if not closed_before:
                threading.Event().wait()
            raise


@mutant("lifecycle/6")
class CloseWakesOneWaiter(ExamplePort):
    """Notifies one waiter at close, as it does for a completion."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        closed_before = self.closed
        try:
            return super().wait(*arguments, **named)
        except PortClosedError:
            if not closed_before and self.__dict__.setdefault("woken", threading.get_ident()) != threading.get_ident():
                threading.Event().wait()
            raise


@mutant("lifecycle/5", "lifecycle/6")
class ReturnsNothingWhenClosed(ExamplePort):
    """Ends a wait with an empty list when the port is closed meanwhile."""

    def wait(self, *arguments: Any, **named: Any) -> list[Completion]:
        self._check("wait")
        try:
            return super().wait(*arguments, **named)
        except PortClosedError:
            return []


@mutant("lifecycle/7")
class ClosesRegisteredFiles(ExamplePort):
    """Takes a registered file for its own, and closes it with itself."""

    def close(self) -> None:
        for source in [] if self.closed else list(self._sources):
            source.file.close() if isinstance(source.file, socket.socket) else os.close(source.number)
        super().close()


@mutant("lifecycle/7", "register/14", "register/15")
class NeverLetsFilesGo(ExamplePort):
    """Takes a reference to each registered object, and gives none back."""

    kept: ClassVar[list[object]] = []

    def register(self, file: Any, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.kept.append(file)


@mutant("lifecycle/8", "register/39")
class AssociatesFilesForEver(ExamplePort):
    """Binds a file to the first port that it is registered with, as IOCP does with a HANDLE."""

    owners: ClassVar[dict[int, int]] = {}

    def register(self, file: Any, key: int, interest: Interest = Interest.NONE, *, oneshot: bool = False) -> None:
        number = file if isinstance(file, int) else file.fileno()
        if self.owners.setdefault(number, id(self)) != id(self):
            raise already_registered(self.name, number, key)
        super().register(file, key, interest, oneshot=oneshot)


@mutant("lifecycle/9", "lifecycle/11", "lifecycle/12")
class DropsInSilence(ExamplePort):
    """Cleans up in its finaliser without a warning."""

    def __del__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__del__()


@mutant("lifecycle/10")
class WarnsAlthoughClosed(ExamplePort):
    """Warns of every port that is collected."""

    def __del__(self) -> None:
        warnings.warn(f"{self!r} is gone", ResourceWarning, source=self, stacklevel=1)
        super().__del__()


@mutant("lifecycle/9", "lifecycle/12")
class WarnsWithoutSayingWho(ExamplePort):
    """Warns of a dropped port in words that do not name it."""

    def __del__(self) -> None:
        if not self.closed:
            warnings.warn("unclosed resource", ResourceWarning, source=self, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__del__()


@mutant("lifecycle/9", "lifecycle/11", "lifecycle/12")
class KeepsItselfAlive(ExamplePort):
    """Is kept in a table of open ports, for an atexit handler."""

    opened: ClassVar[set[Any]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.opened.add(self)

    def close(self) -> None:
        super().close()
        self.opened.discard(self)


@mutant("lifecycle/11")
class ClosesFilesWhenDropped(ExamplePort):
    """Closes in its finaliser whatever it still has, files included."""

    def __del__(self) -> None:
        sources = [] if self.closed else list(self._sources)
        super().__del__()
        for source in sources:
            source.file.shutdown(socket.SHUT_RDWR)


@mutant("lifecycle/4", "lifecycle/13")
class WritesToItsClosedDoorbell(ExamplePort):
    """Rings its doorbell before it looks whether it is closed, and says what the system said."""

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        try:
            super().post(key, result, token)
        except PortClosedError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None


@mutant("lifecycle/14", "limits/9")
class SharesOneQueue(ExamplePort):
    """Posts to the port that was opened last, which it has in a global variable."""

    latest: ClassVar[Any] = None

    def __init__(self) -> None:
        super().__init__()
        type(self).latest = self

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        ExamplePort.post(self.latest, key, result, token)

    def close(self) -> None:
        super().close()
        type(self).latest = self if self.latest is self else self.latest


@mutant("lifecycle/15")
class OpensInheritableDescriptors(ExamplePort):
    """Creates its descriptors without CLOEXEC."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = os.pipe()
        for number in self.ends:
            os.set_inheritable(number, True)

    def close(self) -> None:
        for number in self.ends:
            os.close(number)
        self.ends = ()  # type: ignore[assignment]
        super().close()


@mutant("lifecycle/16")
class ReusesItsQueue(ExamplePort):
    """Takes a queue from a free list, with what the last port left in it."""

    left: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        while self.left:
            self.post(self.left.pop())

    def close(self) -> None:
        if not self.closed:
            self.left.extend([done.key for done in self.wait(100, 0)])
        super().close()


@mutant("lifecycle/17", "lifecycle/18", "lifecycle/19")
class KeepsTheInterpreterFromExiting(ExamplePort):
    """Has a thread that is no daemon, and ends it in close only."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        threading.Thread(target=self.over.wait).start()

    def close(self) -> None:
        self.over.set()
        super().close()


@mutant("lifecycle/20")
class WorksInAForkedChild(ExamplePort):
    """Does not ask which process it is in where nothing needs the kernel."""

    def flush(self) -> int:
        return 0 if self._owner != os.getpid() else super().flush()


@mutant("lifecycle/20")
class HasNoErrorOfItsOwnForForks(ExamplePort):
    """Raises a plain RuntimeError in a forked child."""

    def _check(self, method: str) -> None:
        if self._owner != os.getpid():
            raise RuntimeError(f"{method}() in a forked child of the process that opened the port")
        super()._check(method)


@mutant("lifecycle/21")
class IgnoresCloseInAChild(ExamplePort):
    """Does nothing in a forked child's close, not even remember it."""

    def close(self) -> None:
        if self._owner == os.getpid():
            super().close()


@mutant("lifecycle/21")
class SharesItsPipeWithItsChildren(ExamplePort):
    """Has a pipe with a byte for each completion, which a forked child's close drains for the parent too."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = os.pipe()

    def post(self, key: int, result: int = 0, token: object = None) -> None:
        super().post(key, result, token)
        os.write(self.ends[1], b"\0")

    def nop(self, token: object = None) -> int:
        os.write(self.ends[1], b"\0")
        return super().nop(token)

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        if not select.select([self.ends[0]], [], [], timeout)[0]:
            return []
        batch = super().wait(max_completions, 0, **least)
        os.read(self.ends[0], len(batch))
        return batch

    def close(self) -> None:
        while not self.closed and select.select([self.ends[0]], [], [], 0)[0]:
            os.read(self.ends[0], 64)
        super().close()


@mutant("lifecycle/22")
class TakesTheParentsFilesOut(ExamplePort):
    """Empties its epoll set in a forked child's close: the set is shared with the parent."""

    def _drop_copies(self) -> None:
        selector = self._watcher._selector
        for key in [key for key in selector.get_map().values() if key.data is not None]:
            selector.unregister(key.fileobj)


@mutant("lifecycle/23")
class KnowsItsProcessFromTheImport(ExamplePort):
    """Compares with the process id that it read when it was imported."""

    imported_in: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        KnowsItsProcessFromTheImport.imported_in = self._owner = self.imported_in or os.getpid()
