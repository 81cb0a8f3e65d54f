"""register: the table of files and keys."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from compl_core import AlreadyRegistered, Completion, CompletionFlags, Interest, Kind, NotRegistered
from compl_core.errors import already_registered, not_registered
from compl_example import ExamplePort
from mutants.fault import mutant
from mutants.ports import Call, Port

NONE = Interest.NONE
_NO_FLAGS = CompletionFlags.NONE


def number_of(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


@mutant(
    "register/1", "register/43", "socket/1", "socket/3", "socket/12", "socket/14", "socket/27", "socket/34",
    "socket/36", "socket/45", "socket/50", "file/1", "file/6", "file/21", "file/24", "file/38", "file/49",
    "datagram/1", "datagram/2", "cancel/1", "teardown/17", "teardown/18", "error/11",
)  # fmt: skip
class ForgetsTheKeyOfOperations(Port):
    """Looks the key up for readiness only."""

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done._replace(key=0)]


@mutant("register/1", "register/16", "register/41", "error/1", "error/3", "teardown/30")
class GivesTheDescriptorAsKey(Port):
    """Takes the descriptor for the key of a file that was never registered."""

    def begin(self, call: Call) -> int:
        call.note = call.number
        return super().begin(call)

    def end(self, done: Completion, call: Call) -> list[Completion]:
        return [done if done.key or not call.file else done._replace(key=call.note & 0xFFFF_FFFF)]


@mutant("register/2", "register/3")
class RegistersAgain(ExamplePort):
    """Replaces the registration of a file that is registered already."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except AlreadyRegistered:
            self.modify(file, key=key, interest=interest, oneshot=oneshot)


@mutant("register/3")
class ChangesTheFirstRegistration(ExamplePort):
    """Refuses the second registration after it has taken its interest over."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except AlreadyRegistered:
            self.modify(file, interest=interest)
            raise


@mutant("register/2")
class RaisesAPlainFileExistsError(ExamplePort):
    """Passes EEXIST on as the system gives it."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except AlreadyRegistered as error:
            raise FileExistsError(error.errno, error.strerror) from None


@mutant("register/2")
class SaysNoDescriptor(ExamplePort):
    """Has a message that does not say which file is meant."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except AlreadyRegistered:
            raise AlreadyRegistered(errno.EEXIST, "the file is already registered; unregister() it first") from None


@mutant("register/4", "register/5", "model/1")
class UnregistersUnknownFiles(ExamplePort):
    """Has nothing against unregistering a file that is not registered."""

    def unregister(self, file: Any) -> None:
        try:
            super().unregister(file)
        except NotRegistered:
            pass


@mutant("register/4", "register/5")
class RegistersInModify(ExamplePort):
    """Registers what it does not know when it is asked to modify it."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        try:
            super().modify(file, key=key, interest=interest, oneshot=oneshot)
        except NotRegistered:
            self.register(file, key or 0, interest or NONE, oneshot=bool(oneshot))


@mutant("register/4", "register/5", "register/44")
class RaisesKeyErrors(ExamplePort):
    """Lets the KeyError of its table out."""

    def unregister(self, file: Any) -> None:
        try:
            super().unregister(file)
        except NotRegistered as error:
            raise KeyError(file) from error


@mutant("register/6")
class KnowsFilesByObject(ExamplePort):
    """Keeps its table by the object that it was given, not by what that stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: set[int] = set()

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.objects.add(id(file))

    def modify(self, file: Any, **changes: Any) -> None:
        if id(file) not in self.objects:
            raise not_registered(self.name, number_of(file), "modify")
        super().modify(file, **changes)


@mutant("register/7")
class RegistersClosedFiles(ExamplePort):
    """Does not look at a file that there is nothing to watch on."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except OSError as error:
            if error.errno != errno.EBADF or interest:
                raise


@mutant("register/7")
class CallsClosedFilesUnknown(ExamplePort):
    """Raises NotRegistered for a file that is closed: it is not in the table."""

    def unregister(self, file: Any) -> None:
        try:
            super().unregister(file)
        except OSError as error:
            raise NotRegistered(errno.ENOENT, "not registered") from error


@mutant("register/7", "register/53")
class UnregistersClosedFiles(ExamplePort):
    """Has nothing against unregistering a file that is closed."""

    def unregister(self, file: Any) -> None:
        try:
            super().unregister(file)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise


@mutant("register/8", "register/47", "error/5", "cancel/10", "teardown/22")
class CallsFilenoOfAnything(Port):
    """Asks for ``file.fileno()`` without looking whether there is one."""

    def _open_source(self, file: Any, method: str) -> Any:
        return super()._open_source(file if isinstance(file, int) else file.fileno(), method)

    def begin(self, call: Call) -> int:
        if "file" in call.values or "sock" in call.values:
            assert isinstance(call.file, int) or call.file.fileno() is not None
        return super().begin(call)

    def cancel_all(self, file: Any) -> int:
        return super().cancel_all(file if isinstance(file, int) else file.fileno())


