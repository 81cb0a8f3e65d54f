# io_uring as a completion port: opening, waiting in the kernel, and closing as a barrier.

cdef enum:
    DRAIN_STEP_NS = 20000000     # close() looks at the clock this often
    FRUITLESS_US = 1000          # between two looks at a file that is ready for nothing that is wanted of it
    CONGESTED_US = 500           # the kernel is short of memory: time for others to give some back

# What a port asks of io_uring_setup(2), best first; flags that the kernel does not know are EINVAL.
#
# COOP_TASKRUN: a completion does not interrupt the thread that submitted; it is run when that thread next enters the
# kernel, at the latest with the next tick of the clock.
cdef tuple _SHARED = (
    URING_SETUP_SUBMIT_ALL | URING_SETUP_COOP_TASKRUN | URING_SETUP_TASKRUN_FLAG,
    URING_SETUP_SUBMIT_ALL,
    0,
)
cdef tuple _BOUND = (URING_SETUP_SUBMIT_ALL | URING_SETUP_SINGLE_ISSUER | URING_SETUP_DEFER_TASKRUN | URING_SETUP_TASKRUN_FLAG,)

cdef uint64_t[4] hidden_opcodes      # a test's: as if the kernel were older
cdef uint32_t hidden_features = 0


def hide(opcodes=(), features=0):
    """Let ports opened from now on see an older kernel, without these opcodes and features."""
    global hidden_features
    cdef int opcode
    memset(hidden_opcodes, 0, sizeof(hidden_opcodes))
    for opcode in opcodes:
        hidden_opcodes[opcode // 64] |= 1ULL << (opcode % 64)
    hidden_features = features


cdef class Port(_PooledPort):
    """An io_uring instance as a completion port; see compl_uring.UringPort."""

    cdef bint opened
    cdef bint deferred           # completions come only when the thread enters
    cdef uint64_t[4] opcodes

    def __init__(self, entries=256, *, bint single_thread=False):
        cdef object size = as_exact_int(entries, type(self).__name__, "entries")
        if not 1 <= size <= 32768:
            raise ValueError(f"{self.name} port: entries must be in 1..32768, not {size}")
        if self.opened:
            raise RuntimeError(f"{self.name} port: __init__() was called twice")
        self.opened = True
        self.open_ring(size, single_thread)
        self.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.bell < 0:
            error = errno
            self.close_kernel()
            raise OSError(error, f"{_os.strerror(error)}: eventfd for a {self.name} port")
        if single_thread:
            self.bound = thread_number()
            self.bound_to = PyThread_get_thread_ident()
        self.epoch = fork_count
        self.arm_bell()

    def __dealloc__(self):
        if not self.leaked:
            wishes_free(&self.wishes)

    cdef int open_ring(self, unsigned int entries, bint single_thread) except -1:
        cdef UringParams params
        cdef uint32_t flags
        cdef int status = -EINVAL
        cdef int i
        for flags in _BOUND + _SHARED if single_thread else _SHARED:
            memset(&params, 0, sizeof(params))
            params.flags = flags | URING_SETUP_CLAMP | URING_SETUP_CQSIZE
            params.cq_entries = 8 * entries
            status = ring_open(&self.uring, entries, &params)
            if status != -EINVAL:
                break
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: io_uring_setup")
        self.deferred = params.flags & URING_SETUP_DEFER_TASKRUN
        self.uring.features &= ~hidden_features
        status = ring_probe(&self.uring, self.opcodes)
        if status < 0:
            ring_close(&self.uring)
            raise OSError(-status, f"{_os.strerror(-status)}: io_uring_register(IORING_REGISTER_PROBE)")
        for i in range(4):
            self.opcodes[i] &= ~hidden_opcodes[i]
        self.native = native_of(self.opcodes, self.uring.features)
        if not port_possible(self.opcodes, self.uring.features):
            ring_close(&self.uring)
            raise OSError(ENOSYS, "Function not implemented: this io_uring has no POLL_ADD or ASYNC_CANCEL, or may drop completions")
        if self.deferred:
            ring_register_fd(&self.uring)     # refused (before 5.18) is no harm
        return 0

    cdef int close_kernel(self) except -1:
        cdef int fd
        if self.leaked:
            self.bell = -1       # SAFETY: a helper thread will ring it: the number must not be given to another file
        for fd in (self.bell, self.roll):
            if fd >= 0:
                c_close(fd)
        self.bell = self.roll = -1
        ring_close(&self.uring)
        self.close_pollable()
        return 0

    # ---- waiting --------------------------------------------------------------------------------------------------------

    cdef int harvest(self, uint64_t until, int room) except -1:
        cdef uint64_t block
        cdef size_t most = self.tables.ready.count + <size_t>room
        if ring_completed(&self.uring):
            self.early = True
            try:
                self.reap(most)
            finally:
                self.early = False
            self.collect()       # the doorbell may have been among it
        if self.fruitless and until and not self.tables.ready.count:
            self.fruitless = False
            with nogil:
                nap(FRUITLESS_US)
        while self.epoch == fork_count:
            self.grant()
            if self.deaf:
                self.arm_bell()
            block = until
            if (ring_completed(&self.uring) or self.wishes.count or self.deaf or self.refills
                    or self.tables.ready.count >= self.leader_wants):
                block = 0        # deaf: there is no room in the queue for the doorbell, and nobody could wake us
            if not block and not ring_unsubmitted(&self.uring) and not self.deferred and not ring_holds_back(&self.uring):
                break
            if self.enter(block, most) < 0 or self.epoch != fork_count:
                break
            self.reap(most)
            if not self.wishes.count and not self.deaf:
                break
        if self.epoch == fork_count:
            self.collect()
        return 0

    cdef int enter(self, uint64_t until, size_t most) except -2:
        """Submit what is filled, and wait until `until` (0: not at all) for a completion.  -1 when there is no going on."""
        cdef uint32_t count = ring_unsubmitted(&self.uring)
        cdef uint32_t flags = URING_ENTER_GETEVENTS if self.deferred or ring_holds_back(&self.uring) else 0
        cdef uint64_t now, budget = NEVER
        cdef int status
        ring_publish(&self.uring)
        self.unsubmitted = self.wishes.count != 0
        self.fresh = 0
        self.kernel_waits += 1
        if until and until != NEVER:
            now = clock_now()
            budget = until - now if until > now else 0
        if until:
            self.asleep = True
            self.asleep_until = until
        with nogil:
            # SAFETY: entries and completions stay mapped: close() waits until we are out
            status = ring_enter(&self.uring, count, until != 0, flags, budget)
        if until:
            self.asleep = False
            self.rung = False
        if self.epoch != fork_count:
            return 0             # closed meanwhile
        if ring_unsubmitted(&self.uring):
            self.unsubmitted = True
        if status >= 0:
            return 0
        if status == -EINTR or status == -ETIME:
            self.reap(most)          # a signal may come after others have
            return -1
        if status == -EBUSY or status == -EAGAIN or status == -ENOMEM:
            # the completion queue has overflowed, or memory is short: taking completions helps, and else time
            if not ring_completed(&self.uring) and until:
                with nogil:
                    nap(CONGESTED_US)
            self.reap(most)
            return -1
        raise OSError(-status, f"{_os.strerror(-status)}: {self.name} port: io_uring_enter")

    cdef int submit_now(self) except -1:
        self.hand_all()
        return 0

    cdef uint32_t hand_all(self) except? 0xFFFFFFFF:
        """Hand everything over without waiting; how many operations that was."""
        cdef uint32_t count, handed = 0
        cdef uint32_t flags = URING_ENTER_GETEVENTS if self.deferred else 0
        cdef int status = 1
        while status > 0 and self.epoch == fork_count:
            self.grant()
            count = ring_unsubmitted(&self.uring)
            if count == 0:
                break
            ring_publish(&self.uring)
            handed += self.fresh
            self.fresh = 0
            self.inside += 1     # close() keeps the ring until we are out
            with nogil:
                status = ring_enter(&self.uring, count, 0, flags, 0)
            self.inside -= 1
        if self.epoch == fork_count:
            self.unsubmitted = ring_unsubmitted(&self.uring) or self.wishes.count
        return handed

    @cython.critical_section
    def flush(self):
        self.check("flush")
        return self.hand_all()

    # ---- being watched --------------------------------------------------------------------------------------------------

    cdef void offer(self, int outer) noexcept:
        epoll_control(outer, EPOLL_CTL_ADD, self.uring.fd, EPOLLIN, 0)
        self.eager = True        # what is prepared from now on must not wait for wait()

    cdef int make_pollable(self) except -1:
        _PollablePort.make_pollable(self)
        self.hand_all()
        return 0

    # ---- closing --------------------------------------------------------------------------------------------------------

    cdef int drain(self) except -1:
        """The kernel lets go of every buffer: cancel all, and take every last completion."""
        cdef uint64_t deadline
        cdef uint32_t count, i
        cdef int status = 0
        _PooledPort.drain(self)
        ring_unregister_fd(&self.uring)      # its place is in the table of one thread, which keeps the ring open
        self.forget_entries()
        self.cancel_everything()
        deadline = clock_now() + DRAIN_SECONDS * 1000000000ULL
        while self.held:
            count = ring_unsubmitted(&self.uring)
            ring_publish(&self.uring)
            with nogil:
                status = ring_enter(&self.uring, count, 1, 0, DRAIN_STEP_NS)
            self.reap_last()
            if status == -EEXIST or clock_now() >= deadline:
                break            # EEXIST: bound to a thread that is another one, or gone
        for i in range(self.tables.ops.count if self.held else 0):
            if op_at(&self.tables.ops, i).state == OP_SUBMITTED:
                self.leaked = True       # watches use no memory of ours
        return 0

    cdef void forget_entries(self) noexcept:
        """What the kernel has not taken does not happen; watches that were to be cancelled stay to be."""
        cdef UringSqe *sqe = ring_take_back(&self.uring)
        cdef Op *op
        while sqe != NULL:
            self.held -= 1
            if sqe.user_data >> TAG_SHIFT == 0:
                op = op_find(&self.tables.ops, sqe.user_data)
                if op != NULL and op.state == OP_SUBMITTED:
                    op.state = OP_QUEUED
            elif sqe.user_data >> TAG_SHIFT == TAG_CANCEL and sqe.addr >> TAG_SHIFT == TAG_WATCH and self.make_room() == 0:
                wishes_add(&self.wishes, sqe.addr | tagged(TAG_BELL, 0))
            sqe = ring_take_back(&self.uring)

    cdef void cancel_everything(self) noexcept:
        cdef uint32_t i
        cdef uint64_t wish
        cdef int fd
        cdef Op *op
        cdef File *file
        if self.held == 0:
            return
        if self.native & ABLE_CANCEL_ANY:
            prepare_cancel_all(self.sure_entry())
            return
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.state == OP_SUBMITTED:
                prepare_cancel(self.sure_entry(), op.id)
        for fd in range(self.tables.files.size):
            file = self.tables.files.files[fd]
            if file != NULL and file.watched == ARMED:
                prepare_cancel(self.sure_entry(), tag_watch(file.watch, fd))
        while self.wishes.count:
            wish = wishes_first(&self.wishes)
            wishes_drop(&self.wishes)
            if wish >> TAG_SHIFT == TAG_BELL:
                prepare_cancel(self.sure_entry(), wish ^ tagged(TAG_BELL ^ TAG_WATCH, 0))
        prepare_cancel(self.sure_entry(), tagged(TAG_BELL, 0))

    cdef UringSqe *sure_entry(self) noexcept:
        """An entry; the kernel takes what is filled when there is none.  Nobody else uses the ring any more."""
        cdef UringSqe *sqe = ring_entry(&self.uring)
        while sqe == NULL:
            ring_publish(&self.uring)
            ring_enter(&self.uring, ring_unsubmitted(&self.uring), 0, URING_ENTER_GETEVENTS, 0)
            self.reap_last()
            sqe = ring_entry(&self.uring)
        self.held += 1
        return sqe

    cdef void reap_last(self) noexcept:
        """Take completions that nobody will see."""
        cdef UringCqe *cqe = ring_peek(&self.uring)
        cdef Op *op
        while cqe != NULL:
            if cqe.user_data >> TAG_SHIFT == 0:
                op = op_find(&self.tables.ops, cqe.user_data)
                if op != NULL:
                    if op.verb == VERB_ACCEPT and cqe.res >= 0:
                        c_close(cqe.res)     # a connection that nobody took
                    if not cqe.flags & URING_CQE_MORE:
                        op.state = OP_QUEUED
            if not cqe.flags & URING_CQE_MORE:
                self.held -= 1
            ring_advance(&self.uring, 1)
            cqe = ring_peek(&self.uring)

    # ---- about it -------------------------------------------------------------------------------------------------------

    @property
    def single_thread(self):
        """Whether one thread alone may use the port."""
        return self.bound != 0

    @property
    def kernel_files(self):
        """Whether reads and writes of files are the kernel's own."""
        return self.native & (1 << VERB_READ) and self.native & (1 << VERB_WRITE)

    def abilities(self):
        """What this kernel does by itself, and what is emulated: name -> yes or no."""
        return {
            name: "yes" if self.native & bits == bits else "no: emulated"
            for name, bits in (
                ("files", 1 << VERB_READ | 1 << VERB_WRITE | 1 << VERB_READV | 1 << VERB_WRITEV | 1 << VERB_FSYNC),
                ("sockets", 1 << VERB_RECV | 1 << VERB_SEND | 1 << VERB_RECV_FROM | 1 << VERB_SEND_TO),
                ("connections", 1 << VERB_ACCEPT | 1 << VERB_CONNECT),
                ("multishot accept", ABLE_MULTISHOT_ACCEPT),
                ("multishot receive", ABLE_MULTISHOT_RECV),
                ("wait with a timeout", 0 if self.uring.features & URING_FEAT_EXT_ARG else 1 << 31),
            )
        }

    @cython.critical_section
    def statistics(self):
        cdef dict counters = _PooledPort.statistics(self)
        counters["prepared"] = ring_unsubmitted(&self.uring) + self.wishes.count
        counters["held"] = self.held
        counters["overflowed"] = self.uring.cq_koverflow[0]
        return counters
