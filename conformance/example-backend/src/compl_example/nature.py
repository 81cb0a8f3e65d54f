"""What a descriptor is: which kind of file, and which one."""

from __future__ import annotations

import enum
import os
import selectors
import socket
import stat
import sys
from pathlib import Path


class Nature(enum.Enum):
    """What can be done with a file."""

    SOCKET = "socket"
    STREAM = "stream"  #: pipe, terminal, eventfd: no place in it, a selector tells when it is ready
    STORAGE = "storage"  #: regular file, directory, /dev/null: always ready, so helper threads do the waiting


if sys.platform != "win32":

    def identity(number: int) -> tuple[int, int] | None:
        """What tells open files apart; None for a number that is not open."""
        try:
            status = os.fstat(number)
        except (OSError, OverflowError):
            return None
        return status.st_dev, status.st_ino

    def nature_of(number: int) -> Nature | None:
        """What ``number`` is; None if it is not open."""
        try:
            status = os.fstat(number)
        except (OSError, OverflowError):
            return None
        mode = status.st_mode
        if stat.S_ISSOCK(mode):
            return Nature.SOCKET
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
            return Nature.STORAGE
        if stat.S_ISCHR(mode) and not os.isatty(number) and not _selectable(number, status):
            return Nature.STORAGE
        return Nature.STREAM

    def open_socket(number: int, file: object) -> socket.socket:  # noqa: ARG001  Windows needs it
        """A socket object on the number; OSError if that is no socket.  Detach it."""
        return socket.socket(fileno=number)

    def close_number(number: int) -> None:
        os.close(number)

    def _selectable(number: int, status: os.stat_result) -> bool:
        # epoll refuses a character device that has nothing to wait for with EPERM; not every selector does.
        if status.st_rdev == Path(os.devnull).stat().st_rdev:
            return False
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(number, selectors.EVENT_READ)
        except OSError:
            return False
        return True

else:
    import msvcrt

    _ANY_SOCKET, _NO_SOCKET = (0, 1), (0, 0)
    #: getsockopt() for a WSAPROTOCOL_INFOW, and the places of three ints in it.
    _SO_PROTOCOL_INFO = 0x2005
    _PROTOCOL_INFO_SIZE = 628
    _ADDRESS_FAMILY, _SOCKET_TYPE, _PROTOCOL = 76, 88, 92

    def identity(number: int) -> tuple[int, int] | None:
        """What tells open files apart; None for a HANDLE or SOCKET that is not open.

        There is no such thing as an inode here, so all sockets look alike, and all others: the file objects must do.
        """
        if number < 0:  # -1 is a HANDLE too, of the process itself
            return None
        try:
            os.get_handle_inheritable(number)
        except (OSError, OverflowError):
            return None
        try:
            open_socket(number, None).detach()
        except OSError:
            return _NO_SOCKET
        return _ANY_SOCKET

    def nature_of(number: int) -> Nature | None:
        """What ``number`` is; None if it is not open.

        select() takes nothing but sockets; so whatever else there is cannot be waited for, as a regular file cannot.
        """
        found = identity(number)
        if found is None:
            return None
        return Nature.SOCKET if found == _ANY_SOCKET else Nature.STORAGE

    def open_socket(number: int, file: object) -> socket.socket:
        """A socket object on the number; OSError if that is no socket.  Detach it.

        Python asks a number for its address to learn the family, which a socket that is not bound yet does not tell.
        """
        if isinstance(file, socket.socket):
            return socket.socket(file.family, file.type, file.proto, fileno=number)
        guess = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=number)
        try:
            info = guess.getsockopt(socket.SOL_SOCKET, _SO_PROTOCOL_INFO, _PROTOCOL_INFO_SIZE)
        finally:
            guess.detach()
        family, kind, protocol = (
            int.from_bytes(info[place : place + 4], sys.byteorder)
            for place in (_ADDRESS_FAMILY, _SOCKET_TYPE, _PROTOCOL)
        )
        return socket.socket(family, kind, protocol, fileno=number)

    def close_number(number: int) -> None:
        os.close(msvcrt.open_osfhandle(number, 0))

    def handle_of(descriptor: int) -> int:
        """The HANDLE or SOCKET that a file object's fileno() stands for: it may be one, or a C descriptor."""
        if nature_of(descriptor) is Nature.SOCKET:
            return descriptor
        try:
            return msvcrt.get_osfhandle(descriptor)
        except OSError:
            return descriptor
