# A completion port as it is: Iocp.  See compl_iocp.iocp.

import msvcrt as _msvcrt
import threading as _threading

from compl_iocp import errors as _iocp_errors
from compl_iocp.entry import OverlappedEntry as _OverlappedEntry

from libc.stdint cimport uintptr_t

cdef extern from "iocp_calls.h" nogil:
    ctypedef struct OVERLAPPED_ENTRY:
        uintptr_t lpCompletionKey
        void *lpOverlapped
        uintptr_t Internal
        uint32_t dwNumberOfBytesTransferred
    uint32_t raw_create(uint32_t, uintptr_t *)
    uint32_t raw_associate(uintptr_t, uintptr_t, uintptr_t)
    uint32_t raw_post(uintptr_t, uintptr_t, uint32_t, uintptr_t)
    uint32_t raw_get(uintptr_t, OVERLAPPED_ENTRY *, uint32_t, uint32_t, int, uint32_t *)
    uint32_t raw_close(uintptr_t)
    int raw_is_open(uintptr_t)
    int raw_is_file(uintptr_t)
    int raw_is_overlapped(uintptr_t)
    uint32_t raw_ioctl(uintptr_t, uint32_t, const char *, uint32_t, char *, uint32_t, uint32_t *)

cdef extern from "stdlib.h" nogil:
    void *_zeroed "calloc"(size_t, size_t)

cdef object _new_tuple = tuple.__new__
cdef uint32_t _WAIT_TIMEOUT = 258, _WAIT_IO_COMPLETION = 192, _ABANDONED = 735, _INVALID_HANDLE = 6
cdef uint32_t _FOREVER = 0xFFFFFFFF
cdef uint32_t _BATCH = 64            # packets of one call on the stack
cdef uint32_t _SLICE = 50            # ms that the main thread waits before it looks for Ctrl-C, which wakes no waiter


cdef object as_handle(object file, str method):
    """The number of a HANDLE, a socket, or an open file object."""
    if isinstance(file, bool) or not (isinstance(file, int) or hasattr(file, "fileno")):
        raise TypeError(f"{method}(): a handle must be an int or an object with fileno(), not {type(file).__name__}")
    if isinstance(file, int):
        number = int(file)
    else:
        try:
            number = file.fileno()
        except ValueError:           # a closed io object
            number = -1
        if isinstance(file, _io.IOBase) and number >= 0:
            number = _msvcrt.get_osfhandle(number)    # its number is the C runtime's, not Windows'
    if number > 0xFFFFFFFFFFFFFFFF:
        raise OverflowError(f"{method}(): handle {number:#x} is outside 0..2**64-1")
    if number < 0 or number >= 0xFFFFFFFFFFFFFFFF:
        raise _iocp_errors.call_error(method, _INVALID_HANDLE, f"handle {number}", _iocp_errors.NOT_OPEN)
    return number


cdef uint32_t as_milliseconds(uint64_t nanoseconds) noexcept nogil:
    """Rounded up, and never what stands for "for ever"."""
    cdef uint64_t whole = nanoseconds // 1000000
    if nanoseconds % 1000000:
        whole += 1
    if whole >= _FOREVER:
        return _FOREVER - 1
    return <uint32_t>whole


