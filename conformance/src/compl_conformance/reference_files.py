"""The reference port's table of registered files: which number has which key, as long as it is the same file.

A number says little: it may have been closed and given to another file.  What is registered is remembered with what
``fstat`` says of it (device and inode), and compared whenever the number is looked up.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

from compl_core.arguments import descriptor


class Registered:
    """One registered file.  Keeps the file object alive."""

    __slots__ = ("file", "identity", "key", "number")

    def __init__(self, number: int, file: object, key: int, identity: tuple[int, int]) -> None:
        self.number = number
        self.file = file
        self.key = key
        self.identity = identity


class KeyTable:
    """Number to :class:`Registered`."""

    def __init__(self) -> None:
        self._table: dict[int, Registered] = {}

    def find(self, number: int) -> Registered | None:
        """What is registered under ``number``; a file that is not there any more is forgotten."""
        known = self._table.get(number)
        if known is None:
            return None
        closed = isinstance(known.file, socket.socket) and known.file.fileno() != number
        if closed or identity(number) != known.identity:
            del self._table[number]
            return None
        return known

    def add(self, number: int, file: object, key: int) -> bool:
        """Register; False if the number is not open."""
        found = identity(number)
        if found is None:
            return False
        self._table[number] = Registered(number, file, key, found)
        return True

    def remove(self, registered: Registered) -> None:
        del self._table[registered.number]

    def clear(self) -> None:
        self._table.clear()


def number(file: object) -> int:
    """The descriptor of ``file`` (Windows: the HANDLE or SOCKET); -1 for a closed one.  TypeError if it is none."""
    found = descriptor(file)
    if sys.platform == "win32" and found >= 0 and not isinstance(file, (int, socket.socket)):
        return _handle_of(found)
    return found


def close(file: object, number: int) -> int:
    """Close ``file``: a socket object is detached, an int is closed, another object closes itself.  0 or an errno."""
    try:
        if isinstance(file, socket.socket):
            socket.close(file.detach())
        elif isinstance(file, int):
            (socket.close if _is_socket(number) else _close_number)(number)
        else:
            file.close()  # type: ignore[attr-defined]  # what has fileno() and cannot be closed says so itself
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _is_socket(number: int) -> bool:
    try:  # a family is given because Windows asks the address for it, which an unbound socket has not
        probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=number)
    except (OSError, OverflowError, ValueError):
        return False
    probe.detach()
    return True


if sys.platform != "win32":

    def identity(number: int) -> tuple[int, int] | None:
        """What tells open files apart; None for a number that is not open."""
        try:
            status = os.fstat(number)
        except (OSError, OverflowError):
            return None
        return status.st_dev, status.st_ino

    def _close_number(number: int) -> None:
        os.close(number)

else:
    import msvcrt

    def identity(number: int) -> tuple[int, int] | None:
        """What tells open files apart; None for a HANDLE or SOCKET that is not open.

        There is no such thing as an inode here, so all that are open look alike: the file objects must do.
        """
        if number < 0:  # -1 is a HANDLE too, of the process itself
            return None
        try:
            os.get_handle_inheritable(number)
        except (OSError, OverflowError):
            return None
        return 0, 0

    def _close_number(number: int) -> None:
        os.close(msvcrt.open_osfhandle(number, 0))

    def _handle_of(descriptor: int) -> int:
        """What a file object's fileno() stands for: it may be a HANDLE or SOCKET, or a C descriptor."""
        if descriptor < 0 or _is_socket(descriptor):
            return max(descriptor, -1)
        try:
            return msvcrt.get_osfhandle(descriptor)
        except OSError:
            return descriptor
