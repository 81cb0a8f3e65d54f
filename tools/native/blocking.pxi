# Files that are never "not ready" and may block all the same, disks above all: what is in the page cache is copied at once,
# the rest is done by helper threads.

cdef extern from "attempt.h" nogil:
    int64_t attempt(File *, Op *)
    int64_t perform_blocking(Op *)
    size_t op_length(const Op *)
    bint op_is_read(const Op *)

cdef extern from "pool.h" nogil:
    ctypedef struct Pool:
        pass
    Pool *pool_new(int, int64_t (*)(Op *) noexcept)
    int pool_add(Pool *, Op *)
    bint pool_take_back(Pool *, Op *)
    Op *pool_collect(Pool *)
    bint pool_stop(Pool *, int)
    void pool_free(Pool *)

cdef enum: VIA_THREAD = 4         # CompletionFlags


cdef class _BlockingPort(_EndingPort):
    cdef Pool *pool

    cdef void start_blocking(self, Op *op) noexcept:
        """A regular file: from the page cache if possible, else by a helper thread; without an offset, one by one."""
        cdef File *file = op.file
        if op.verb != VERB_FSYNC and op_length(op) == 0:
            self.finish(op, 0)
            return
        if op.offset < 0:
            if file.busy:
                op.state = OP_QUEUED
                op_append(&file.positioned, op)
                return
            file.busy = True
        self.begin_blocking(op)
        if op.offset < 0 and not file.busy:
            self.next_positioned(file)

    cdef void begin_blocking(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef int64_t result = -EAGAIN
        if op.verb != VERB_FSYNC:
            result = attempt(file, op)
        if result == -EAGAIN:
            if self.carry(op):
                return
            result = self.offload(op)
            if result == 0:
                return
        if op.offset < 0:
            file.busy = False
        self.finish(op, result)

    cdef void next_positioned(self, File *file) noexcept:
        cdef Op *op = file.positioned.head
        while op != NULL and not file.busy:
            op_unlink(&file.positioned, op)
            file.busy = True
            self.begin_blocking(op)
            op = file.positioned.head

    cdef bint carry(self, Op *op) noexcept:
        """Have the kernel do what would block; whether it does."""
        return False

    cdef int64_t offload(self, Op *op) noexcept:
        """To a helper thread.  0 or -errno."""
        if self.pool == NULL:
            self.pool = pool_new(self.bell, perform_blocking)
            if self.pool == NULL:
                return -ENOMEM
        return pool_add(self.pool, op)

    cdef void offload_queue(self, OpQueue *queue) noexcept:
        cdef Op *op
        cdef int64_t status
        while queue.head != NULL:
            op = queue.head
            op_unlink(queue, op)
            status = self.offload(op) if op.verb <= VERB_FSYNC else -EPERM
            if status < 0:
                self.finish(op, status)

    cdef void start_unwatchable(self, File *file) noexcept:
        """Neither ready nor to be watched: helper threads have to block on it."""
        cdef Op *op
        self.offload_queue(&file.reading)
        self.offload_queue(&file.writing)
        while file.polling.head != NULL:
            op = file.polling.head
            op_unlink(&file.polling, op)
            self.finish(op, op.flags)    # what cannot be watched never blocks: always ready

    cdef void collect(self) noexcept:
        """What helper threads have finished."""
        cdef Op *op
        cdef Op *following
        cdef File *file
        if self.pool == NULL:
            return
        op = pool_collect(self.pool)
        while op != NULL:
            following = op.next
            file = op.file
            op.outcome |= VIA_THREAD
            self.via_thread += 1
            if op.offset < 0 and op.incarnation == file.incarnation:
                file.busy = False
            self.finish(op, op.result)
            if not file.busy:
                self.next_positioned(file)
            op = following
