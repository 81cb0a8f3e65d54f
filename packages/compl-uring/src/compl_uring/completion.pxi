# What the ring gives back: completions of operations, of watches, of the doorbell.
#
# The kernel may end a request for reasons that are not the user's: the thread that entered has exited (ECANCELED, or EFAULT
# from a buffered read that it retried), a signal met a kernel worker (EINTR), a non-blocking descriptor on an old kernel
# (EAGAIN).  None of these is a result: the operation goes to the kernel again.

cdef extern from "attempt.h" nogil:
    void mark_end(const File *, Op *, int64_t)
    bint accept_again(int)

cdef extern from "errno.h" nogil:
    int EFAULT, EINPROGRESS, EISCONN, ENOBUFS, ENOSYS, ETIME, EBUSY

cdef extern from "sys/socket.h" nogil:
    int MSG_TRUNC


cdef class _CompletionPort(_SubmissionPort):
    cdef bint deaf               # the doorbell is not watched: there was no room for it
    cdef bint early              # what is reaped came before this wait
    cdef bint fruitless          # a watch will fire again at once, for what nobody asked for

    cdef int reap(self, size_t room) except -1:
        """Take what the completion queue has, until that many are ready; the rest may be out of date when it is asked for."""
        cdef UringCqe *cqe
        cdef uint64_t data
        cdef uint32_t flags
        cdef int result
        while self.tables.ready.count < room:
            cqe = ring_peek(&self.uring)
            if cqe == NULL:
                break
            # multishot completions and readiness need a place each; their operations' own is reserved
            if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
                raise MemoryError()
            data, result, flags = cqe.user_data, cqe.res, cqe.flags
            ring_advance(&self.uring, 1)
            if not flags & URING_CQE_MORE:
                self.held -= 1
            if data >> TAG_SHIFT == 0:
                self.take_operation(data, result, flags)
            elif data >> TAG_SHIFT == TAG_WATCH:
                self.take_watch(data, result, flags)
            elif data >> TAG_SHIFT == TAG_BELL and not flags & URING_CQE_MORE:
                self.arm_bell()
        return 0

    cdef void arm_bell(self) noexcept:
        """Watch the doorbell, for as long as the kernel likes; before 5.13 it is once, and the bell has to be read."""
        cdef UringSqe *sqe = self.entry() if self.epoch == fork_count else NULL
        cdef bint multishot = self.native & ABLE_MULTISHOT_POLL
        self.deaf = sqe == NULL
        if sqe != NULL:
            if not multishot:
                bell_silence(self.bell)
            prepare_poll(sqe, self.bell, POLLIN, multishot, tagged(TAG_BELL, 0))

    # ---- operations -----------------------------------------------------------------------------------------------------

    cdef void take_operation(self, uint64_t identity, int64_t result, uint32_t flags) noexcept:
        cdef Op *op = op_find(&self.tables.ops, identity)
        cdef File *file
        if op == NULL or op.state != OP_SUBMITTED:
            return               # cannot be: the kernel owes each request one last completion
        file = op.file
        if op.pool != NULL:
            self.take_pooled(op, result, flags)
            return
        if op.verb == VERB_POLL:
            self.take_poll(op, result, flags)
            return
        if op.verb == VERB_ACCEPT and op.flags:
            if result >= 0:
                op.tries = 0
                self.one_more(op, result)
                if flags & URING_CQE_MORE:
                    return
                result = -ECANCELED if op.cancelled else -EINTR  # ended by the kernel, or it cannot do several: once more
        elif op.cancelled and (result == -EINTR or result == -EAGAIN):
            result = -ECANCELED
        if self.again(op, result):
            return
        if op.verb == VERB_SEND_ALL or op.verb == VERB_RECV_EXACTLY:
            if not self.whole(op, result):
                return
            result = op.result
        elif op.verb == VERB_RECV_FROM and result >= 0:
            # SAFETY: the kernel has written `message` and is done with it
            op.extra.address_length = min(op.extra.message.msg_namelen, sizeof(sockaddr_storage))
            if op.extra.message.msg_flags & MSG_TRUNC:
                op.outcome = TRUNCATED
                result = min(result, <int64_t>op.view.len)
        elif op.verb == VERB_RECV:
            if file.kind != FILE_MESSAGE:
                mark_end(file, op, result)
            elif result > op.view.len:
                op.outcome = TRUNCATED
                result = op.view.len
        elif op.verb <= VERB_FSYNC and op_is_read(op):
            mark_end(file, op, result)
        self.conclude(op, result)

    cdef void take_poll(self, Op *op, int64_t result, uint32_t flags) noexcept:
        cdef int readiness = as_readiness(<int>result, op.flags) if result >= 0 else 0
        if op.moved:             # what ended it is known: this is the last of it
            if not flags & URING_CQE_MORE:
                self.conclude(op, <int64_t>op.moved)
        elif flags & URING_CQE_MORE:
            if readiness and not op.cancelled:
                op.moved = <uint64_t>readiness
                self.ask_to_cancel(op.id)
        elif result >= 0 and not readiness and not op.cancelled:
            op.parked = True     # told of RDHUP unasked: a request that stays waits for more
            self.fruitless = not self.native & ABLE_MULTISHOT_POLL
            self.hand_over(op)
        elif result >= 0:
            self.conclude(op, readiness if readiness else -ECANCELED)
        elif op.cancelled and (result == -EINTR or result == -EAGAIN):
            self.conclude(op, -ECANCELED)
        elif not self.again(op, result):
            self.conclude(op, result)

    cdef void one_more(self, Op *op, int64_t result) noexcept:
        cdef Entry *entry = ready_push(&self.tables.ready)   # reap() has reserved its place
        entry.what = ENTRY_MORE
        entry.of.op = op
        entry.result = result
        self.became_ready()

    cdef bint again(self, Op *op, int64_t result) noexcept:
        """Whether this was no result, and the operation goes on."""
        cdef File *file = op.file
        if result >= 0 or op.cancelled or op.incarnation != file.incarnation:
            return False
        if result == -ECANCELED or result == -EINTR or result == -EFAULT and not op.tries:
            if op.tries >= TRIES:
                return False
            if not (op.verb == VERB_ACCEPT and op.flags):
                op.tries += 1
            self.resubmitted += 1
        elif op.verb == VERB_ACCEPT and accept_again(<int>-result):
            pass
        elif op.verb == VERB_CONNECT and (result == -EINPROGRESS or op.tries and (result == -EALREADY or result == -EISCONN)):
            op.moved = 1         # under way: connect() once more tells the outcome, when it is writable
            op.state = OP_QUEUED
            file.ready |= CAN_WRITE
            self.drive(file, &file.writing, CAN_WRITE)
            return True
        elif result == -EAGAIN and (op.verb == VERB_CONNECT or op.verb == VERB_SEND_TO and file.family == AF_UNIX):
            op.state = OP_QUEUED
            result = self.step(file, op)     # starts the timer, unless it succeeds
            if result != -EAGAIN:
                self.conclude(op, result)
            elif op.moved:       # ... or is under way now
                file.ready &= ~CAN_WRITE
                self.watch(file)
            return True
        elif result == -EAGAIN and self.queued_in_file(op):
            op.parked = True
            op.state = OP_QUEUED
            file.ready &= ~(CAN_READ if self.queue_of(file, op) == &file.reading else CAN_WRITE)
            if op.tries < TRIES - 1:
                op.tries += 1
            if op.tries > PATIENCE:
                self.fruitless = True    # the file is ready, and not for this (MSG_ERRQUEUE, and there is data)
            self.watch(file)
            return True
        elif result == -EAGAIN:
            op.tries += 1
            if op.tries >= TRIES:
                return False
        else:
            return False
        self.hand_over(op)
        return True

    cdef bint whole(self, Op *op, int64_t result) noexcept:
        """send_all and recv_exactly: whether that was all; op.result is the outcome then."""
        cdef uint64_t length = <uint64_t>op.view.len
        if result > 0:
            op.moved += <uint64_t>result
            op.tries = 0
            if op.moved < length and not op.cancelled and op.incarnation == op.file.incarnation:
                self.hand_over(op)
                return False
            op.result = <int64_t>op.moved
        elif result == 0:
            if not op.moved:
                mark_end(op.file, op, 0)
            op.result = <int64_t>op.moved
        else:
            op.result = <int64_t>op.moved if op.moved and op.cancelled and result == -ECANCELED else result
        return True

    # ---- watches --------------------------------------------------------------------------------------------------------

    cdef int take_watch(self, uint64_t data, int64_t result, uint32_t flags) except -1:
        cdef File *file = file_at(&self.tables.files, <int>(data & 0x7FFFFFFF))
        cdef uint32_t mask
        cdef int readiness
        cdef bint level
        if not flags & URING_CQE_MORE:
            file.watching -= 1
        if file.watched != ARMED or tag_watch(file.watch, file.fd) != data:
            if file.watching == 0 and file.closing != NULL and file.in_flight == 0 and file.closing.state == OP_QUEUED:
                self.close_now(file)
            return 0             # an old one
        mask = file.mask
        if result >= 0 and not useful(<int>result, <int>mask):
            # io_uring tells of RDHUP and HUP unasked, for as long as they hold: only a request that stays waits for more
            if not flags & URING_CQE_MORE:
                file.watched = ABSENT
                self.arm(file, mask, self.native & ABLE_MULTISHOT_POLL)
                self.fruitless = not self.native & ABLE_MULTISHOT_POLL
            return 0
        if flags & URING_CQE_MORE:
            self.unarm(file)
        file.watched = ABSENT
        file.mask = 0
        if not file.open:
            return 0
        if result == -EBADF:
            self.forget(file)
            return 0
        if result < 0:           # the thread that armed it has exited, or the kernel is short of memory
            self.resubmitted += 1
            self.fruitless = result != -ECANCELED
            self.watch(file)
            return 0
        level = file.registration and file.interest and not file.disarmed and not file.muted
        if level and self.early:
            result = poll_now(file.fd, file.interest)    # it may have been read out since: report what holds, not what held
            if result < 0:       # or closed
                result = 0
        self.became(file, <int>result)
        if level and file.registration:
            readiness = as_readiness(<int>result, file.interest)
            if readiness and not file.queued:
                self.report(file, readiness)
                file.muted = True        # until it is taken; armed again then
                file.disarmed = file.oneshot
        self.watch(file)
        return 0

    # ---- for the layers above -------------------------------------------------------------------------------------------

    cdef void take_pooled(self, Op *op, int64_t result, uint32_t flags) noexcept:
        """A completion of a receive into a pool."""
