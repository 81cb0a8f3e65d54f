# What every port is: a table of operations, a ready queue, and completions made from it.
#
# All state is guarded by the GIL (on free-threaded builds by a critical section on the port, which gives way in the same
# places).  Where the GIL is dropped, or code of the user may run (releasing a buffer, fileno()), the state is consistent.

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "threads.h" nogil:
    uint64_t thread_number()


cdef class _BufferPool           # buffers.pxi


cdef class _PortBase:
    cdef Tables tables
    cdef uint64_t epoch          # fork_count when opened; NEVER once closed
    cdef int owner               # the process that opened it
    cdef uint64_t bound          # number of the one thread that may use it; 0 is any
    cdef unsigned long bound_to  # ... as Python calls it
    cdef bint closing
    cdef uint32_t unfinished     # operations submitted whose completion is not in the ready queue yet
    cdef uint32_t in_flight_     # operations submitted whose completion wait() has not returned yet
    cdef uint64_t submitted, posted, via_thread, resubmitted
    cdef object __weakref__
    cdef object collected        # always None: a member that makes this a type the garbage collector visits (tables.h)

    def __cinit__(self):
        self.epoch = NEVER       # until the subclass has opened its kernel object
        self.owner = c_getpid()

    # ---- state ----------------------------------------------------------------------------------------------------------

    cdef int check(self, str method) except -1:
        """Refuse a port that is closed, another process's, or bound to another thread."""
        if self.epoch == fork_count:
            if self.bound and self.bound != thread_number():
                raise _errors.bound_port(self.name, method, self.bound_to)
            return 0
        if self.epoch == NEVER:
            raise _errors.closed_port(self.name, method)
        raise _errors.forked_port(self.name, method, self.owner)

    @property
    def closed(self):
        return self.epoch == NEVER

    @property
    def in_flight(self):
        return self.in_flight_

    # ---- the life of an operation ---------------------------------------------------------------------------------------

    cdef Op *begin(self, int verb, object token) except NULL:
        """A record, with its place in the ready queue assured, so that finishing it cannot fail."""
        cdef Op *op
        if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
            raise MemoryError()
        op = op_take(&self.tables.ops)
        if op == NULL:
            raise MemoryError(f"{self.name} port: {self.tables.ops.live} operations are in flight; wait() for some first")
        self.unfinished += 1     # its place is taken from here on, whatever code of the user does meanwhile
        op.verb = verb
        op.token = <PyObject *>token
        Py_INCREF(op.token)
        return op

    cdef void release(self, Op *op) noexcept:
        """Let go of all that an operation holds, then of its record.  May run code of the user, at its end of life."""
        cdef int i
        if op.state == OP_NEW:
            self.unfinished -= 1
        op.state = OP_LEAVING
        if op.extra != NULL:
            for i in range(op.extra.count):
                if op.extra.views[i].obj != NULL:
                    PyBuffer_Release(&op.extra.views[i])
            free(op.extra.views)
            free(op.extra)
            op.extra = NULL
        if op.view.obj != NULL:
            # SAFETY: the kernel and the pool are done with the buffer: the operation is not in any of their queues
            PyBuffer_Release(&op.view)
        if op.pool != NULL:
            Py_CLEAR(op.pool)
        Py_CLEAR(op.object)
        Py_CLEAR(op.key)
        Py_CLEAR(op.token)
        op_give(&self.tables.ops, op)

    cdef inline int export(self, Op *op, object buffer, bint writable, str method) except -1:
        """Export the buffer into the operation; the operation is given up when that fails."""
        # SAFETY: op.view stays at its address until release(); the exporter keeps the memory until then
        if get_buffer(buffer, &op.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE) == 0:
            return 0
        return self.refuse_buffer(op, buffer, writable, method)

    cdef int refuse_buffer(self, Op *op, object buffer, bint writable, str method) except -1:
        """The exporter has said no, with an exception; ours says what was wanted."""
        op.view.obj = NULL
        PyErr_Clear()
        self.release(op)
        wanted = "a writable C-contiguous buffer" if writable else "a C-contiguous buffer"
        try:
            memoryview(buffer).release()
        except TypeError:
            raise TypeError(f"{method}(): {wanted} is needed, not {type(buffer).__name__}") from None
        raise BufferError(f"{method}(): {wanted} is needed, which this {type(buffer).__name__} does not give")

    cdef inline void commit(self, Op *op) noexcept:
        """From here on the operation will complete."""
        self.submitted += 1
        self.in_flight_ += 1

    cdef void finish(self, Op *op, int64_t result) noexcept:
        """The operation is done; its completion goes to the ready queue."""
        cdef Entry *entry = ready_push(&self.tables.ready)
        cdef File *file = op.file
        op.result = result
        op.state = OP_READY
        entry.what = ENTRY_FINISHED
        entry.of.op = op
        self.unfinished -= 1
        self.became_ready()
        if file != NULL and op.verb != VERB_CLOSE:
            file.in_flight -= 1
            if file.in_flight == 0 and file.closing != NULL:
                self.close_now(file)

    # ---- completions ----------------------------------------------------------------------------------------------------

    cdef object value_of(self, Op *op, int64_t result):
        if op.verb == VERB_ACCEPT and result >= 0:
            return self.accepted(op, result)
        if op.verb == VERB_RECV_FROM and result >= 0:
            return address_object(op.extra)
        if result < 0 and op.moved and (op.verb == VERB_SEND_ALL or op.verb == VERB_RECV_EXACTLY):
            return op.moved
        return None

    cdef object accepted(self, Op *op, int64_t descriptor):
        """The descriptor as a socket object, which owns it.

        socket.socket's own __init__ is Python code, in which a signal handler may raise when the object owns the
        descriptor already, and closes it; its two lines are said here instead.
        """
        cdef object sock = _socket_class.__new__(_socket_class)
        _socket_init(sock, op.offset & 0xFFFF, op.offset >> 16 & 0xFFFF, op.offset >> 32, descriptor)
        sock._io_refs = 0
        sock._closed = False
        return sock

    cdef PyObject *complete(self, Entry *entry) except NULL:
        """The Completion of an entry that was taken out of the queue.  Leaves the entry whole when it raises."""
        cdef Op *op = entry.of.op
        cdef PyObject *done
        if entry.what == ENTRY_POSTED:
            return completion_take(<PyObject *>_Completion, entry.of.key, entry.number, entry.token,
                                   <PyObject *>_POSTED, <PyObject *>_none_flags, Py_None)
        if entry.what != ENTRY_FINISHED or op.verb >= VERB_SPECIAL or op.result < 0:
            if entry.what == ENTRY_MORE and op.pool != NULL:
                return self.complete_filled(op, entry.result)
            return self.complete_special(entry)
        done = completion_of(<PyObject *>_Completion, op, <PyObject *>_kinds[kind_of_verb[op.verb]],
                             <PyObject *>(_flags[op.outcome] if op.outcome else _none_flags))
        self.in_flight_ -= 1
        self.release(op)
        return done

    cdef PyObject *complete_special(self, Entry *entry) except NULL:
        """Readiness, failures, and completions with a value.

        Making a socket object and letting go of a buffer may run code of the user, and other threads: what is used
        afterwards is held here, and the operation is LEAVING, so that close() leaves it to us.
        """
        cdef Op *op
        cdef File *file
        cdef PyObject *done
        cdef object key, token
        cdef object value = None
        cdef object shown        # declared: <PyObject *> of an inferred C integer would be a dead temporary
        if entry.what == ENTRY_READINESS:
            file = entry.of.file
            shown = entry.result
            done = completion_new(<PyObject *>_Completion, file.key if file.key != NULL else <PyObject *>_zero,
                                  <PyObject *>shown, Py_None, <PyObject *>_READY, <PyObject *>_none_flags, Py_None)
            file.queued = False
            if file.muted:
                file.muted = False
                self.unmuted(file)
            return done
        op = entry.of.op
        key = <object>op.key if op.key != NULL else _zero
        token = <object>op.token
        if entry.what == ENTRY_MORE:
            value = self.value_of(op, entry.result)
            return completion_new(<PyObject *>_Completion, <PyObject *>key, <PyObject *>_zero, <PyObject *>token,
                                  <PyObject *>_kinds[kind_of_verb[op.verb]], <PyObject *>_flags[1], <PyObject *>value)
        op.state = OP_LEAVING
        try:
            if op.verb == VERB_CLOSE and op.object != NULL:
                self.close_object(op)    # once: it takes the object out
            value = self.value_of(op, op.result)
            if op.verb == VERB_ACCEPT and op.result > 0:
                op.result = 0    # the socket object owns the descriptor from here on
            shown = op.result
            done = completion_new(<PyObject *>_Completion, <PyObject *>key, <PyObject *>shown, <PyObject *>token,
                                  <PyObject *>_kinds[kind_of_verb[op.verb]], <PyObject *>_flags[op.outcome], <PyObject *>value)
        except BaseException:
            if op.verb == VERB_ACCEPT and value is not None:
                op.result = -ENOMEM  # the socket object was made, and has closed the descriptor
            op.state = OP_READY
            raise
        if self.in_flight_:      # close() may have come meanwhile
            self.in_flight_ -= 1
        self.release(op)
        return done

    cdef PyObject *complete_filled(self, Op *op, int64_t filled) except NULL:
        """A filled buffer of a pool, which goes over to the view that is the completion's value."""
        cdef PyObject *key = op.key if op.key != NULL else <PyObject *>_zero
        cdef PyObject *token = op.token
        cdef PyObject *done = NULL
        cdef object shown = FILLED_LENGTH(filled)
        cdef object value = None
        cdef _BufferPool pool = <_BufferPool>op.pool
        # making the view may run the collector, and with it code that ends the operation
        Py_INCREF(key)
        Py_INCREF(token)
        try:
            value = pool.view(FILLED_INDEX(filled), FILLED_LENGTH(filled))
            done = completion_take(<PyObject *>_Completion, key, <PyObject *>shown, token, <PyObject *>_kinds[kind_of_verb[VERB_RECV]],
                                   <PyObject *>_flags[3 if filled & FILLED_TRUNCATED else 1], <PyObject *>value)
            Py_INCREF(<PyObject *>shown)
            return done
        finally:
            if done == NULL:
                Py_DECREF(key)
                Py_DECREF(token)
                if value is not None:
                    disown(value)    # the entry keeps the buffer

    cdef list deliver(self, Py_ssize_t room):
        """Up to `room` completions from the ready queue."""
        cdef Py_ssize_t count = min(room, <Py_ssize_t>self.tables.ready.count)
        cdef Py_ssize_t built = 0
        cdef Entry entry
        cdef PyObject *done
        cdef list out
        if count == 0:
            return []
        out = PyList_New(count)
        # SAFETY: items beyond `built` are NULL until the size is set to what was built: nobody may find the list till then
        PyObject_GC_UnTrack(<PyObject *>out)
        try:
            while built < count and self.tables.ready.count:  # user code run by a release may take entries
                entry = ready_pop(&self.tables.ready)
                self.unfinished += 1     # keeps its place, in case that it has to go back
                PyList_SET_ITEM(out, built, self.complete(&entry))
                self.unfinished -= 1
                built += 1
        except BaseException:
            self.unfinished -= 1
            ready_unpop(&self.tables.ready, entry)
            if built == 0:
                Py_SET_SIZE(<PyObject *>out, 0)
                PyObject_GC_Track(<PyObject *>out)
                raise
        Py_SET_SIZE(<PyObject *>out, built)
        PyObject_GC_Track(<PyObject *>out)
        if self.tables.ready.count == 0:
            self.became_empty()
        return out

    # ---- for the layers above -------------------------------------------------------------------------------------------

    cdef void became_ready(self) noexcept:
        pass

    cdef void became_empty(self) noexcept:
        pass

    cdef void unmuted(self, File *file) noexcept:
        pass

    cdef void refilled(self, _BufferPool pool) noexcept:
        """A pool that had no buffer for a receive has one again.  In any thread, at any time."""

    cdef void close_now(self, File *file) noexcept:
        pass

    cdef int close_object(self, Op *op) except -1:
        return 0
