# Operations on a kernel that tells readiness only: try first, wait for readiness when the kernel says EAGAIN, try again.
#
# A file is watched edge-triggered for its operations: armed once, it costs no system call per operation afterwards.
# `file.ready` remembers what the last tries and events said, so that a try known to fail is not made.  Files that are
# never "not ready" but may block (disks) go through the page cache without blocking, and else to helper threads.

cdef extern from "attempt.h" nogil:
    int64_t attempt(File *, Op *)
    int64_t perform_blocking(Op *)
    size_t op_length(const Op *)
    bint op_is_read(const Op *)
    int POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP

cdef extern from "pool.h" nogil:
    ctypedef struct Pool:
        pass
    Pool *pool_new(int, int64_t (*)(Op *) noexcept)
    int pool_add(Pool *, Op *)
    bint pool_take_back(Pool *, Op *)
    Op *pool_collect(Pool *)
    bint pool_stop(Pool *, int)
    void pool_free(Pool *)

cdef enum:
    VIA_THREAD = 4
    CONNECT_AGAIN_NS = 1000000   # a Unix listener's full backlog gives EAGAIN, and nothing tells when it has room


cdef class _ReadinessPort(_EndingPort):
    cdef Pool *pool

    cdef OpQueue *queue_of(self, File *file, Op *op) noexcept:
        if op.verb == VERB_POLL:
            return &file.polling
        if file.kind == FILE_BLOCKING and (op.verb <= VERB_FSYNC):
            return &file.positioned
        if op.verb in (VERB_READ, VERB_READV, VERB_RECV, VERB_RECV_EXACTLY, VERB_RECV_FROM, VERB_ACCEPT):
            return &file.reading
        return &file.writing

    # ---- starting -------------------------------------------------------------------------------------------------------

    cdef void start(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef OpQueue *queue
        cdef int direction
        cdef int64_t result
        if op.verb <= VERB_FSYNC:
            if file.kind == FILE_BLOCKING:
                self.start_blocking(op)
                return
            if op.verb == VERB_FSYNC:
                self.finish(op, perform_blocking(op))
                return
        if op.verb == VERB_POLL:
            self.start_poll(op)
            return
        if op.verb not in (VERB_ACCEPT, VERB_CONNECT) and op_length(op) == 0 and not (file.kind == FILE_MESSAGE and op.verb in (VERB_SEND, VERB_SEND_TO)):
            self.finish(op, 0)   # an empty datagram is something to send; all else of no length is done
            return
        if op.verb == VERB_ACCEPT:
            op.offset = file.family | file.socket_type << 16 | <int64_t>file.protocol << 32
        queue = self.queue_of(file, op)
        direction = CAN_READ if queue == &file.reading else CAN_WRITE
        if queue.head == NULL and (file.ready & direction or op.verb == VERB_CONNECT):  # readiness says nothing of connect
            result = self.step(file, op)
            if result != -EAGAIN:
                self.finish(op, result)
                return
            file.ready &= ~direction
        elif op.verb == VERB_CONNECT and queue.head != NULL and queue.head.verb == VERB_CONNECT:
            self.finish(op, -EALREADY)
            return
        op.state = OP_QUEUED
        op_append(queue, op)
        self.watch(file)

    cdef void watch(self, File *file) noexcept:
        """Let the kernel tell when the queued operations can go on."""
        cdef int status = self.sync(file)
        if status == -EPERM:
            self.start_unwatchable(file)
        elif status < 0:
            self.fail_all(file, status)

    cdef int64_t step(self, File *file, Op *op) noexcept:
        """One try; -EAGAIN when it has to wait."""
        cdef int64_t result
        cdef Entry *entry
        if op.verb != VERB_ACCEPT or not op.flags:
            result = attempt(file, op)
            if result == -EAGAIN and op.verb == VERB_CONNECT and not op.moved and not op.heap_index:
                op.deadline = clock_now() + CONNECT_AGAIN_NS
                if timers_add(&self.tables.timers, op) < 0:
                    return -ENOMEM
                self.timers_changed()
            return result
        while True:              # multishot accept: all that is there
            if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
                return -ENOMEM
            result = attempt(file, op)
            if result < 0:
                return result
            entry = ready_push(&self.tables.ready)
            entry.what = ENTRY_MORE
            entry.of.op = op
            entry.result = result
            self.became_ready()

    cdef void expired(self, Op *op) noexcept:
        if op.verb == VERB_TIMEOUT:
            self.finish(op, 0)
        else:
            op.file.ready |= CAN_WRITE
            self.drive(op.file, &op.file.writing, CAN_WRITE)

    # ---- going on -------------------------------------------------------------------------------------------------------

    cdef void drive(self, File *file, OpQueue *queue, int direction) noexcept:
        """Try the queued operations of one direction, in order, as far as they go."""
        cdef Op *op = queue.head
        cdef int64_t result
        while op != NULL and file.ready & direction:
            result = self.step(file, op)
            if result == -EAGAIN:
                file.ready &= ~direction
                return
            op_unlink(queue, op)
            self.no_timer(op)
            self.finish(op, result)
            op = queue.head

    cdef void no_timer(self, Op *op) noexcept:
        if op.heap_index:
            timers_remove(&self.tables.timers, op)
            self.timers_changed()

    cdef bint lost(self, File *file) noexcept:
        """The number of a file with queued operations has been given to another file behind the port's back."""
        cdef Op *op = file.reading.head
        if op == NULL:
            op = file.writing.head
        if op == NULL:
            op = file.polling.head
        if op == NULL:
            return False
        if op.object != NULL and keeps_number(op.object):
            return descriptor_of(op.object) != op.fd
        return not file_same(file)

    cdef bint close_elsewhere(self, Op *op) noexcept:
        return self.offload(op) == 0

    cdef void became(self, File *file, int readiness) noexcept:
        """The kernel says that the file is ready: POLL* bits."""
        if self.lost(file):
            self.forget(file)
            return
        if readiness & ~(POLLIN | POLLOUT):
            file.ready |= STICKY
        if readiness & ~POLLOUT:
            file.ready |= CAN_READ
            if file.reading.head != NULL:
                self.drive(file, &file.reading, CAN_READ)
        if readiness & (POLLOUT | POLLERR | POLLHUP):
            file.ready |= CAN_WRITE
            if file.writing.head != NULL:
                self.drive(file, &file.writing, CAN_WRITE)
        if file.polling.head != NULL:
            self.drive_polls(file)

    # ---- readiness as an operation --------------------------------------------------------------------------------------

    cdef int64_t look_ready(self, File *file, Op *op) noexcept:
        """Interest bits that hold now, or -EAGAIN."""
        cdef int wanted = op.flags
        cdef int64_t revents
        op.flags = (POLLIN if wanted & 1 else 0) | (POLLOUT if wanted & 2 else 0)
        revents = attempt(file, op)
        op.flags = wanted
        return revents if revents < 0 else as_readiness(<int>revents, wanted)

    cdef void start_poll(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef int64_t readiness = self.look_ready(file, op)
        if readiness != -EAGAIN:
            self.finish(op, readiness)
            return
        op.state = OP_QUEUED
        op_append(&file.polling, op)
        self.watch(file)

    cdef void drive_polls(self, File *file) noexcept:
        cdef Op *op = file.polling.head
        cdef Op *following
        cdef int64_t readiness
        while op != NULL:
            following = op.next
            readiness = self.look_ready(file, op)
            if readiness != -EAGAIN:
                op_unlink(&file.polling, op)
                self.finish(op, readiness)
            op = following

    # ---- files that may block -------------------------------------------------------------------------------------------

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

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef bint stop(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef OpQueue *queue
        if op.state == OP_QUEUED:
            if op.verb == VERB_CLOSE:
                return True      # it ends when the others have ended
            self.no_timer(op)
            if file != NULL:
                queue = self.queue_of(file, op)
                op_unlink(queue, op)
                self.finish(op, <int64_t>op.moved if op.moved and op.verb != VERB_CONNECT else -ECANCELED)
                if self.stopping:
                    pass         # those behind it are cancelled next
                elif queue == &file.reading:
                    self.drive(file, queue, CAN_READ)
                elif queue == &file.writing:
                    self.drive(file, queue, CAN_WRITE)
            else:
                self.finish(op, -ECANCELED)
            return True
        if op.state == OP_POOLED or op.state == OP_RUNNING:
            if op.verb == VERB_CLOSE:
                return True
            if not op.cancelled and pool_take_back(self.pool, op):
                if op.offset < 0 and op.incarnation == file.incarnation:
                    file.busy = False
                self.finish(op, <int64_t>op.moved if op.moved else -ECANCELED)
                if not file.busy:
                    self.next_positioned(file)
            op.cancelled = True
            return True
        return False

    cdef void fail_all(self, File *file, int64_t result) noexcept:
        self.fail_queue(&file.reading, result)
        self.fail_queue(&file.writing, result)
        self.fail_queue(&file.polling, result)
        self.fail_queue(&file.positioned, result)

    cdef void fail_queue(self, OpQueue *queue, int64_t result) noexcept:
        cdef Op *op
        while queue.head != NULL:
            op = queue.head
            op_unlink(queue, op)
            self.no_timer(op)
            self.finish(op, result)


cdef inline int as_readiness(int revents, int wanted) noexcept:
    """Interest bits of POLL* bits: what was asked for, and ERROR and HANGUP.

    After an error or a hangup no call would block, so what was asked for is reported with them, as selectors does.
    """
    cdef int readiness = 0
    if revents & POLLERR:
        readiness |= 4
    if revents & POLLHUP:
        readiness |= 8
    if readiness:
        return readiness | wanted
    if revents & (POLLIN | POLLRDHUP):
        readiness |= 1
    if revents & POLLOUT:
        readiness |= 2
    return readiness & wanted
