# Linux AIO as it is: contexts, and the arrays that events are written to.

cdef extern from "aio_calls.h" nogil:
    int IOCB_ALIGN, IOCB_DATA, IOCB_KEY, IOCB_RW_FLAGS, IOCB_OPCODE, IOCB_REQPRIO, IOCB_FILDES, IOCB_BUF, IOCB_NBYTES
    int IOCB_OFFSET, IOCB_RESERVED2, IOCB_FLAGS, IOCB_RESFD, EVENT_ALIGN, EVENT_DATA, EVENT_OBJ, EVENT_RES, EVENT_RES2

_MAX_REQUESTS = 0x10000

IOCB_LAYOUT = {
    "size": sizeof(ControlBlock), "align": IOCB_ALIGN, "aio_data": IOCB_DATA, "aio_key": IOCB_KEY, "aio_rw_flags": IOCB_RW_FLAGS,
    "aio_lio_opcode": IOCB_OPCODE, "aio_reqprio": IOCB_REQPRIO, "aio_fildes": IOCB_FILDES, "aio_buf": IOCB_BUF,
    "aio_nbytes": IOCB_NBYTES, "aio_offset": IOCB_OFFSET, "aio_reserved2": IOCB_RESERVED2, "aio_flags": IOCB_FLAGS,
    "aio_resfd": IOCB_RESFD,
}
IO_EVENT_LAYOUT = {
    "size": sizeof(AioEvent), "align": EVENT_ALIGN, "data": EVENT_DATA, "obj": EVENT_OBJ, "res": EVENT_RES, "res2": EVENT_RES2,
}

cdef object _event_class = None


def events_are(cls):
    """Class decorator: events are instances of this NamedTuple of four."""
    global _event_class
    if not issubclass(cls, tuple) or len(cls._fields) != 4:
        raise TypeError(f"{cls.__name__} is not a tuple of four")
    _event_class = cls
    return cls


cdef object event_object(AioEvent *event):
    return _event_class(event.data, event.object, event.result, event.result2)


cdef class EventArray:
    """Room for the events of one get_events(); reusable, one thread at a time.  See compl_aio.context."""

    cdef AioEvent *entries
    cdef int room
    cdef int filled
    cdef bint busy

    def __cinit__(self, capacity):
        number = _operator.index(capacity)
        if number < 1:
            raise ValueError(f"EventArray(): capacity must be at least 1, not {number}")
        if number > _MAX_REQUESTS:
            raise OverflowError(f"EventArray(): a context has at most {_MAX_REQUESTS} requests, not {number}")
        self.entries = <AioEvent *>calloc(<size_t>number, sizeof(AioEvent))
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
        return event_object(&self.entries[index])

    def __iter__(self):
        cdef int index
        for index in range(self.filled):
            yield event_object(&self.entries[index])

    def results(self):
        """(data, res) of each event, as a list: what most programs need, without an object for each."""
        cdef int index
        cdef list out = []
        for index in range(self.filled):
            out.append((self.entries[index].data, self.entries[index].result))
        return out