cdef class Iocp:
    """A completion port of the kernel.

    ``concurrency``: how many threads the kernel lets run on its packets at once; 0 is one per processor.
    Raises OSError.
    """

    cdef uintptr_t handle            # until the last waiter has left
    cdef uint32_t waiters
    cdef bint shut
    cdef object __weakref__

    def __cinit__(self, concurrency=0):
        cdef uint32_t failed
        number = as_exact_int(concurrency, "Iocp", "concurrency")
        if not 0 <= number <= 0xFFFFFFFF:
            raise OverflowError(f"Iocp(): concurrency {number} is outside 0..2**32-1; 0 means one thread per processor")
        failed = raw_create(number, &self.handle)
        if failed:
            self.handle = 0
            raise _iocp_errors.call_error("CreateIoCompletionPort", failed)

    cdef uintptr_t number(self, str method) except 0:
        if self.shut or self.handle == 0:
            raise ValueError(f"Iocp.{method}(): the completion port is closed")
        return self.handle

    def associate(self, handle, key):
        """Have operations on ``handle``, once they have ended, put a packet with ``key`` (u64) here.

        ``handle`` is a HANDLE or SOCKET as an int, a socket, or an open file.  It is associated until it is closed, and
        with one port only.  Raises OSError that says which it is: not open, of a wrong kind, not opened for overlapped
        operations, associated already.
        """
        cdef uintptr_t number = as_handle(handle, "Iocp.associate")
        cdef uintptr_t wanted = as_key(key, "Iocp.associate")
        cdef uint32_t failed = raw_associate(self.number("associate"), number, wanted)
        if failed:
            raise _iocp_errors.associate_error(
                failed, number, is_open=bool(raw_is_open(number)), is_file=bool(raw_is_file(number)),
                overlapped=bool(raw_is_overlapped(number)),
            )

    def post(self, key, nbytes=0, overlapped=0):
        """Put a packet there by hand, from any thread: a u64, a u32 and an address, which come back as they are."""
        cdef uintptr_t wanted = as_key(key, "Iocp.post")
        cdef uint32_t failed
        count = as_exact_int(nbytes, "Iocp.post", "nbytes")
        if not 0 <= count <= 0xFFFFFFFF:
            raise OverflowError(f"Iocp.post(): nbytes {count} is outside 0..2**32-1")
        address = as_exact_int(overlapped, "Iocp.post", "overlapped")
        if not 0 <= address <= 0xFFFFFFFFFFFFFFFF:
            raise OverflowError(f"Iocp.post(): overlapped {address} is outside 0..2**64-1")
        failed = raw_post(self.number("post"), wanted, count, address)
        if failed:
            raise _iocp_errors.call_error("PostQueuedCompletionStatus", failed)

    def status(self, timeout=0.0):
        """Take all packets, waiting ``timeout`` seconds at most for the first: how many, and their bytes together."""
        cdef OVERLAPPED_ENTRY entries[64]
        cdef uint64_t completed = 0, moved = 0
        cdef uint32_t count = self.take(entries, _BATCH, budget_of(timeout, "Iocp.status"), False, "status")
        while count:
            completed += count
            for index in range(<int>count):
                moved += entries[index].dwNumberOfBytesTransferred
            if count < _BATCH or self.shut:
                break
            count = self.take(entries, _BATCH, 0, False, "status")
        return completed, moved

    def get_many(self, max_entries=64, timeout=None, *, alertable=False):
        """Take up to ``max_entries`` packets; waits for the first, up to ``timeout`` seconds, for ever if None.

        Empty when the time is up, or when an APC ran in an ``alertable`` wait.  Several threads may wait.  ValueError
        when the port is closed, also meanwhile.  Ctrl-C ends a wait of the main thread within 50 ms.
        """
        cdef OVERLAPPED_ENTRY few[64]
        cdef OVERLAPPED_ENTRY *entries = few
        cdef uint64_t budget = budget_of(timeout, "Iocp.get_many")
        cdef uint32_t count
        room = as_exact_int(max_entries, "Iocp.get_many", "max_entries")
        if not 1 <= room <= 0xFFFFFF:
            raise ValueError(f"Iocp.get_many(): max_entries must be 1 to 2**24-1, not {room}")
        if room > _BATCH:
            entries = <OVERLAPPED_ENTRY *>_zeroed(<size_t>room, sizeof(OVERLAPPED_ENTRY))
            if entries == NULL:
                raise MemoryError()
        try:
            count = self.take(entries, room, budget, bool(alertable), "get_many")
            return [
                _new_tuple(_OverlappedEntry, (
                    entries[index].lpCompletionKey, entries[index].dwNumberOfBytesTransferred,
                    <uintptr_t>entries[index].lpOverlapped, entries[index].Internal & 0xFFFFFFFF,
                )) for index in range(<int>count)
            ]
        finally:
            if entries != few:
                free(entries)

    cdef uint32_t take(
        self, OVERLAPPED_ENTRY *entries, uint32_t room, uint64_t budget, bint alertable, str method
    ) except? 0xFFFFFFFF:
        """Packets, at least one unless the time is up or an APC has run; waits with the GIL released."""
        cdef uintptr_t handle = self.number(method)
        cdef uint64_t deadline = NEVER if budget == NEVER else clock_now() + budget
        cdef bint main = budget > 0 and _threading.current_thread() is _threading.main_thread()
        cdef uint32_t milliseconds, failed, count = 0
        cdef uint64_t now
        self.waiters += 1
        try:
            while True:
                milliseconds = _FOREVER if budget == NEVER else as_milliseconds(budget)
                if main and milliseconds > _SLICE:
                    milliseconds = _SLICE
                with nogil:
                    # SAFETY: `entries` belong to the caller, who waits here; the handle stays until the last is out
                    failed = raw_get(handle, entries, room, milliseconds, alertable, &count)
                if self.shut:
                    self.number(method)
                if failed == 0:
                    return count
                if failed == _WAIT_IO_COMPLETION:
                    return 0
                if failed != _WAIT_TIMEOUT:
                    raise _iocp_errors.call_error("GetQueuedCompletionStatusEx", failed)
                if main:
                    PyErr_CheckSignals()
                    self.number(method)          # a handler may have closed it
                if budget != NEVER:
                    now = clock_now()
                    if now >= deadline:
                        return 0
                    budget = deadline - now
        finally:
            self.waiters -= 1
            if self.shut:
                self.leave()

    cdef void leave(self):
        """Somebody is still in the kernel: wake one more.  The last closes the handle."""
        if self.waiters:
            raw_post(self.handle, 0, 0, 0)
        elif self.handle:
            raw_close(self.handle)
            self.handle = 0

    def fileno(self):
        """The HANDLE."""
        return self.number("fileno")

    @property
    def closed(self):
        return self.shut

    def close(self):
        """Wakes every waiter; the last to leave closes the handle.  What was queued is gone."""
        if not self.shut:
            self.shut = True
            self.leave()

    def __enter__(self):
        self.number("__enter__")
        return self

    def __exit__(self, kind, error, traceback):
        self.close()

    def __dealloc__(self):
        if self.handle:
            raw_close(self.handle)


