# The contract's operations: arguments checked, a record filled, the backend's start() called.
#
# Order matters: what may run code of the user (fileno(), exporting a buffer) comes first, then the port is checked once
# more, then nothing can fail any longer.

cdef class _OperationsPort(_FilesPort):

    cdef object launch(self, Op *op, File *file, object source, str method):
        """Begin the operation, which is complete but for its file, and give its id."""
        cdef uint64_t identity = op.id
        if self.epoch != fork_count:
            self.release(op)
            self.check(method)
        self.commit(op)
        if file == NULL or file.closing != NULL:
            op.fd = -1
            self.finish(op, -EBADF)
        else:
            op.file = file
            op.fd = file.fd
            op.incarnation = file.incarnation
            op.key = file.key
            if op.key != NULL:
                Py_INCREF(op.key)
            file.in_flight += 1
            self.start(op)
            if op.state != OP_READY and not PyLong_Check(source):
                op.object = <PyObject *>source
                Py_INCREF(op.object)
        if self.asleep and timers_next(&self.tables.timers) < self.asleep_until:
            self.ring()          # a connect that has to be tried again
        if self.inside or self.eager:
            self.poke()
        return identity

    cdef object transfer(self, int verb, object file, object buffer, bint writable, int flags, object token, str method):
        """Operations of one file and one buffer."""
        cdef File *known
        cdef Op *op
        if self.epoch != fork_count or self.bound:
            self.check(method)
        known = self.file_of(file, method)
        op = self.begin(verb, token)
        self.export(op, buffer, writable, method)
        op.flags = flags
        return self.launch(op, known, file, method)

    # ---- sockets --------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def recv(self, sock, buffer=None, int flags=0, token=None, *, pool=None):
        if buffer is not None and pool is None:
            return self.transfer(VERB_RECV, sock, buffer, True, flags, token, "recv")
        return self.receive_into(sock, buffer, pool, flags, token)

    @cython.critical_section
    def send(self, sock, buffer, int flags=0, token=None):
        return self.transfer(VERB_SEND, sock, buffer, False, flags, token, "send")

    @cython.critical_section
    def recv_exactly(self, sock, buffer, token=None):
        return self.transfer(VERB_RECV_EXACTLY, sock, buffer, True, 0, token, "recv_exactly")

    @cython.critical_section
    def send_all(self, sock, buffer, token=None):
        return self.transfer(VERB_SEND_ALL, sock, buffer, False, 0, token, "send_all")

    @cython.critical_section
    def recv_from(self, sock, buffer, int flags=0, token=None):
        cdef File *known
        cdef Op *op
        self.check("recv_from")
        known = self.file_of(sock, "recv_from")
        op = self.begin(VERB_RECV_FROM, token)
        self.export(op, buffer, True, "recv_from")
        op.flags = flags
        self.need_extra(op)
        return self.launch(op, known, sock, "recv_from")

    @cython.critical_section
    def send_to(self, sock, buffer, address, int flags=0, token=None):
        cdef File *known
        cdef Op *op
        self.check("send_to")
        known = self.file_of(sock, "send_to")
        op = self.begin(VERB_SEND_TO, token)
        self.set_address(op, known, address, "send_to")
        self.export(op, buffer, False, "send_to")
        op.flags = flags
        return self.launch(op, known, sock, "send_to")

    @cython.critical_section
    def accept(self, sock, token=None, *, bint multishot=False):
        cdef File *known
        cdef Op *op
        self.check("accept")
        known = self.file_of(sock, "accept")
        op = self.begin(VERB_ACCEPT, token)
        op.flags = multishot
        return self.launch(op, known, sock, "accept")

    @cython.critical_section
    def connect(self, sock, address, token=None):
        cdef File *known
        cdef Op *op
        self.check("connect")
        known = self.file_of(sock, "connect")
        op = self.begin(VERB_CONNECT, token)
        self.set_address(op, known, address, "connect")
        return self.launch(op, known, sock, "connect")

    cdef int need_extra(self, Op *op) except -1:
        if op_extra(op) == NULL:
            self.release(op)
            raise MemoryError()
        return 0

    cdef int set_address(self, Op *op, File *file, object address, str method) except -1:
        self.need_extra(op)
        if file == NULL or not file_is_socket(file):
            return 0             # the kernel will say EBADF or ENOTSOCK
        try:
            fill_address(op.extra, file.family, address, method)
        except BaseException:
            self.release(op)
            raise
        return 0

    # ---- receiving into a pool ------------------------------------------------------------------------------------------

    @cython.critical_section
    def buffer_pool(self, count, size):
        self.check("buffer_pool")
        return self.make_pool(count, size)

    cdef object receive_into(self, object sock, object buffer, object pool, int flags, object token):
        """recv() into buffers of a pool, until it ends or is ended."""
        cdef File *known
        cdef Op *op
        self.check("recv")
        _buffer_or_pool(buffer, pool)
        if not isinstance(pool, _BufferPool) or (<_BufferPool>pool).port is not self:
            raise _errors.foreign_pool(self.name, "recv")
        if flags & (MSG_PEEK | MSG_WAITALL):
            raise ValueError(
                f"{self.name} port: recv(): MSG_PEEK and MSG_WAITALL are for one receive, and a pool is for all that comes"
            )
        known = self.file_of(sock, "recv")
        op = self.begin(VERB_RECV, token)
        op.flags = flags
        op.pool = <PyObject *>pool
        Py_INCREF(op.pool)
        op.view.buf = NULL       # until a buffer is taken
        op.view.len = <Py_ssize_t>(<_BufferPool>pool).buffers.size
        return self.launch(op, known, sock, "recv")

    # ---- files ----------------------------------------------------------------------------------------------------------

    cdef int check_offset(self, File *file, int64_t offset, str method) except -1:
        if offset >= 0 and file != NULL and file.kind != FILE_BLOCKING and file.kind != FILE_OTHER:
            raise ValueError(
                f"{self.name} port: {method}(): fd {file.fd} is a pipe, socket or terminal, which has no offsets; leave it out"
            )
        return 0

    cdef object transfer_file(self, int verb, object file, object buffer, object offset, object token, str method):
        cdef File *known
        cdef Op *op
        cdef int64_t position = as_offset(offset, method)
        self.check(method)
        known = self.file_of(file, method)
        self.check_offset(known, position, method)
        op = self.begin(verb, token)
        self.export(op, buffer, verb == VERB_READ, method)
        op.offset = position
        op.flags = 0
        return self.launch(op, known, file, method)

    cdef object transfer_vectored(self, int verb, object file, object buffers, object offset, object token, str method):
        cdef File *known
        cdef Op *op
        cdef int64_t position = as_offset(offset, method)
        cdef int i, count
        cdef int wanted = PyBUF_WRITABLE if verb == VERB_READV else PyBUF_SIMPLE
        cdef list listed
        try:
            listed = list(buffers)
        except TypeError:
            raise TypeError(f"{method}(): buffers must be a sequence of buffers, not {type(buffers).__name__}") from None
        if not 1 <= len(listed) <= 1024:
            raise ValueError(f"{method}(): 1 to 1024 buffers are possible, not {len(listed)}")
        self.check(method)
        known = self.file_of(file, method)
        self.check_offset(known, position, method)
        op = self.begin(verb, token)
        count = <int>len(listed)
        if op_make_vector(op, count) < 0:
            self.release(op)
            raise MemoryError()
        for i in range(count):
            # SAFETY: the views live in op.extra until release(), which gives each back
            if get_buffer(listed[i], &op.extra.views[i], wanted) < 0:
                op.extra.views[i].obj = NULL
                self.refuse_buffer(op, listed[i], wanted == PyBUF_WRITABLE, f"{method}(): buffer {i}")
            op.extra.iov[i].iov_base = op.extra.views[i].buf
            op.extra.iov[i].iov_len = <size_t>op.extra.views[i].len
        op.offset = position
        op.flags = 0
        return self.launch(op, known, file, method)

    @cython.critical_section
    def read(self, file, buffer, offset=None, token=None):
        return self.transfer_file(VERB_READ, file, buffer, offset, token, "read")

    @cython.critical_section
    def write(self, file, buffer, offset=None, token=None):
        return self.transfer_file(VERB_WRITE, file, buffer, offset, token, "write")

    @cython.critical_section
    def read_vectored(self, file, buffers, offset=None, token=None):
        return self.transfer_vectored(VERB_READV, file, buffers, offset, token, "read_vectored")

    @cython.critical_section
    def write_vectored(self, file, buffers, offset=None, token=None):
        return self.transfer_vectored(VERB_WRITEV, file, buffers, offset, token, "write_vectored")

    @cython.critical_section
    def fsync(self, file, token=None, *, bint data_only=False):
        cdef File *known
        cdef Op *op
        self.check("fsync")
        known = self.file_of(file, "fsync")
        op = self.begin(VERB_FSYNC, token)
        op.flags = data_only
        op.offset = 0
        return self.launch(op, known, file, "fsync")

    @cython.critical_section
    def poll(self, file, interest, token=None):
        cdef int wanted = as_interest(interest, "poll")
        cdef File *known
        cdef Op *op
        self.check("poll")
        if not wanted:
            raise ValueError("poll(): interest must be READABLE, WRITABLE or both")
        known = self.file_of(file, "poll")
        op = self.begin(VERB_POLL, token)
        op.flags = wanted
        return self.launch(op, known, file, "poll")

    # ---- no file --------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def nop(self, token=None):
        cdef Op *op
        cdef uint64_t identity
        self.check("nop")
        op = self.begin(VERB_NOP, token)
        identity = op.id
        self.commit(op)
        self.finish(op, 0)
        self.poke()
        return identity

    @cython.critical_section
    def timeout(self, seconds, token=None):
        cdef uint64_t nanoseconds = as_nanoseconds(seconds, "timeout", "seconds")
        cdef Op *op
        cdef uint64_t identity
        self.check("timeout")
        op = self.begin(VERB_TIMEOUT, token)
        identity = op.id
        op.deadline = after(nanoseconds)
        try:
            self.start_timer(op)
        except BaseException:
            self.release(op)
            raise
        self.commit(op)
        if self.asleep and op.deadline < self.asleep_until:
            self.ring()
        return identity

    # ---- all of them ----------------------------------------------------------------------------------------------------

    @cython.critical_section
    def submit(self, operation, *, token=None):
        try:
            start = operation.start
        except AttributeError:
            raise TypeError(f"submit(): a compl_core.Operation is needed, not {type(operation).__name__}") from None
        return start(self, token)

    @cython.critical_section
    def flush(self):
        self.check("flush")
        return 0

    @cython.critical_section
    def statistics(self):
        self.check("statistics")
        return {
            "submitted": self.submitted,
            "in_flight": self.in_flight_,
            "ready": self.tables.ready.count,
            "posted": self.posted,
            "via_thread": self.via_thread,
            "resubmitted": self.resubmitted,
            "waits": self.waits,
            "kernel_waits": self.kernel_waits,
            "timers": self.tables.timers.count,
        }

    # ---- for the backend ------------------------------------------------------------------------------------------------

    cdef void start(self, Op *op) noexcept:
        """Begin the operation; finish() it now if it is done now."""

    cdef object make_pool(self, object count, object size):
        return new_pool(_BufferPool, self, count, size)
