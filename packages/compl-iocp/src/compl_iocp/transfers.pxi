# Operations as calls of the kernel's: one at a time for each direction of a stream, so that what is cancelled or takes several
# calls never overtakes; as many as there are for a disk.
#
# A call is answered at once or by a packet, never by both (calls.h).  Until then the operation's record, its buffers and all
# that hangs on it stay where they are.

cdef extern from "calls.h" nogil:
    int64_t IO_PENDING
    int64_t io_begin(File *, Op *)
    int event_prepare(Op *, HANDLE)
    void event_forget(Op *, bint)
    int update_accepted(const Op *)
    void update_connected(const Op *)
    void drop_accepted(Op *)
    void scatter(Op *, size_t)
    size_t op_length(const Op *)
    bint op_is_read(const Op *)
    void mark_end(const File *, Op *, int64_t)


cdef class _TransfersPort(_ArrivalsPort):

    cdef OpQueue *lane_of(self, File *file, Op *op) noexcept:
        """Where the operation waits for those before it; NULL when it waits for none."""
        if op.verb == VERB_POLL:
            return &file.polling
        if file.system.mode == MODE_SYNC:
            return &file.positioned  # the kernel does one call at a time on such a handle
        if file.kind == FILE_BLOCKING:
            return &file.positioned if op.offset < 0 else NULL
        if op.verb in (VERB_READ, VERB_READV, VERB_RECV, VERB_RECV_EXACTLY, VERB_RECV_FROM, VERB_ACCEPT):
            return &file.reading
        return &file.writing

    # ---- starting -------------------------------------------------------------------------------------------------------

    cdef void start(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef OpQueue *lane
        if op.verb == VERB_POLL:
            self.start_poll(op)
            return
        if file.system.mode == MODE_NONE:
            self.adopt(file)
        if op.verb == VERB_FSYNC:
            self.start_fsync(op)
            return
        if op.verb > VERB_FSYNC and not file_is_socket(file):
            self.finish(op, -_ENOTSOCK)
            return
        if file.system.listening and op.verb != VERB_ACCEPT:
            self.finish(op, -_ENOTCONN)
            return
        if op.verb != VERB_ACCEPT and op.verb != VERB_CONNECT and op_length(op) == 0 and \
                not (file.kind == FILE_MESSAGE and op.verb in (VERB_SEND, VERB_SEND_TO)):
            self.finish(op, 0)   # an empty datagram is something to send; all else of no length is done
            return
        if op.verb == VERB_ACCEPT:
            op.offset = file.family | file.socket_type << 16 | <int64_t>file.protocol << 32
        elif op.verb == VERB_CONNECT and file.system.connecting:
            self.finish(op, -_EALREADY)
            return
        lane = self.lane_of(file, op)
        if lane == &file.reading:
            op.system.lane = READING
        elif lane == &file.writing:
            op.system.lane = WRITING
        elif lane == &file.positioned:
            op.system.lane = POSITIONED
        if lane != NULL and (file.busy & op.system.lane or lane.head != NULL):
            op.state = OP_QUEUED
            op_append(lane, op)
        else:
            self.run(op)

    cdef void start_fsync(self, Op *op) noexcept:
        cdef int status = -EINVAL
        if op.file.kind == FILE_BLOCKING:
            status = self.offload(op)
        if status < 0:
            self.finish(op, status)

    cdef bint run(self, Op *op) noexcept:
        """Make the next call; whether its answer is still to come.  If not, the operation is finished."""
        cdef File *file = op.file
        cdef int64_t answer
        file.busy |= op.system.lane
        if op.verb == VERB_CONNECT:
            file.system.connecting = True
        while True:
            if self.lost(file, op):
                self.done(op, -EBADF)
                self.forget(file)
                return False
            answer = self.call(file, op)
            if answer == IO_PENDING:
                return True
            if self.settle(op, DOMAIN_WIN32, <uint32_t>-answer if answer < 0 else 0, answer if answer > 0 else 0):
                return False

    cdef bint lost(self, File *file, Op *op) noexcept:
        """The number was closed behind the port's back while the operation waited: it may be another file's by now."""
        cdef int number
        if op.object == NULL or file.closing != NULL or not keeps_number(op.object):
            return False
        number = descriptor_of(op.object)
        if number == DESCRIPTOR_UNCLEAR:
            PyErr_Clear()        # a closed file of the io module
        return number != op.fd

    cdef int64_t call(self, File *file, Op *op) noexcept:
        cdef int64_t answer
        cdef int error
        if file.system.mode == MODE_SYNC:
            if file_is_socket(file):
                return -50       # ERROR_NOT_SUPPORTED: made without WSA_FLAG_OVERLAPPED
            return IO_PENDING if self.offload(op) == 0 else -8   # ERROR_NOT_ENOUGH_MEMORY
        if file.system.mode == MODE_FOREIGN:
            error = event_prepare(op, self.handle())
            if error:
                return -error
        if op.system.chunk == CHUNK_WANTED and not self.supply(op):
            return IO_PENDING    # it goes on in resume()
        op.state = OP_RUNNING
        op.system.in_kernel = True
        answer = io_begin(file, op)
        if answer == IO_PENDING:
            # SAFETY: from here on the record and its buffers are the kernel's, until take() has the packet
            self.kernel_ops += 1
            return IO_PENDING
        op.system.in_kernel = False
        event_forget(op, True)
        return answer

    # ---- going on -------------------------------------------------------------------------------------------------------

    cdef void landed(self, void *overlapped, uint32_t status, uint64_t count, bint by_event) noexcept:
        """A packet has come: of a call of ours, or of somebody else's on a file of ours."""
        cdef Op *op = op_of(&self.chunks, &self.tables.ops, overlapped)
        if op == NULL:
            return
        op.system.in_kernel = False
        self.kernel_ops -= 1
        if by_event:
            event_forget(op, False)
            status = <uint32_t>op.system.overlapped.Internal
            count = op.system.overlapped.InternalHigh
        self.ended(op, DOMAIN_NTSTATUS, status, count)

    cdef void ended(self, Op *op, int domain, uint32_t code, uint64_t count) noexcept:
        cdef File *file = op.file
        cdef uint8_t lane = op.system.lane
        if file == NULL:
            self.done(op, -EBADF)    # forgotten: the number was closed behind the port's back
            return
        if not self.settle(op, domain, code, count):
            self.run(op)
        if lane:
            self.proceed(file, lane)

    cdef void proceed(self, File *file, uint8_t lane) noexcept:
        """Start what has waited for the operation before it."""
        cdef OpQueue *queue = &file.reading if lane == READING else &file.writing if lane == WRITING else &file.positioned
        cdef Op *op
        while not file.busy & lane and queue.head != NULL and not self.closing:
            op = queue.head
            op_unlink(queue, op)
            self.run(op)

    cdef bint settle(self, Op *op, int domain, uint32_t code, uint64_t count) noexcept:
        """A call has ended; whether the operation has, too."""
        cdef File *file = op.file
        cdef int64_t result = <int64_t>count
        cdef int means = error_means(domain, code, kind_of_verb[op.verb]) if code else MEANS_SUCCESS
        if means == MEANS_TRUNCATED:
            op.outcome |= TRUNCATED
        elif means == MEANS_EOF:
            result = 0
        elif means != MEANS_SUCCESS:
            return self.failed(op, domain, code, means, count)
        if op.pool != NULL:
            return self.arrived(op, result)
        if op.verb == VERB_ACCEPT:
            return self.connected(op)
        if op.verb == VERB_CONNECT:
            if file.kind == FILE_STREAM:
                update_connected(op)
            self.done(op, 0)
            return True
        if op.verb == VERB_READV:
            scatter(op, <size_t>result)
        if file.kind == FILE_BLOCKING and op.offset < 0 and file.system.mode != MODE_SYNC:
            file.system.position += result
        if op.verb == VERB_SEND_ALL or op.verb == VERB_RECV_EXACTLY:
            op.moved += <uint64_t>result
            if result and op.moved < <uint64_t>op.view.len and not op.cancelled and not self.closing:
                return False
            if op.moved == 0:
                mark_end(file, op, 0)
            result = <int64_t>op.moved
        elif op.verb == VERB_RECV or op_is_read(op):
            mark_end(file, op, result)
        self.done(op, result)
        return True

    cdef bint failed(self, Op *op, int domain, uint32_t code, int means, uint64_t count) noexcept:
        """The same for a failure."""
        cdef bint asked = op.cancelled or self.closing
        cdef File *file = op.file
        if op.verb == VERB_ACCEPT:
            drop_accepted(op)
            if means == _ECONNRESET or means == _ECONNABORTED or means == _ENOTCONN:  # the peer's trouble: the next one
                if not asked:
                    return False
                means = ECANCELED
        elif op.pool == NULL:
            op.moved += count    # a call that was ended may have come some way
        if means == ECANCELED and not asked:
            self.done(op, -EBADF)    # nobody cancelled: the handle was closed, and what waits behind must not use its number
            if file.open and file.closing == NULL:
                self.forget(file)
            return True
        if means == ECANCELED and op.moved:
            self.done(op, <int64_t>op.moved)
            return True
        elif file.kind == FILE_MESSAGE and (op.verb == VERB_RECV or op.verb == VERB_RECV_FROM) and not asked and \
                (means == _ECONNRESET or means == _ECONNREFUSED) and not is_connected(op.fd):
            return False         # what became of a datagram sent to somebody: not this receiver's business
        elif means == _EACCES and not file_is_socket(file):
            means = EBADF        # not open for this, as POSIX says it
            code = 0
        op.system.code = code
        op.system.domain = domain
        self.done(op, -means)
        return True

    cdef bint connected(self, Op *op) noexcept:
        """AcceptEx has come back with a connection."""
        cdef Entry *entry
        cdef int error = update_accepted(op)
        cdef int64_t accepted
        if error:
            return self.failed(op, DOMAIN_WIN32, error, error_means(DOMAIN_WIN32, error, kind_of_verb[VERB_ACCEPT]), 0)
        accepted = op.system.accepted
        self.note_accepted(<int>accepted)
        if not op.flags:
            op.system.accepted = -1
            self.done(op, accepted)
            return True
        if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
            drop_accepted(op)
            self.done(op, -ENOMEM)
            return True
        op.system.accepted = -1
        entry = ready_push(&self.tables.ready)
        entry.what = ENTRY_MORE
        entry.of.op = op
        entry.result = accepted
        self.became_ready()
        if op.cancelled or self.closing:
            self.done(op, -ECANCELED)
            return True
        return False

    cdef void note_accepted(self, int number) noexcept:
        cdef File *file = file_at(&self.tables.files, number)
        if file == NULL:
            file = file_make(&self.tables.files, number)
        if file != NULL:
            file.system.accepted = True  # if the number is another file by the time it is used, no harm is done

    cdef void done(self, Op *op, int64_t result) noexcept:
        """Neither the kernel nor a helper thread has anything of the operation any more."""
        cdef File *file = op.file
        if op.system.chunk >= 0:
            (<_BufferPool>op.pool).give(op.system.chunk)
            op.system.chunk = CHUNK_AWAITED
        drop_accepted(op)
        free(op.system.scratch)
        op.system.scratch = NULL
        if op.system.event != NULL:
            CloseHandle(op.system.event)
            op.system.event = NULL
        if file != NULL:
            if op.state != OP_QUEUED:
                file.busy &= ~op.system.lane
            if op.verb == VERB_CONNECT:
                file.system.connecting = False
        op.system.lane = 0
        self.finish(op, result)

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef bint stop(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef uint8_t lane = op.system.lane
        if op.state == OP_QUEUED:
            if op.verb == VERB_CLOSE:
                return True      # it ends when the others have ended
            if op.heap_index:
                timers_remove(&self.tables.timers, op)
                self.timers_changed()
            if op.parked:
                self.unpark(op)
            elif file != NULL:
                op_unlink(self.lane_of(file, op), op)
                lane = 0
            self.done(op, -ECANCELED)
            if lane and not self.stopping:
                self.proceed(file, lane)
            return True
        if op.state != OP_POOLED and op.state != OP_RUNNING:
            return False
        if op.verb == VERB_CLOSE:
            return True
        if op.system.in_kernel:
            op.cancelled = True
            cancel_io(op)
        elif not op.cancelled and pool_take_back(self.pool, op):
            self.done(op, -ECANCELED)
            if lane and file != NULL and not self.stopping:
                self.proceed(file, lane)
        else:
            op.cancelled = True
            self.stubborn = True
            cancel_blocking(self.pool, op)
        return True

    cdef void fail_all(self, File *file, int64_t result) noexcept:
        cdef uint32_t i
        cdef Op *op
        self.fail_queue(&file.reading, result)
        self.fail_queue(&file.writing, result)
        self.fail_queue(&file.positioned, result)
        self.fail_queue(&file.polling, result)
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.file == file and op.parked:
                self.unpark(op)
                self.done(op, result)
            elif op.file == file and op.verb != VERB_CLOSE and (op.state == OP_RUNNING or op.state == OP_POOLED):
                op.file = NULL   # its packet is still to come, and says no more of this file
                op.system.lane = 0
                file.in_flight -= 1
        file.system.connecting = False

    cdef void fail_queue(self, OpQueue *queue, int64_t result) noexcept:
        cdef Op *op
        while queue.head != NULL:
            op = queue.head
            op_unlink(queue, op)
            self.done(op, result)

    # ---- completions ----------------------------------------------------------------------------------------------------

    cdef object value_of(self, Op *op, int64_t result):
        if result < 0 and op.system.code and not op.moved:
            return _error_table.system_error(
                _error_table.Domain.WIN32 if op.system.domain == DOMAIN_WIN32 else _error_table.Domain.NTSTATUS,
                op.system.code, <object>_kinds[kind_of_verb[op.verb]], <object>op.key if op.key != NULL else 0)
        return _ArrivalsPort.value_of(self, op, result)

    # ---- for the layer above --------------------------------------------------------------------------------------------

    cdef void start_poll(self, Op *op) noexcept:
        """Begin to wait for readiness."""