cdef uint64_t budget_of(object timeout, str method) except? 0xFFFFFFFFFFFFFFFE:
    return NEVER if timeout is None else as_nanoseconds(timeout, method, "timeout")


def ioctl(sock, code, data=b"", room=0):
    """WSAIoctl of a socket: what it answers, at most ``room`` bytes.  Raises OSError."""
    cdef uintptr_t number = as_handle(sock, "ioctl")
    cdef bytes given = bytes(data)
    cdef uint32_t got = 0, failed
    answer = bytearray(room)
    cdef char *output = answer
    failed = raw_ioctl(number, code, given, <uint32_t>len(given), output, <uint32_t>len(answer), &got)
    if failed:
        raise _iocp_errors.call_error("WSAIoctl", failed, f"socket {number:#x}")
    return bytes(answer[:got])


cdef extern from "measured.h" nogil:
    ctypedef struct Measure:
        const char *type
        const char *member
        size_t first, second
    const Measure *measures
    int MEASURE_COUNT


cdef dict _measured():
    cdef dict found = {}
    cdef const Measure *one
    for index in range(MEASURE_COUNT):
        one = &measures[<int>index]
        name = one.type.decode("ascii")
        if one.member[0] == 0:
            found[name] = {"size": one.first, "align": one.second, "fields": {}}
        else:
            found[name]["fields"][one.member.decode("ascii")] = (one.first, one.second)
    return found


LAYOUTS = _measured()
