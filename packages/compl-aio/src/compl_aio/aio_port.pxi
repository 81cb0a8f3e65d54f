# Linux AIO as a completion port.
#
# Files are watched by aio_polls.pxi, requests submitted by aio_requests.pxi; here are events, file operations and the end.
# Events are read from the ring in user space; io_getevents is only for sleeping.

cdef enum:
    TAKEN_EVENTS = 256           # at a time
    CROWDED_NS = 10000000        # how long to sleep without a doorbell, which the context has no room for

cdef extern from "attempt.h" nogil:
    int RWF_NOWAIT


cdef class Port(_PollsPort):
    """A context of Linux AIO as a completion port; see compl_aio.AioPort."""

    cdef AioRing *ring           # NULL: laid out otherwise than known, events come by io_getevents
    cdef bint opened
    cdef AioEvent taken[TAKEN_EVENTS]

    def __init__(self):
        cdef long status
        if self.opened:
            raise RuntimeError(f"{self.name} port: __init__() was called twice")
        self.opened = True
        self.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.events_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.bell < 0 or self.events_fd < 0:
            error = errno
            self.close_kernel()
            raise OSError(error, f"{_os.strerror(error)}: eventfd for an aio port")
        status = aio_setup(ASKED_EVENTS, &self.context)
        if status < 0:
            self.close_kernel()
            raise OSError(-status, f"{_os.strerror(-status)}: io_setup({ASKED_EVENTS})")
        self.ring = ring_of(self.context)
        self.arm_bell()
        if self.bell_request == NULL:
            aio_destroy(self.context)
            self.close_kernel()
            raise OSError(EINVAL, f"{_os.strerror(EINVAL)}: io_submit of IOCB_CMD_POLL")
        self.epoch = fork_count

    @property
    def reads_ring(self):
        """Whether events are taken from the completion ring in user space."""
        return self.ring != NULL

    # ---- from the kernel ------------------------------------------------------------------------------------------------

    cdef int reap(self, int room) noexcept:
        if self.ring != NULL:
            # SAFETY: one reader: only the leader comes here, and no thread is in io_getevents
            return <int>ring_take(self.ring, self.taken, room)
        return <int>aio_getevents(self.context, 0, room, self.taken, 0)

    cdef int harvest(self, uint64_t until, int room) except -1:
        cdef size_t before = self.tables.ready.count
        if until == 0 and self.is_idle():
            return 0
        room = min(room, TAKEN_EVENTS)
        self.kernel_waits += 1
        if self.pollable >= 0:
            bell_silence(self.events_fd)
            bell_silence(self.bell)
        self.settle_all(self.reap(room), False)      # these may be old news
        room -= <int>(self.tables.ready.count - before)
        self.hand_over()
        if room > 0:
            self.settle_all(self.reap(room), True)
        self.collect()
        if until and self.tables.ready.count == before:
            self.arm_bell()      # with what has been prepared just now, and may be refused
        if until and self.tables.ready.count == before and not self.refills:     # the bell of a refill has been heard
            self.sleep_in_kernel(until, room)
            if self.epoch != fork_count:
                return 0         # closed meanwhile
            self.collect()
        if self.pollable >= 0:
            self.hand_over()
            if self.ring != NULL and ring_count(self.ring):
                bell_ring(self.events_fd)    # for what there was no room for
        return 0

    cdef int sleep_in_kernel(self, uint64_t until, int room) except -1:
        cdef int count
        cdef uint64_t now
        cdef uint64_t budget = NEVER
        if until != NEVER:
            now = clock_now()
            budget = until - now if until > now else 0
        if self.bell_request == NULL or self.bell_request.place:
            budget = min(budget, <uint64_t>CROWDED_NS)
        self.asleep = True
        self.asleep_until = until
        with nogil:
            # SAFETY: `taken` is the leader's alone, and there is one; close() waits until we are out
            count = <int>aio_getevents(self.context, 1, room, self.taken, budget)
        self.asleep = False
        self.rung = False
        if self.epoch == fork_count:
            self.settle_all(count, True)
        return 0

    cdef bint is_idle(self) noexcept:
        return (self.polls == 0 and self.carried == 0 and self.requests.prepared_count == 0 and self.watched_count == 0
                and self.pool == NULL and self.pollable < 0)

    cdef void settle_all(self, int count, bint fresh) noexcept:
        cdef int i
        for i in range(count):
            # SAFETY: `data` is the address of a request that is not given back before its only event is here
            self.settle(<Request *><size_t>self.taken[i].data, self.taken[i].result, fresh)

    cdef void settle(self, Request *request, int64_t result, bint fresh) noexcept:
        """One event.  `fresh`: it came during this wait."""
        cdef int purpose = request.purpose
        cdef uint32_t mask = <uint32_t>request.block.buffer
        cdef File *file = request.of.file
        cdef Op *op = request.of.op
        request_give(&self.requests, request)
        if purpose == FOR_OPERATION:
            self.carried -= 1
            self.ended(op, result)
        elif purpose == FOR_BELL:
            self.bell_request = NULL
            bell_silence(self.bell)
        elif purpose == FOR_SET:
            self.set_request = NULL
            self.look_into_set()
        else:
            self.polls -= 1
            if purpose == FOR_NOBODY:
                self.gone(file)
            else:
                self.requests.watches[file.fd].armed[purpose] = NULL
                # a wake-up tells all bits of its key, asked for or not
                mask = <uint32_t>result & (mask | POLLERR | POLLHUP) if result > 0 else 0
                if purpose == FOR_INTEREST:
                    self.interest_met(file, <int>mask, fresh)
                else:
                    self.operations_ready(file, &file.reading if purpose == FOR_READING else &file.writing, <int>mask)

    # ---- files ----------------------------------------------------------------------------------------------------------

    cdef bint carry(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef Request *request
        if op.offset < 0 or (op.verb != VERB_FSYNC and not file.direct):
            return False         # io_submit would block
        request = request_take(&self.requests, FOR_OPERATION)
        if request == NULL:
            return False
        request.of.op = op
        request.block.fd = <uint32_t>op.fd
        request.block.flags = BLOCK_RESFD
        request.block.resfd = <uint32_t>self.events_fd
        if op.verb == VERB_FSYNC:
            request.block.opcode = COMMAND_FDSYNC if op.flags else COMMAND_FSYNC
        else:
            request.block.rw_flags = RWF_NOWAIT      # where it would block, it says EAGAIN, and a helper thread takes it
            request.block.offset = op.offset
            # SAFETY: buffers and iovecs are the operation's, which is not released before its event
            if op.verb == VERB_READV or op.verb == VERB_WRITEV:
                request.block.opcode = COMMAND_PREADV if op.verb == VERB_READV else COMMAND_PWRITEV
                request.block.buffer = <uint64_t><size_t>op.extra.iov
                request.block.length = <uint64_t>op.extra.count
            else:
                request.block.opcode = COMMAND_PREAD if op.verb == VERB_READ else COMMAND_PWRITE
                request.block.buffer = <uint64_t><size_t>op.view.buf
                request.block.length = <uint64_t>op.view.len
        if request_prepare(&self.requests, request) < 0:
            request_give(&self.requests, request)
            return False
        op.state = OP_PREPARED
        if self.asleep or self.pollable >= 0:
            self.hand_over()
        return True

    cdef void ended(self, Op *op, int64_t result) noexcept:
        """The kernel is done with an operation of a file, or would not have it."""
        op.carried = False
        if result == -EAGAIN or result == -EOPNOTSUPP:
            if result == -EOPNOTSUPP:
                op.file.direct = False   # this file system has no RWF_NOWAIT
            self.resubmitted += 1
            result = self.offload(op)
            if result == 0:
                return
        if result == 0 and op_is_read(op):
            op.outcome |= END_OF_FILE
        self.finish(op, result)

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef bint stop(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef bint queued = op.state == OP_QUEUED and file != NULL and op.verb != VERB_CLOSE
        cdef bint stopped
        if op.state == OP_PREPARED:
            request_give_prepared(&self.requests, op)
            self.finish(op, -ECANCELED)
            return True
        if op.state == OP_RUNNING and op.carried:
            op.cancelled = True
            return True          # io_cancel does not know transfers
        stopped = _ReadinessPort.stop(self, op)
        if queued and file.open:
            self.watch(file)
        return stopped

    cdef int drain(self) except -1:
        cdef AioContextId context = self.context
        _PollsPort.drain(self)
        self.context = 0
        self.ring = NULL
        if context:
            with nogil:
                # SAFETY: no other thread uses the context; when this returns the kernel has let go of every buffer
                aio_destroy(context)
        return 0

    cdef int close_kernel(self) except -1:
        cdef int fd
        self.context = 0         # in a forked child it is the parent's, ring and all
        self.ring = NULL
        if self.leaked:
            self.bell = -1       # SAFETY: a helper thread will ring it: the number must not be given to another file
        for fd in (self.epfd, self.bell, self.events_fd):
            if fd >= 0:
                c_close(fd)
        self.epfd = self.bell = self.events_fd = -1
        self.close_pollable()
        return 0

    cdef void offer(self, int outer) noexcept:
        epoll_control(outer, EPOLL_CTL_ADD, self.events_fd, EPOLLIN, 0)
        epoll_control(outer, EPOLL_CTL_ADD, self.bell, EPOLLIN, 0)
        self.hand_over()
