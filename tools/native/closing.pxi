# The end of a port: a barrier.  When close() returns, nobody else writes into any buffer.

cdef extern from "system.h" nogil:
    void nap(unsigned int)

cdef enum: DRAIN_SECONDS = 5


cdef class _ClosingPort(_ReadinessPort):
    cdef bint leaked             # helper threads go on: what they use is never freed
    cdef unsigned long closer    # the thread that closes: objects that it lets go of may call close() once more
    cdef uint64_t closed_in      # fork_count when close() was called

    @cython.critical_section
    def close(self):
        if self.bound and self.epoch == fork_count:
            self.check("close")
        if self.epoch != fork_count and (self.epoch != NEVER or self.closing and self.closed_in != fork_count):
            self.abandon()       # a forked child: its copies of the descriptors, nothing of the parent's
            return
        if self.epoch == NEVER:
            while self.closing and self.closer != PyThread_get_thread_ident():  # another thread is at it: a barrier for this one too
                with nogil:
                    nap(200)
            return
        self.epoch = NEVER
        self.closed_in = fork_count
        self.closer = PyThread_get_thread_ident()
        self.closing = True
        try:
            self.evict()
            self.drain()
            self.discard()
        finally:
            self.closing = False
        if self.leaked:
            _warnings.warn(
                f"{self.name} port: close(): file operations did not end within {DRAIN_SECONDS} s; "
                "their buffers and threads are left alone for ever",
                ResourceWarning, source=self,
            )

    cdef int evict(self) except -1:
        """Every waiter leaves, with PortClosedError."""
        while self.inside:
            while self.sleepers.head != NULL:
                self.wake_sleeper(self.sleepers.head)
            if self.asleep:
                self.rung = False    # it may have been rung for something else
                self.ring()
            if self.inside:
                with nogil:
                    nap(50)
        return 0

    cdef int drain(self) except -1:
        """Helper threads let go of their buffers.  What does not end in time is left alone for ever."""
        cdef Pool *pool = self.pool
        cdef bint stopped
        if pool == NULL:
            return 0
        with nogil:
            # SAFETY: no other thread uses the pool: all are refused since epoch is NEVER
            stopped = pool_stop(pool, DRAIN_SECONDS)
        if stopped:
            self.pool = NULL
            pool_free(pool)
        else:
            self.leaked = True
        return 0

    cdef int discard(self) except -1:
        """Drop what nobody will take, and close the descriptors that are the port's own."""
        cdef uint32_t i
        cdef Entry entry
        cdef Op *op
        cdef File *file
        cdef int fd
        cdef uint32_t fresh = 0
        while self.tables.ready.count:
            entry = ready_pop(&self.tables.ready)
            if entry.what == ENTRY_POSTED:
                Py_DECREF(entry.of.key)
                Py_DECREF(entry.number)
                Py_DECREF(entry.token)
            elif entry.what == ENTRY_MORE and entry.of.op.pool != NULL:
                (<_BufferPool>entry.of.op.pool).give(FILLED_INDEX(entry.result))
            elif entry.what == ENTRY_MORE:
                c_close(<int>entry.result)   # an accepted connection that nobody took
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.state == OP_NEW:
                fresh += 1
            if op.state == OP_FREE or op.state == OP_NEW or op.state == OP_LEAVING:
                continue         # NEW and LEAVING belong to a thread that is in the middle of it
            if self.leaked and (op.state == OP_RUNNING or op.state == OP_SUBMITTED):
                continue         # SAFETY: the helper thread goes on writing into its buffer
            if op.state == OP_READY and op.verb == VERB_ACCEPT and op.result >= 0:
                c_close(<int>op.result)
            if op.verb == VERB_CLOSE and op.state != OP_READY and op.state != OP_RUNNING and op.object == NULL:
                c_close(op.fd)   # close_file() had been promised
            if op.verb == VERB_CLOSE and op.object != NULL:
                self.close_object(op)
            self.release(op)
        self.in_flight_ = 0
        self.unfinished = fresh
        self.close_kernel()
        for fd in range(self.tables.files.size):
            file = self.tables.files.files[fd]
            if file != NULL:
                file.registration = 0
                file.open = False
                Py_CLEAR(file.object)
                Py_CLEAR(file.key)
                Py_CLEAR(file.weak)
        return 0

    cdef int abandon(self) except -1:
        """In a forked child: threads and waiters are the parent's; the descriptors here are copies."""
        self.epoch = NEVER
        self.closing = False
        self.pool = NULL         # its threads do not exist here; its memory is a copy that dies with the process
        self.inside = 0
        self.close_kernel()
        return 0

    def __del__(self):
        if self.epoch == fork_count:
            try:
                _warnings.warn(f"unclosed {self.name} port {self!r}; call close() or use it in a with statement",
                               ResourceWarning, source=self)
            finally:
                self.bound = 0   # the collector runs in any thread
                self.close()     # warnings may be errors
        elif self.epoch != NEVER:
            self.abandon()

    def __dealloc__(self):
        if self.leaked or self.pool != NULL:
            return               # SAFETY: helper threads still use the records (a subclass's close() may not have come here)
        op_table_free(&self.tables.ops)
        file_table_free(&self.tables.files)
        free(self.tables.ready.entries)
        free(self.tables.timers.heap)

    cdef int close_kernel(self) except -1:
        """Close the kernel object and the doorbell."""
        return 0