@mutant("register/9")
class RegistersBeforeItChecks(ExamplePort):
    """Puts the file into its table, then looks at the key."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, 0, interest, oneshot=oneshot)
        super().modify(file, key=key)


@mutant("register/11")
class WatchesForErrors(ExamplePort):
    """Takes ERROR and HANGUP as something to ask for."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        known = isinstance(interest, Interest)
        super().register(file, key, interest & ~Interest.ERROR & ~Interest.HANGUP if known else interest)


@mutant("register/11")
class TakesAnyInterest(ExamplePort):
    """Has ``bool(interest)`` decide."""

    def register(self, file: Any, key: int, interest: Any = NONE, *, oneshot: bool = False) -> None:
        wanted: Any = interest if isinstance(interest, int) else Interest.READABLE if interest else NONE
        super().register(file, key, wanted, oneshot=oneshot)


@mutant("register/12", "register/13")
class SaysInvalidArgument(ExamplePort):
    """Gives a file that cannot be watched another errno."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except PermissionError as error:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error


@mutant("register/13")
class LetsDirectoriesBeWatched(ExamplePort):
    """Knows regular files as always ready, and nothing else."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        try:
            super().register(file, key, interest, oneshot=oneshot)
        except PermissionError:
            if stat.S_ISREG(os.fstat(number_of(file)).st_mode):
                raise


@mutant("register/12")
class ChecksFilesInRegisterOnly(ExamplePort):
    """Does not look what kind of file it is when an interest comes later."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        try:
            super().modify(file, key=key, interest=interest, oneshot=oneshot)
        except PermissionError:
            super().modify(file, key=key, oneshot=oneshot)


@mutant("register/14", "register/15")
class DoesNotKeepFilesAlive(ExamplePort):
    """Keeps the number of a registered file, and forgets the object."""

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(number_of(file), key, interest, oneshot=oneshot)


@mutant("register/14")
class KeepsTheFileUntilModify(ExamplePort):
    """Replaces the object by what modify was given."""

    def modify(self, file: Any, **changes: Any) -> None:
        super().modify(file, **changes)
        source = self._sources.find(file, number_of(file))
        assert source is not None
        source.file = file


@mutant("register/16", "register/43")
class UnregisterCancels(ExamplePort):
    """Cancels what is in flight on a file that is unregistered."""

    def unregister(self, file: Any) -> None:
        super().unregister(file)
        self.cancel_all(file)


@mutant("register/17", "register/18")
class KeepsClosedNumbersRegistered(ExamplePort):
    """Keeps its table by number, and does not notice that the number is another file now."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[int, int] = {}

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        number = number_of(file)
        if number in self.numbers:
            raise already_registered(self.name, number, self.numbers[number])
        super().register(file, key, interest, oneshot=oneshot)
        self.numbers[number] = key

    def unregister(self, file: Any) -> None:
        super().unregister(file)
        self.numbers.pop(number_of(file), None)


@mutant("register/19")
class ReportsClosedFilesForEver(Port):
    """Never takes a file out of its set that was closed behind its back."""

    numbers: tuple[int, ...] = ()

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        super().register(file, key, interest, oneshot=oneshot)
        self.numbers += (number_of(file),) if interest else ()

    def wait(self, max_completions: int = 64, timeout: float | None = None, **least: Any) -> list[Completion]:
        gone = [number for number in self.numbers if not _is_open(number)]
        batch = super().wait(max_completions, 0 if gone else timeout, **least)
        return batch + [Completion(1, 8, None, Kind.READY, _NO_FLAGS, None) for _ in gone]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@mutant("register/20")
class KnowsFilesByInode(ExamplePort):
    """Takes two descriptors of one file for one."""

    def __init__(self) -> None:
        super().__init__()
        self.inodes: set[int] = set()

    def register(self, file: Any, key: int, interest: Interest = NONE, *, oneshot: bool = False) -> None:
        inode = os.fstat(number_of(file)).st_ino
        if inode in self.inodes:
            raise already_registered(self.name, number_of(file), key)
        self.inodes.add(inode)
        super().register(file, key, interest, oneshot=oneshot)


@mutant("register/25")
class ModifyDoesNotRearm(Port):
    """Leaves a file disarmed when modify is told nothing new."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        if (key, interest, oneshot) == (None, None, None):
            if self._open_source(file, "modify").registration is None:
                raise NotRegistered(2, "not registered")
            return
        super().modify(file, key=key, interest=interest, oneshot=oneshot)


@mutant("register/26")
class ModifyEndsOneshot(ExamplePort):
    """Takes False for a oneshot that modify is not told."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        super().modify(file, key=key, interest=interest, oneshot=bool(oneshot))


@mutant("register/25", "register/26", "register/27")
class ModifyForgetsTheKey(ExamplePort):
    """Takes 0 for a key that modify is not told."""

    def modify(self, file: Any, *, key: int | None = None, interest: Any = None, oneshot: bool | None = None) -> None:
        super().modify(file, key=key or 0, interest=interest, oneshot=oneshot)
