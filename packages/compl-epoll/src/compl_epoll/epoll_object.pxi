# epoll(7) as it is: Epoll, and the arrays that it fills.

cdef extern from "epoll_calls.h" nogil:
    int epoll_pwait2_known
    void epoll_learn_pwait2(int)
    int EPOLL_EVENT_SIZE, EPOLL_EVENT_ALIGN, EPOLL_EVENT_EVENTS, EPOLL_EVENT_DATA

cdef extern from "pair.h":
    object pair_of(PyObject **, uint32_t, uint64_t)

cdef object _forever = -1        # one of the ints that always exist once

EVENT_LAYOUT = {"size": EPOLL_EVENT_SIZE, "align": EPOLL_EVENT_ALIGN, "events": EPOLL_EVENT_EVENTS, "data": EPOLL_EVENT_DATA}


cdef class EventArray:
    """Room for the events of one wait(); reusable, one thread at a time.  See compl_epoll.epoll."""

    cdef epoll_event *entries
    cdef int room
    cdef int filled
    cdef bint busy

    def __cinit__(self, capacity):
        number = _operator.index(capacity)
        if number < 1:
            raise ValueError(f"EventArray(): capacity must be at least 1, not {number}")
        if number > 0x7FFFFFFF // EPOLL_EVENT_SIZE:
            raise OverflowError(f"EventArray(): epoll_wait(2) takes {0x7FFFFFFF // EPOLL_EVENT_SIZE} events at most, not {number}")
        self.entries = <epoll_event *>calloc(<size_t>number, sizeof(epoll_event))
        if self.entries == NULL:
            raise MemoryError()
        self.room = number

    def __dealloc__(self):
        free(self.entries)

    @property
    def capacity(self):
        return self.room

    def __len__(self):
        return self.filled

    def __getitem__(self, int index):
        if index < 0:
            index += self.filled
        if not 0 <= index < self.filled:
            raise IndexError(f"event {index} of {self.filled}")
        return self.entries[index].events, self.entries[index].data.u64

    def __iter__(self):
        cdef _EventIterator iterator = _EventIterator.__new__(_EventIterator)
        iterator.array = self
        return iterator


@cython.freelist(8)
@cython.final
@cython.no_gc                    # it refers to an array and to a tuple of ints: no cycle can be made of it
cdef class _EventIterator:
    cdef EventArray array
    cdef int index
    cdef PyObject *pair          # owned

    def __dealloc__(self):
        Py_XDECREF(self.pair)

    def __iter__(self):
        return self

    def __next__(self):
        cdef epoll_event *event
        if self.array is None or self.index >= self.array.filled:
            raise StopIteration
        event = &self.array.entries[self.index]
        self.index += 1
        return pair_of(&self.pair, event.events, event.data.u64)


cdef class Epoll:
    """An epoll set; see compl_epoll.epoll."""

    cdef int fd
    cdef object __weakref__

    def __cinit__(self, *arguments, **named):
        self.fd = -1
        if (arguments or named) and type(self) is Epoll:    # a subclass has an __init__ of its own
            raise TypeError(f"Epoll() takes no arguments, not {len(arguments) + len(named)}")
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, f"{_os.strerror(errno)}: epoll_create1")

    cdef int number(self, str method) except -1:
        if self.fd < 0:
            raise ValueError(f"Epoll.{method}(): the epoll set is closed")
        return self.fd

    cdef int control(self, int operation, object file, object event, str method) except -1:
        cdef int fd = as_descriptor(file, f"Epoll.{method}")
        cdef int epfd, status
        cdef uint64_t data = 0
        cdef uint32_t mask = 0
        if operation != EPOLL_CTL_DEL:
            try:
                wanted, given = event
            except (TypeError, ValueError):
                raise TypeError(f"Epoll.{method}(): an Event(events, data) is needed, not {event!r}") from None
            wanted = as_exact_int(wanted, f"Epoll.{method}", "events")
            if not 0 <= wanted <= 0xFFFFFFFF:
                raise OverflowError(f"Epoll.{method}(): events {wanted} are outside 0..2**32-1")
            mask = wanted
            data = as_key(given, f"Epoll.{method}")
        epfd = self.number(method)   # only now: code of the caller has run
        status = epoll_control(epfd, operation, fd, mask, data)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: epoll_ctl({method}) of fd {fd} in epoll set {epfd}")
        return 0

    def register(self, fd, event):
        self.control(EPOLL_CTL_ADD, fd, event, "register")

    def modify(self, fd, event):
        self.control(EPOLL_CTL_MOD, fd, event, "modify")

    def unregister(self, fd):
        self.control(EPOLL_CTL_DEL, fd, None, "unregister")

    def wait(self, EventArray events not None, timeout_ms=-1):
        cdef uint64_t deadline, budget
        cdef int epfd = self.fd
        cdef int count
        if epfd < 0:
            self.number("wait")
        if events.busy:
            raise ValueError("Epoll.wait(): the EventArray is in use by another thread's wait()")
        if timeout_ms is _forever:       # the default
            budget = NEVER
        elif is_small(<PyObject *>timeout_ms):
            budget = <uint64_t>timeout_ms * 1000000
        else:
            budget = as_budget(timeout_ms)
            epfd = self.number("wait")
        if budget == 0:
            count = epoll_wait_ns(epfd, events.entries, events.room, 0)
            if count >= 0:
                events.filled = count
                return count
        deadline = after(budget) if budget != NEVER else NEVER
        events.busy = True
        events.filled = 0
        try:
            while True:
                with nogil:
                    # SAFETY: `events` is referenced by this frame, and `busy` keeps others from its entries
                    count = epoll_wait_ns(epfd, events.entries, events.room, budget)
                if count >= 0:
                    events.filled = count
                    return count
                if count != -EINTR:
                    raise OSError(-count, f"{_os.strerror(-count)}: epoll_wait on epoll set {epfd}")
                PyErr_CheckSignals()
                epfd = self.number("wait")       # a handler may have closed it
                if deadline != NEVER:
                    now = clock_now()
                    budget = deadline - now if deadline > now else 0
        finally:
            events.busy = False

    def fileno(self):
        return self.number("fileno")

    @property
    def closed(self):
        return self.fd < 0

    def close(self):
        cdef int fd = self.fd
        self.fd = -1
        if fd >= 0 and c_close(fd) < 0 and errno != EINTR:
            raise OSError(errno, f"{_os.strerror(errno)}: close of epoll set {fd}")

    def __enter__(self):
        self.number("__enter__")
        return self

    def __exit__(self, kind, error, traceback):
        self.close()

    def __dealloc__(self):
        if self.fd >= 0:
            c_close(self.fd)


cdef uint64_t as_budget(object milliseconds) except? 0xFFFFFFFFFFFFFFFE:
    """Milliseconds as ns, rounded up; negative is for ever, as in epoll_wait(2)."""
    if not PyFloat_CheckExact(milliseconds):
        if isinstance(milliseconds, bool) or not isinstance(milliseconds, float):
            milliseconds = as_exact_int(milliseconds, "Epoll.wait", "timeout_ms")
    if milliseconds < 0:
        return NEVER
    return as_nanoseconds(milliseconds / 1000, "Epoll.wait", "timeout_ms")


def has_pwait2():
    """Whether the kernel waits with nanoseconds; found by asking it."""
    cdef int fd
    if epoll_pwait2_known == 0:
        fd = epoll_create1(EPOLL_CLOEXEC)
        if fd < 0:
            return False
        epoll_learn_pwait2(fd)
        c_close(fd)
    return epoll_pwait2_known > 0
