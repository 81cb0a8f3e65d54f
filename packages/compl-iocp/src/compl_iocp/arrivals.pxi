# Receives into a pool: told first that something has come, then given a buffer for it, so that idle sockets hold none.
#
# What finds no buffer waits, its bytes with the kernel, in the order in which it came; a pool that is given one back says so.

cdef extern from "calls.h" nogil:
    int CHUNK_AWAITED, CHUNK_WANTED


cdef class _ArrivalsPort(_HandlesPort):
    cdef OpQueue starved

    cdef bint take_chunk(self, Op *op) noexcept:
        """A buffer for what has come; whether there was one."""
        cdef _BufferPool pool = <_BufferPool>op.pool
        cdef int index = pool.take()
        if index < 0:
            return False
        # SAFETY: taken, the buffer is this operation's alone, until give() or the entry passes it on
        op.system.chunk = index
        op.view.buf = buffers_at(&pool.buffers, index)
        return True

    cdef bint supply(self, Op *op) noexcept:
        """The same, behind those that wait already.  Without one the bytes stay with the kernel, and it is one of them."""
        cdef Op *before = self.starved.head
        while before != NULL and before.pool != op.pool:
            before = before.next
        if before == NULL and self.take_chunk(op):
            return True
        op.state = OP_QUEUED
        op.parked = True
        op_append(&self.starved, op)
        return False

    cdef void unpark(self, Op *op) noexcept:
        op_unlink(&self.starved, op)
        op.parked = False
        op.state = OP_RUNNING

    cdef int resume(self) except -1:
        cdef Op *op = self.starved.head
        cdef Op *last = self.starved.tail
        cdef Op *following
        cdef File *file
        cdef uint8_t lane
        cdef bint more = op != NULL
        while more and self.epoch == fork_count:
            following = op.next
            more = op != last
            if self.take_chunk(op):      # else it keeps its place, and the pool knows that a buffer is wanted
                file = op.file
                lane = op.system.lane
                self.unpark(op)
                if not self.run(op):
                    self.proceed(file, lane)
            op = following
        return 0

    cdef bint arrived(self, Op *op, int64_t count) noexcept:
        """settle() of a receive into a pool."""
        cdef Entry *entry
        cdef int index = op.system.chunk
        if index < 0:
            op.outcome = 0       # a message longer than the no bytes that were given
            op.system.chunk = CHUNK_WANTED
        elif count == 0 and op.file.kind == FILE_STREAM:
            op.outcome = END_OF_FILE
            self.done(op, 0)
            return True
        elif ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
            self.done(op, -ENOMEM)
            return True
        else:
            entry = ready_push(&self.tables.ready)
            entry.what = ENTRY_MORE
            entry.of.op = op
            entry.result = count | <int64_t>index << 32
            if op.outcome & TRUNCATED:
                entry.result |= FILLED_TRUNCATED
            op.outcome = 0
            op.system.chunk = CHUNK_AWAITED
            self.became_ready()
        if op.cancelled or self.closing:
            self.done(op, -ECANCELED)
            return True
        return False
