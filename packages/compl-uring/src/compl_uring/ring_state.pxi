# The ring's state: its queues, what its operations hold, who may use it, and entering the kernel.

cdef enum:
    _LITTLE = 0x40000            # bytes that are copied in some tens of microseconds


cdef class _RingState(_Entries):
    """Queues, waiting and ending.  All state is guarded by the GIL (on free-threaded builds by a critical section); it is
    consistent where that is let go of: in the kernel, and where code of the user runs."""

    cdef UringRing ring
    cdef SlotTable slots
    cdef uint64_t epoch          # fork_count when opened; NEVER before, and once closed
    cdef uint64_t bound          # number of the one thread that may enter; 0 is any
    cdef unsigned long bound_to  # ... as Python calls it
    cdef bint closing            # no more entries, completions are let go of unseen
    cdef bint chained            # the newest entry links to the next
    cdef bint asks               # completions come only to who enters for them
    cdef uint32_t inside         # threads in the kernel, without the GIL
    cdef uint64_t bulk           # what the queued entries may move, in bytes; of entries that move nothing, anything
    cdef uint32_t doubt, skip    # see submits_first()
    cdef int cancels             # how close() cancels everything (ring_ending.pxi)
    cdef int pid
    cdef uint64_t submitted, completed, foreign, resubmitted, overflowed, skipped
    cdef list spare              # completions taken off the queue that no call has returned yet
    cdef set kept                # what the kernel uses beyond single operations: buffer rings, registered buffers
    cdef object registered       # RegisteredBuffers, or None
    cdef object __weakref__

    def __cinit__(self, *arguments, **named):
        self.epoch = NEVER
        self.ring.fd = -1
        self.spare = []
        self.kept = set()

    def __init__(
        self, entries, *, cq_entries=None, flags=0, sq_thread_idle=None, sq_thread_cpu=None, attach=None
    ):
        cdef UringParams params
        cdef uint32_t number = as_u32(entries, "Ring", "entries")
        cdef int status
        if self.epoch != NEVER or self.closing:
            raise ValueError("Ring.__init__(): the ring is open; make another")
        memset(&params, 0, sizeof(params))
        params.flags = as_u32(flags, "Ring", "flags")
        if params.flags & (URING_SETUP_NO_MMAP | URING_SETUP_REGISTERED_FD_ONLY | URING_SETUP_SQE_MIXED):
            raise ValueError(
                "Ring(): NO_MMAP, REGISTERED_FD_ONLY and SQE_MIXED are not offered: the ring maps its own memory, and its "
                "entries are all of one size; ask for SQE128"
            )
        if cq_entries is not None:
            params.cq_entries = as_u32(cq_entries, "Ring", "cq_entries")
            params.flags |= URING_SETUP_CQSIZE
        if sq_thread_idle is not None:
            params.sq_thread_idle = as_u32(sq_thread_idle, "Ring", "sq_thread_idle")
            params.flags |= URING_SETUP_SQPOLL
        if sq_thread_cpu is not None:
            params.sq_thread_cpu = as_u32(sq_thread_cpu, "Ring", "sq_thread_cpu")
            params.flags |= URING_SETUP_SQPOLL | URING_SETUP_SQ_AFF
        if attach is not None:
            params.wq_fd = as_file(attach, 0, "Ring")
            params.flags |= URING_SETUP_ATTACH_WQ
        status = ring_open(&self.ring, number, &params)
        if status < 0:
            raise OSError(
                -status, f"{_os.strerror(-status)}: io_uring_setup of {number} entries with flags {params.flags:#x}"
            )
        if not params.features & URING_FEAT_NODROP:
            ring_close(&self.ring)
            raise OSError(ENOSYS, "this kernel loses completions when the queue overflows; Linux 5.6 is the oldest that will do")
        getrandom(&self.slots.sequence, sizeof(self.slots.sequence), 0)
        self.slots.sequence |= 1ull << 39
        self.asks = (params.flags & URING_SETUP_IOPOLL) != 0 or (params.flags & URING_SETUP_DEFER_TASKRUN) != 0
        if params.flags & URING_SETUP_SINGLE_ISSUER and not params.flags & URING_SETUP_R_DISABLED:
            self.bind()
        self.pid = c_getpid()
        self.epoch = fork_count

    cdef void bind(self) noexcept:
        """One thread alone enters from now on: the kernel can keep the ring's file at hand for it."""
        self.bound = thread_number()
        self.bound_to = PyThread_get_thread_ident()
        ring_register_fd(&self.ring)         # Linux 5.18; where it fails (16 a thread), the descriptor does

    def __dealloc__(self):
        # SAFETY: __del__ has seen to the operations; what it could not end has been forgotten, and is never freed
        if self.ring.fd >= 0:
            ring_close(&self.ring)
        slot_table_free(&self.slots)

    cdef int check(self, str method) except -1:
        """Refuse a ring that is closed, another process's, or another thread's."""
        if self.epoch == fork_count and not self.closing:
            if self.bound and self.bound != thread_number():
                raise _errors.WrongThreadError(
                    f"Ring.{method}(): the ring was made with SINGLE_ISSUER by thread {self.bound_to}, and this is thread "
                    f"{PyThread_get_thread_ident()}; make a ring in each thread, or one without SINGLE_ISSUER"
                )
            return 0
        if self.epoch == NEVER or self.closing:
            raise _errors.PortClosedError(f"Ring.{method}(): the ring is closed")
        raise _errors.ForkedPortError(
            f"Ring.{method}(): the ring belongs to process {self.pid}, and this is its forked child {c_getpid()}; "
            "make a new one after the fork"
        )

    # ---- entering -------------------------------------------------------------------------------------------------------

    cdef int enter(self, uint32_t count, uint32_t wanted, uint32_t flags, uint64_t budget) noexcept:
        """Entries taken, or -errno.  The GIL is let go of, unless this neither waits nor moves much: submitting does not
        block, and is then sooner done than the GIL is passed on."""
        cdef int taken
        if wanted == 0 and count and self.bulk <= _LITTLE and not self.ring.flags & URING_SETUP_IOPOLL:
            taken = ring_enter(&self.ring, count, 0, flags, NEVER)
        else:
            self.inside += 1
            with nogil:
                # SAFETY: the queues stay mapped while a thread is inside; close() waits for that
                taken = ring_enter(&self.ring, count, wanted, flags, budget)
            self.inside -= 1
        if count:
            self.bulk = 0
        if taken > 0:
            self.submitted += <uint32_t>taken
            if <uint32_t>taken < count:
                self.resubmitted += count - <uint32_t>taken
        elif taken < 0 and count:
            self.resubmitted += count
        return taken

    cdef bint submits_first(self) noexcept:
        """Whether to submit without waiting, and wait only for what is not complete by then.  Where that was in vain, as
        it is with sockets, it is tried again only after twice as many turns."""
        if self.skip:
            self.skip -= 1
            return False
        return self.bulk <= _LITTLE

    cdef int failed(self, int error, str method) except -1:
        raise OSError(-error, f"{_os.strerror(-error)}: Ring.{method}(): io_uring_enter on fd {self.ring.fd}")

    cdef uint32_t show(self) noexcept:
        """Let the kernel see all that is queued; how many entries have to be handed to it by entering."""
        cdef uint32_t fresh
        if self.ring.flags & URING_SETUP_SQPOLL:
            fresh = ring_fresh(&self.ring)
            ring_publish(&self.ring)
            self.submitted += fresh
            if ring_unsubmitted(&self.ring) and ring_sleeps(&self.ring):
                self.enter(0, 0, URING_ENTER_SQ_WAKEUP, NEVER)
            return 0
        ring_publish(&self.ring)
        return ring_unsubmitted(&self.ring)
