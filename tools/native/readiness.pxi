# Operations on a kernel that tells readiness only: try first, wait for readiness when the kernel says EAGAIN, try again.
#
# A file is watched edge-triggered for its operations: armed once, it costs no system call per operation afterwards.
# `file.ready` remembers what the last tries and events said, so that a try known to fail is not made.

cdef extern from "attempt.h" nogil:
    bint ends_messages(const File *)
    int POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP

cdef enum:
    TRUNCATED = 2                # CompletionFlags
    END_OF_FILE = 8
    TRY_AGAIN_NS = 1000000       # after an EAGAIN that no readiness follows: see step()


cdef class _ReadinessPort(_BlockingPort):
    cdef File *starved           # those whose receive waits for a buffer of its pool, in the order in which they ran out
    cdef File **starved_end

    def __cinit__(self):
        self.starved_end = &self.starved

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
        if op.verb == VERB_CONNECT and queue.head != NULL and queue.head.verb == VERB_CONNECT:
            self.finish(op, -EALREADY)
        else:
            self.enqueue(op, queue, CAN_READ if queue == &file.reading else CAN_WRITE)

    cdef void enqueue(self, Op *op, OpQueue *queue, int direction) noexcept:
        """Try the operation, if it is the first in its direction; what has to wait is queued."""
        cdef File *file = op.file
        cdef int64_t result
        if queue.head == NULL and (file.ready & direction or op.verb == VERB_CONNECT):  # readiness says nothing of connect
            result = self.step(file, op)
            if result != -EAGAIN:
                self.finish(op, result)
                return
            file.ready &= ~direction
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
        if op.pool != NULL:
            return self.receive(file, op)
        if op.verb != VERB_ACCEPT or not op.flags:
            result = attempt(file, op)
            # A Unix listener whose backlog is full, a Unix socket whose queue of datagrams is: nothing tells when it has room.
            if (result == -EAGAIN and not op.moved and not op.heap_index
                    and (op.verb == VERB_CONNECT or op.verb == VERB_SEND_TO and file.family == AF_UNIX)):
                op.deadline = clock_now() + TRY_AGAIN_NS
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
        cdef File *file = op.file
        if op.verb == VERB_TIMEOUT:
            self.finish(op, 0)
        else:
            file.ready |= CAN_WRITE
            self.drive(file, &file.writing, CAN_WRITE)
            if file.writing.head != NULL:
                self.watch(file)

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

    # ---- receiving into a pool ------------------------------------------------------------------------------------------

    cdef int64_t receive(self, File *file, Op *op) noexcept:
        """All that is there, each arrival in a buffer of its own; -EAGAIN when the file or the pool has no more."""
        cdef _BufferPool pool = <_BufferPool>op.pool
        cdef Entry *entry
        cdef int64_t result
        cdef int index
        file.starved = False
        if not file_is_socket(file):
            return -ENOTSOCK
        while True:
            if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
                return -ENOMEM
            index = pool.take()
            if index < 0:
                self.starve(file)
                return -EAGAIN
            # SAFETY: taken, the buffer is this operation's alone, until give() or the entry passes it on
            op.view.buf = buffers_at(&pool.buffers, index)
            result = attempt(file, op)
            if result == 0 and ends_messages(file):
                op.outcome = END_OF_FILE
            if result < 0 or op.outcome & END_OF_FILE:
                pool.give(index)
                return result
            entry = ready_push(&self.tables.ready)
            entry.what = ENTRY_MORE
            entry.of.op = op
            entry.result = result | <int64_t>index << 32
            if op.outcome & TRUNCATED:
                entry.result |= FILLED_TRUNCATED
                op.outcome = 0
            self.became_ready()
            if not file.ready & CAN_READ:
                return -EAGAIN

    cdef void starve(self, File *file) noexcept:
        """The bytes stay with the kernel, unwatched, until resume()."""
        file.starved = True
        if not file.listed:
            file.listed = True
            file.next_starved = NULL
            self.starved_end[0] = file
            self.starved_end = &file.next_starved

    cdef int resume(self) except -1:
        """Who gets nothing this time is the first next time; who gets something and wants more is behind all others."""
        cdef File *file = self.starved
        cdef File *following
        cdef File *unfed = NULL
        cdef File **end = &unfed
        self.starved = NULL
        self.starved_end = &self.starved
        while file != NULL and self.epoch == fork_count:
            following = file.next_starved
            if file.starved and (<_BufferPool>file.reading.head.pool).dry():
                end[0] = file
                end = &file.next_starved
            else:
                file.listed = False
                if file.starved:         # else it went on, or ended, meanwhile
                    self.go_on(file)
            file = following
        if unfed != NULL:
            end[0] = self.starved
            if self.starved == NULL:
                self.starved_end = end
            self.starved = unfed
        return 0

    cdef void go_on(self, File *file) noexcept:
        if self.lost(file):
            self.forget(file)
            return
        self.feed(file)
        self.drive(file, &file.reading, CAN_READ)
        if file_wants_reading(file):
            self.watch(file)

    cdef inline void feed(self, File *file) noexcept:
        file.starved = False
        file.ready |= CAN_READ   # unknown: try

    # ---- going on, continued --------------------------------------------------------------------------------------------

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
            if file.writing.head != NULL and not file.writing.head.heap_index:   # else its timer tells when to try again
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

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef bint stop(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef OpQueue *queue
        cdef bint starved
        if op.state == OP_QUEUED:
            if op.verb == VERB_CLOSE:
                return True      # it ends when the others have ended
            self.no_timer(op)
            if file != NULL:
                queue = self.queue_of(file, op)
                starved = file.starved and file.reading.head == op
                op_unlink(queue, op)
                if starved:
                    self.feed(file)      # those behind it may go on without a buffer of the pool
                self.finish(op, <int64_t>op.moved if op.moved and op.verb != VERB_CONNECT else -ECANCELED)
                if self.stopping:
                    pass         # those behind it are cancelled next
                elif queue == &file.reading:
                    self.drive(file, queue, CAN_READ)
                    if starved and file_wants_reading(file):
                        self.watch(file)
                elif queue == &file.writing:
                    self.drive(file, queue, CAN_WRITE)
                    if file.writing.head != NULL:
                        self.watch(file)
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
        file.starved = False
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
