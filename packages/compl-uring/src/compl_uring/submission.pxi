# Handing work to the ring: entries of the submission queue for operations, watches and cancels.
#
# Any thread fills entries; only the one that waits enters the kernel, since the kernel cancels what a thread submitted when
# that thread exits.  What does not fit into the queue is a wish, taken up when there is room.  Operations of one direction
# of a socket go to the kernel one after the other: several at once would complete in any order.

cdef enum:
    ABSENT = 0                   # File.watched: no request watches it
    ARMED = 1
    WISHED = 2                   # ... and there was no room for one

    TRIES = 100                  # of an operation that the kernel ends for no reason of ours
    PATIENCE = 3                 # times that a file is said to be ready, and has nothing for the operation that waits


cdef class _SubmissionPort(_PollablePort):
    cdef UringRing uring
    cdef uint32_t native         # what this kernel takes (prepare.h)
    cdef Wishes wishes
    cdef uint32_t held           # requests that the kernel has, or has entries for: each owes us one last completion
    cdef uint32_t fresh          # operations handed over since the kernel was last entered
    cdef uint32_t watches        # numbers given to watches so far
    cdef int roll                # an epoll set of files that are recognised by it, or -1
    cdef bint granting           # wishes are being taken up

    def __cinit__(self):
        self.roll = self.uring.fd = -1

    # ---- entries --------------------------------------------------------------------------------------------------------

    cdef inline UringSqe *entry(self) noexcept:
        """A free entry, or NULL: others wait already, or the queue is full."""
        cdef UringSqe *sqe = NULL
        self.unsubmitted = True
        if not self.wishes.count or self.granting:
            sqe = ring_entry(&self.uring)
            if sqe != NULL:
                self.held += 1
        return sqe

    cdef int grant(self) noexcept:
        """Take up wishes, as far as there is room."""
        cdef uint64_t wish
        cdef uint32_t tag
        cdef Op *op
        cdef File *file
        if not self.wishes.count:
            return 0
        self.granting = True
        while self.wishes.count and ring_room(&self.uring):
            wish = wishes_first(&self.wishes)
            wishes_drop(&self.wishes)
            tag = <uint32_t>(wish >> TAG_SHIFT)
            if tag == 0:
                op = op_find(&self.tables.ops, wish)
                if op != NULL and op.state == OP_PREPARED:
                    self.hand_over(op)
            elif tag == TAG_WATCH:
                file = file_at(&self.tables.files, <int><uint32_t>wish)
                if file.watched == WISHED:
                    file.watched = ABSENT
                    self.watch(file)
            else:
                self.ask_to_cancel((wish & ((1ULL << TAG_SHIFT) - 1)) | (<uint64_t>TAG_WATCH << TAG_SHIFT if tag == TAG_BELL else 0))
        self.granting = False
        return 0

    cdef void hand_over(self, Op *op) noexcept:
        """The operation goes to the kernel."""
        cdef UringSqe *sqe = self.entry()
        if sqe == NULL:
            op.state = OP_PREPARED
            wishes_add(&self.wishes, op.id)
            return
        op.state = OP_SUBMITTED
        self.fresh += 1
        # SAFETY: the record, its buffers and its file stay until the last completion of this request has been taken
        if op.pool != NULL:
            self.prepare_pooled(sqe, op)
        else:
            prepare_op(sqe, op.file, op, self.native)

    cdef void ask_to_cancel(self, uint64_t target) noexcept:
        cdef UringSqe *sqe = self.entry()
        if sqe != NULL:
            prepare_cancel(sqe, target)
        elif target >> TAG_SHIFT == 0:
            wishes_add(&self.wishes, tagged(TAG_CANCEL, target))
        elif self.make_room() == 0:
            wishes_add(&self.wishes, target | tagged(TAG_BELL, 0))

    cdef inline int make_room(self) noexcept:
        """For one more wish, and for all that operations may wish without asking here: to go, to be cancelled, and once more
        when a poll has its outcome.  Wishes of what has ended meanwhile stand in the list until they are looked at."""
        return wishes_reserve(&self.wishes, self.wishes.count + 3 * <size_t>self.tables.ops.live + 1)

    # ---- starting -------------------------------------------------------------------------------------------------------

    cdef void start(self, Op *op) noexcept:
        if self.make_room() < 0:
            self.finish(op, -ENOMEM)
            return
        _ReadinessPort.start(self, op)

    cdef void start_poll(self, Op *op) noexcept:
        self.hand_over(op)

    cdef void begin_blocking(self, Op *op) noexcept:
        if self.goes_native(op.file, op):
            self.hand_over(op)
        else:
            _ReadinessPort.begin_blocking(self, op)

    cdef void enqueue(self, Op *op, OpQueue *queue, int direction) noexcept:
        if not self.goes_native(op.file, op):
            _ReadinessPort.enqueue(self, op, queue, direction)
            return
        op.state = OP_QUEUED
        op_append(queue, op)
        if queue.head == op:
            self.hand_over(op)

    cdef void drive(self, File *file, OpQueue *queue, int direction) noexcept:
        """The first operation of the queue, and those behind it, as far as they go."""
        cdef Op *op = queue.head
        cdef int64_t result
        if file.starved and queue == &file.reading:
            return               # until resume()
        while op != NULL and op.state == OP_QUEUED:
            if self.goes_native(file, op):
                if not op.parked or file.ready & direction:
                    op.parked = False
                    self.hand_over(op)
                    return
                break
            if not file.ready & direction:
                break
            result = self.step(file, op)
            if result == -EAGAIN:
                file.ready &= ~direction
                break
            op_unlink(queue, op)
            self.no_timer(op)
            self.finish(op, result)
            op = queue.head
        if op != NULL and op.state == OP_QUEUED:
            self.watch(file)

    # ---- watching -------------------------------------------------------------------------------------------------------

    cdef int sync(self, File *file) noexcept:
        """One POLL_ADD, for what the registration and the waiting operations need; it ends with its first event."""
        cdef uint32_t needed = 0
        cdef int status
        cdef Op *op = file.reading.head
        if op != NULL and op.state == OP_QUEUED and not file.starved:
            needed = POLLIN
        op = file.writing.head
        if op != NULL and op.state == OP_QUEUED and not op.heap_index:   # what has a timer is tried again then
            needed |= POLLOUT
        if file.registration and file.interest and not file.disarmed and not file.muted:
            if file.kind == FILE_OTHER and not file.enrolled:
                status = self.enroll(file)
                if status < 0:
                    return status
            needed |= (POLLIN if file.interest & 1 else 0) | (POLLOUT if file.interest & 2 else 0)
        if not needed:
            self.unarm(file)
            return 0
        if file.watched == WISHED or file.watched == ARMED and file.mask & needed == needed:
            return 0
        self.unarm(file)
        return self.arm(file, needed, False)

    cdef int arm(self, File *file, uint32_t mask, bint lasting) noexcept:
        """Have the kernel tell of POLLIN, POLLOUT or both: once, or until it is unarmed."""
        cdef UringSqe *sqe
        if self.make_room() < 0:
            return -ENOMEM
        sqe = self.entry()
        if sqe == NULL:
            file.watched = WISHED
            wishes_add(&self.wishes, tagged(TAG_WATCH, <uint32_t>file.fd))
            return 0
        self.watches += 1
        file.watching += 1
        file.watch = self.watches & 0x7FFFFFFF
        file.watched = ARMED
        file.mask = mask
        prepare_poll(sqe, file.fd, mask | (POLLRDHUP if mask & POLLIN else 0), lasting, tag_watch(file.watch, file.fd))
        return 0

    cdef void unarm(self, File *file) noexcept:
        """What the request still reports carries an old number."""
        if file.watched == ARMED:
            self.ask_to_cancel(tag_watch(file.watch, file.fd))
            file.watched = ABSENT
            file.mask = 0

    cdef int enroll(self, File *file) noexcept:
        """POLL_ADD would say "ready" of a file that cannot be watched, and fstat says the same of all eventfds.  A set of
        epoll's, which nobody waits on, refuses the first (EPERM), and no longer knows a number that is another file's."""
        cdef int status
        if self.roll < 0:
            self.roll = epoll_create1(EPOLL_CLOEXEC)
            if self.roll < 0:
                return -errno
        status = epoll_control(self.roll, EPOLL_CTL_ADD, file.fd, 0, 0)
        file.enrolled = status == 0 or status == -EEXIST
        return 0 if file.enrolled else status

    cdef void recheck(self, File *file) noexcept:
        if file.enrolled and epoll_control(self.roll, EPOLL_CTL_MOD, file.fd, 0, 0) == -ENOENT:
            self.forget(file)
            file.enrolled = False
            file.open = True
            file.ready = CAN_READ | CAN_WRITE

    cdef void unwatch(self, File *file) noexcept:
        if file.enrolled:
            epoll_control(self.roll, EPOLL_CTL_DEL, file.fd, 0, 0)
            file.enrolled = False
        self.sync(file)

    cdef void unmuted(self, File *file) noexcept:
        self.watch(file)

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef bint queued_in_file(self, Op *op) noexcept:
        """Whether the operation is linked in a queue of its file (as whom it is known there)."""
        if op.file == NULL or op.verb == VERB_CLOSE or op.verb == VERB_TIMEOUT or op.incarnation != op.file.incarnation:
            return False
        if op.verb == VERB_POLL:
            return False
        return op.file.kind != FILE_BLOCKING or op.verb > VERB_FSYNC or op.state == OP_QUEUED

    cdef bint stop(self, Op *op) noexcept:
        cdef UringSqe *sqe
        if op.state == OP_PREPARED:      # the kernel knows nothing of it
            self.conclude(op, <int64_t>op.moved if op.moved else -ECANCELED)
            return True
        if op.state == OP_SUBMITTED:
            sqe = ring_unpublished(&self.uring, op.id) if self.unsubmitted else NULL
            if sqe != NULL:              # the kernel has not heard of it yet
                prepare_nothing(sqe)
                self.conclude(op, <int64_t>op.moved if op.moved else -ECANCELED)
            elif not op.cancelled:
                op.cancelled = True
                self.ask_to_cancel(op.id)
            return True
        return _ReadinessPort.stop(self, op)

    cdef void conclude(self, Op *op, int64_t result) noexcept:
        """An operation that was with the kernel is done; the next of its direction goes."""
        cdef File *file = op.file
        cdef OpQueue *queue = NULL
        cdef bint current = op.incarnation == file.incarnation
        if self.queued_in_file(op):
            queue = self.queue_of(file, op)
            op_unlink(queue, op)
        elif op.offset == -1 and current and op.verb <= VERB_FSYNC:
            file.busy = False
        self.finish(op, result)
        if self.stopping or file.closing != NULL or not current:
            return
        if queue == NULL:
            if op.verb <= VERB_FSYNC and not file.busy and file.positioned.head != NULL:
                self.next_positioned(file)
        elif queue.head != NULL:
            self.drive(file, queue, CAN_READ if queue == &file.reading else CAN_WRITE)

    cdef void forget(self, File *file) noexcept:
        self.unarm(file)         # a request that watches the old file would keep it open, and its number from being closed
        _ReadinessPort.forget(self, file)

    cdef bint lost(self, File *file) noexcept:
        if not file.registration or file.object == NULL:
            return _ReadinessPort.lost(self, file)
        # The next request would watch the number, whichever file that is.  (An object may have been detached from it.)
        return not (keeps_number(file.object) and descriptor_of(file.object) == file.fd) and not file_same(file)

    cdef void fail_all(self, File *file, int64_t result) noexcept:
        """The number is another file's now (its incarnation has counted up), or cannot be watched."""
        cdef uint32_t i
        cdef Op *op
        self.leave(file, &file.reading)
        self.leave(file, &file.writing)
        if file.in_flight:
            for i in range(self.tables.ops.count):
                op = op_at(&self.tables.ops, i)
                if op.file == file and op.incarnation != file.incarnation:
                    self.give_up(op, result)
        _ReadinessPort.fail_all(self, file, result)

    cdef void leave(self, File *file, OpQueue *queue) noexcept:
        """The file no longer knows what the kernel has, or is about to get."""
        cdef Op *op = queue.head
        if op != NULL and (op.state == OP_SUBMITTED or op.state == OP_PREPARED):
            op_unlink(queue, op)
            op.incarnation = ~file.incarnation   # which has 31 bits: never the same

    cdef void give_up(self, Op *op, int64_t result) noexcept:
        """What the kernel has not taken yet would go to another file; what it has need not wait any longer."""
        cdef UringSqe *sqe = NULL
        if op.verb == VERB_CLOSE or op.state != OP_SUBMITTED and op.state != OP_PREPARED:
            return
        if op.state == OP_SUBMITTED and self.unsubmitted:
            sqe = ring_unpublished(&self.uring, op.id)
        if sqe != NULL:
            prepare_nothing(sqe)
        if sqe != NULL or op.state == OP_PREPARED:
            self.finish(op, result)
        elif op.verb > VERB_FSYNC and not op.cancelled:  # a transfer of a regular file ends by itself
            op.cancelled = True
            self.ask_to_cancel(op.id)

    cdef void close_now(self, File *file) noexcept:
        """Once nothing of the kernel's holds the file: its peer would not see the end before that."""
        self.unarm(file)
        if file.watching == 0:
            _ReadinessPort.close_now(self, file)

    # ---- for the layers above -------------------------------------------------------------------------------------------

    cdef bint goes_native(self, File *file, Op *op) noexcept:
        """Whether the kernel does this operation as what it is; the rest is tried, and waited for."""
        return op_native(self.native, file, op)

    cdef void prepare_pooled(self, UringSqe *sqe, Op *op) noexcept:
        """An entry for a receive into a pool."""