cdef class IoContext:
    """A context of Linux AIO; see compl_aio.context."""

    cdef AioContextId context    # 0 once it is closed
    cdef AioRing *ring
    cdef uint32_t getting        # threads in io_getevents: nobody may read the ring in user space
    cdef uint64_t epoch          # fork_count when opened
    cdef int owner
    cdef set blocks              # in flight
    cdef readonly int nr_events
    cdef object __weakref__

    def __cinit__(self, nr_events):
        cdef long status
        self.epoch = NEVER
        self.blocks = set()
        number = as_field(nr_events, 0, 0xFFFFFFFF, "IoContext(): nr_events")
        if not 1 <= number <= _MAX_REQUESTS:
            raise OSError(EINVAL, f"{_os.strerror(EINVAL)}: io_setup: a context has 1 to {_MAX_REQUESTS} requests, not {number}")
        status = aio_setup(number, &self.context)
        if status < 0:
            hint = "; fs.aio-max-nr limits the requests of all contexts of the host" if status == -EAGAIN else ""
            raise OSError(-status, f"{_os.strerror(-status)}: io_setup({number}){hint}")
        self.ring = ring_of(self.context)
        self.nr_events = number
        self.epoch = fork_count
        self.owner = c_getpid()

    cdef int check(self, str method) except -1:
        if self.epoch == fork_count:
            return 0
        if self.epoch == NEVER:
            raise ValueError(f"IoContext.{method}(): the context is closed")
        raise RuntimeError(
            f"IoContext.{method}(): the context belongs to process {self.owner}, of which this one is a fork; open another one"
        )

    @property
    def closed(self):
        return self.epoch == NEVER

    @property
    def in_flight(self):
        """Control blocks that were submitted, and whose events have not been got."""
        return len(self.blocks)

    @property
    def reads_ring(self):
        """Whether events can be taken from the completion ring in user space."""
        return self.ring != NULL

    # ---- submitting -----------------------------------------------------------------------------------------------------

    @cython.critical_section
    def submit(self, blocks):
        cdef list listed = list(blocks)
        cdef Py_ssize_t count = len(listed)
        cdef Py_ssize_t ready = 0
        cdef AioContextId context
        cdef ControlBlock **pointers
        cdef IoControlBlock one
        cdef long status
        self.check("submit")
        pointers = <ControlBlock **>malloc(<size_t>max(count, 1) * sizeof(void *))
        if pointers == NULL:
            raise MemoryError()
        try:
            while ready < count:
                one = listed[ready]
                if one.context is not None:
                    raise ValueError(f"IoContext.submit(): block {ready} is in flight already; wait for its event")
                one.context = self
                pointers[ready] = &one.block
                ready += 1
                self.blocks.add(one)
        except BaseException:
            self.take_back(listed, 0, ready)
            free(pointers)
            raise
        context = self.context
        with nogil:
            # SAFETY: `listed` and the context's set refer to the blocks, and a block in flight lets go of nothing
            status = aio_submit(context, count, pointers)
        free(pointers)
        self.take_back(listed, max(status, 0), count)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: io_submit of {count} blocks, the first of which was refused")
        return status

    cdef int take_back(self, list listed, Py_ssize_t start, Py_ssize_t stop) except -1:
        """The kernel has not taken these."""
        cdef IoControlBlock one
        cdef Py_ssize_t i
        for i in range(start, stop):
            one = listed[i]
            one.context = None
            self.blocks.discard(one)
        return 0

    @cython.critical_section
    def cancel(self, IoControlBlock block not None):
        cdef AioEvent event
        cdef long status
        self.check("cancel")
        status = aio_cancel(self.context, &block.block, &event)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: io_cancel of a block for fd {block.aio_fildes}")
        if block.context is self:
            self.take_back([block], 0, 1)    # kernels before 4.18: this is its event
        return event_object(&event)

    # ---- events ---------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def get_events(self, min_nr, EventArray events not None, timeout=None):
        cdef long least = as_field(min_nr, -0x80000000, 0x7FFFFFFF, "IoContext.get_events(): min_nr")
        cdef uint64_t budget = NEVER if timeout is None else as_nanoseconds(timeout, "IoContext.get_events", "timeout")
        cdef uint64_t deadline = after(budget)
        cdef uint64_t now
        cdef long got = 0
        cdef long count
        cdef AioContextId context
        self.check("get_events")
        if events.busy:
            raise ValueError("IoContext.get_events(): the EventArray is in use by another thread")
        events.filled = 0
        if self.ring != NULL and self.getting == 0 and 0 <= least <= events.room:
            # SAFETY: the only reader: no thread is in io_getevents, and those here hold the GIL
            got = ring_take(self.ring, events.entries, events.room)
        events.busy = True
        try:
            while got < least or least < 0:
                context = self.context
                self.getting += 1
                with nogil:
                    # SAFETY: `events` is referenced by this frame, and `busy` keeps others from its entries
                    count = aio_getevents(context, least - got, events.room - got, events.entries + got, budget)
                self.getting -= 1
                if count > 0:
                    got += count
                elif count < 0 and count != -EINTR:
                    self.check("get_events")     # closed meanwhile?
                    raise OSError(-count, f"{_os.strerror(-count)}: io_getevents({least}, {events.room})")
                PyErr_CheckSignals()
                self.check("get_events")
                if budget != NEVER:
                    now = clock_now()
                    if now >= deadline:
                        break
                    budget = deadline - now
        finally:
            events.busy = False
            events.filled = <int>got
            self.settle(events)
        return got

    cdef int settle(self, EventArray events) except -1:
        """The blocks of these events are not in flight any more."""
        cdef IoControlBlock one
        cdef int i
        for i in range(events.filled):
            # SAFETY: the address that this context gave to the kernel; its set refers to the block until here
            one = <IoControlBlock><PyObject *>(<char *><size_t>events.entries[i].object - block_offset)
            one.context = None
            self.blocks.discard(one)
        return 0

    # ---- the end --------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def close(self):
        cdef AioContextId context = self.context
        cdef IoControlBlock one
        self.context = 0
        self.ring = NULL
        if context and self.epoch == fork_count:
            self.epoch = NEVER
            with nogil:
                # SAFETY: when this returns the kernel has let go of every buffer; threads in io_getevents come out
                aio_destroy(context)
        self.epoch = NEVER
        for one in self.blocks:
            one.context = None
        self.blocks = set()

    def __del__(self):
        self.close()

    def __enter__(self):
        self.check("__enter__")
        return self

    def __exit__(self, kind, error, traceback):
        self.close()


def take_events(memory, int room):
    """Events from a completion ring in `memory`, of which its head moves on; None if that is no ring known here."""
    cdef AioEvent taken[16]
    cdef Py_buffer view
    cdef AioRing *ring
    cdef uint32_t count, i
    PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
    try:
        ring = ring_of(<AioContextId><size_t>view.buf) if view.len >= 32 else NULL
        if ring == NULL or view.len < 32 + <Py_ssize_t>ring.nr * 32:
            return None
        count = ring_take(ring, taken, <uint32_t>min(room, 16))
        return [event_object(&taken[i]) for i in range(count)]
    finally:
        PyBuffer_Release(&view)
