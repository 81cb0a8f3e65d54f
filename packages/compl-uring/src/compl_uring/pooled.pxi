# Receiving into a pool: one request that goes on, and takes buffers from a ring that the kernel reads (IORING_OP_RECV with
# IORING_RECV_MULTISHOT and IORING_REGISTER_PBUF_RING, Linux 6.0).  On older kernels the pool is an ordinary one.

cdef extern from "buffers.h" nogil:
    void BUFFERS_LOCK(Buffers *)
    void BUFFERS_UNLOCK(Buffers *)


@cython.no_gc_clear
cdef class _RingPool(_BufferPool):
    """A pool whose free buffers the kernel takes by itself."""

    cdef OfferedBuffers offered
    cdef uint64_t turn           # of resume(), in which ...
    cdef uint32_t promised       # ... so many receives were let go on

    def __dealloc__(self):
        cdef Port port = <Port>self.port
        if self.offered.entries == NULL:
            return
        if port.epoch != fork_count and port.epoch != NEVER:
            return               # a forked child's copy: the ring, and with it the registration, is the parent's
        if buffer_ring_close(&self.offered, &port.uring) < 0:
            self.buffers.memory = NULL   # SAFETY: the kernel still has them (another thread's ring): never freed

    cdef int take(self) noexcept:
        return -1                # the kernel does

    cdef bint dry(self) noexcept:
        """As many receives go on as there are buffers: of several, the kernel would always serve the first."""
        cdef uint64_t turn = (<Port>self.port).turns
        if self.turn != turn:
            self.turn = turn
            self.promised = 0
        if self.promised >= self.buffers.available:
            if self.promised:
                (<Port>self.port).refills = True     # those let go on may have nothing to receive, and leave the buffers
            else:
                self.buffers.wanted = True
            return True
        self.promised += 1
        return False

    cdef void give(self, int index) noexcept:
        if index < 0:
            return               # of an empty datagram
        BUFFERS_LOCK(&self.buffers)
        self.buffers.available += 1
        # SAFETY: nobody shows the buffer any more, and its memory lives as long as the ring that offers it
        buffer_ring_add(&self.offered, buffers_at(&self.buffers, index), self.buffers.size, index)
        BUFFERS_UNLOCK(&self.buffers)
        if self.buffers.wanted:
            self.buffers.wanted = False
            self.port.refilled(self)

    cdef object view(self, int index, Py_ssize_t length):
        cdef _Chunk chunk
        if index >= 0:
            return _BufferPool.view(self, index, length)
        chunk = _Chunk.__new__(_Chunk)   # an empty datagram came without a buffer
        chunk.pool = self
        chunk.memory = self.buffers.memory
        return PyMemoryView_FromObject(chunk)


cdef class _PooledPort(_CompletionPort):
    cdef int groups              # buffer groups made so far
    cdef uint64_t turns          # calls of resume()

    cdef object make_pool(self, object count, object size):
        cdef _RingPool pool
        cdef uint32_t i
        cdef int status
        if not self.native & ABLE_MULTISHOT_RECV or self.groups > 0xFFFF:
            return new_pool(_BufferPool, self, count, size)
        pool = new_pool(_RingPool, self, count, size)
        status = buffer_ring_open(&pool.offered, &self.uring, pool.buffers.count, self.groups)
        if status < 0:
            if status == -EINVAL:
                return new_pool(_BufferPool, self, count, size)
            raise OSError(-status, f"{_os.strerror(-status)}: {self.name} port: buffer_pool(): registering {count} buffers")
        self.groups += 1
        for i in range(pool.buffers.count):
            buffer_ring_add(&pool.offered, buffers_at(&pool.buffers, i), pool.buffers.size, i)
        return pool

    cdef void prepare_pooled(self, UringSqe *sqe, Op *op) noexcept:
        cdef _RingPool pool = <_RingPool>op.pool
        prepare_pooled(sqe, op.fd, op.file, op.flags, pool.offered.group, op.id)

    cdef bint goes_native(self, File *file, Op *op) noexcept:
        if op.pool != NULL:
            return file_is_socket(file) and isinstance(<object>op.pool, _RingPool)
        return op_native(self.native, file, op)

    cdef void take_pooled(self, Op *op, int64_t result, uint32_t flags) noexcept:
        cdef _RingPool pool = <_RingPool>op.pool
        cdef int index = <int>(flags >> URING_CQE_BUFFER_SHIFT) if flags & URING_CQE_BUFFER else -1
        cdef int64_t filled
        if index >= 0:
            BUFFERS_LOCK(&pool.buffers)
            pool.buffers.available -= 1
            BUFFERS_UNLOCK(&pool.buffers)
        if result > 0 or result == 0 and op.file.kind == FILE_MESSAGE:
            filled = result
            if <uint64_t>filled > pool.buffers.size:
                filled = <int64_t>pool.buffers.size | FILLED_TRUNCATED
            self.one_more(op, filled | <int64_t>index << 32)
            if flags & URING_CQE_MORE:
                return
            result = -ECANCELED if op.cancelled else -EINTR      # ended by the kernel for want of room: once more
        elif index >= 0:
            pool.give(index)
        if result == -ENOBUFS:
            if op.cancelled:
                result = -ECANCELED
            elif op.incarnation == op.file.incarnation:
                self.ran_out(op, pool)
                return
        if op.cancelled and (result == -EINTR or result == -EAGAIN):
            result = -ECANCELED
        op.tries = 0
        if self.again(op, result):
            return
        if result == 0:
            op.outcome = END_OF_FILE
        self.conclude(op, result)

    cdef void ran_out(self, Op *op, _RingPool pool) noexcept:
        """The bytes stay with the kernel until a buffer is given back."""
        op.state = OP_QUEUED
        pool.buffers.wanted = True
        self.starve(op.file)
        if pool.buffers.available:       # one was, meanwhile
            pool.buffers.wanted = False
            self.refilled(pool)

    cdef int resume(self) except -1:
        self.turns += 1
        return _CompletionPort.resume(self)
