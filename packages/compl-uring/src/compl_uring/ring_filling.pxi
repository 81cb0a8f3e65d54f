# Filling the submission queue and handing it over.

cdef class _FillingRing(_ReapingRing):
    @cython.critical_section
    cdef object put(self, UringSqe *sqe, Hold *hold, object user_data, int flags):
        self.place(sqe, hold, user_data, flags, False)
        return None

    cdef Slot *place(self, UringSqe *sqe, Hold *hold, object user_data, int flags, bint large) except NULL:
        """Queue an entry with a slot; from here on the slot holds what it needs."""
        cdef Slot *slot
        cdef uint64_t number
        if not plain_u64(<PyObject *>user_data, &number):
            user_data = as_u64_object(user_data, "Ring", "user_data")
            number = user_data
        if self.epoch != fork_count or self.closing or self.bound and self.bound != thread_number():
            self.check("submit")             # only now: code of the user has run
        if not 0 <= flags <= 0xFF:
            raise OverflowError(f"flags {flags:#x} do not fit the 8 bits of an entry")
        if ring_room(&self.ring) == 0:
            self.make_room()
        slot = slot_take(&self.slots, number)
        if slot == NULL:
            raise MemoryError(f"Ring: {self.slots.live} operations are in flight")
        sqe.user_data = slot.id
        # The kernel's way to skip completions would never tell when the operation lets go of what it holds.
        slot.skip = (flags & URING_SQE_CQE_SKIP_SUCCESS) != 0
        sqe.flags = flags & ~URING_SQE_CQE_SKIP_SUCCESS
        if sqe.opcode == URING_OP_ASYNC_CANCEL or sqe.opcode == URING_OP_POLL_REMOVE or sqe.opcode == URING_OP_TIMEOUT_REMOVE:
            self.aim(sqe, slot)
        if hold != NULL:
            slot.hold = hold[0]
            slot.holds = True
        Py_INCREF(<PyObject *>user_data)
        slot.user_data = <PyObject *>user_data
        ring_place(&self.ring, sqe, large)
        self.bulk += sqe.len
        self.chained = (flags & (URING_SQE_IO_LINK | URING_SQE_IO_HARDLINK)) != 0
        return slot

    cdef void aim(self, UringSqe *sqe, Slot *slot) noexcept:
        """Name the target's slot in place of its user_data; with several of one user_data, more cancels are to follow."""
        cdef Slot *target
        cdef uint64_t wanted = sqe.addr
        if sqe.opcode == URING_OP_ASYNC_CANCEL and (
            sqe.op_flags & (_CANCEL_FD | _CANCEL_ANY | _CANCEL_OP) and not sqe.op_flags & _CANCEL_USERDATA
        ):
            return
        target = slot_oldest(&self.slots, wanted, 0)
        if target == slot:           # the only one of this user_data
            target = NULL
        sqe.addr = target.id if target != NULL else 0
        if sqe.opcode == URING_OP_ASYNC_CANCEL and sqe.op_flags & _CANCEL_ALL and target != NULL:
            self.cancel_others(sqe, slot, wanted, target)

    cdef void cancel_others(self, UringSqe *sqe, Slot *leader, uint64_t wanted, Slot *first) noexcept:
        """cancel(all=True) of a user_data that several have: one entry each, and one completion for all of them."""
        cdef UringSqe other
        cdef Slot *part
        cdef Slot *target = slot_oldest(&self.slots, wanted, first.id)
        leader.pending = 1
        leader.leader = leader
        while target != NULL:
            if target != leader:
                if ring_room(&self.ring) < 2 and not self.try_room(2):
                    return               # those that do not fit stay; the result says how many were reached
                part = slot_take(&self.slots, 0)
                if part == NULL:
                    return
                memset(&other, 0, sizeof(other))
                other.opcode = URING_OP_ASYNC_CANCEL
                other.fd = -1
                other.addr = target.id
                other.op_flags = sqe.op_flags
                other.user_data = part.id
                part.leader = leader
                leader.pending += 1
                ring_place(&self.ring, &other, False)
            target = slot_oldest(&self.slots, wanted, target.id)

    cdef int make_room(self) except -1:
        """Submit what is queued, without waiting."""
        if self.chained:
            raise BlockingIOError(
                EAGAIN,
                f"Ring: the queue of {self.ring.sq_entries} entries is full in the middle of a chain of linked ones; "
                "submit() before the chain, or make a ring with more entries",
            )
        self.flush("submit")
        if not self.try_room(1):
            self.check("submit")
            raise BlockingIOError(
                EBUSY, f"Ring: the queue of {self.ring.sq_entries} entries is full, and the kernel takes none; reap() first"
            )
        return 0

    cdef bint try_room(self, uint32_t wanted) noexcept:
        """Room for as many, if need be by entering; no code of the user runs."""
        cdef int turn
        for turn in range(64):
            if ring_room(&self.ring) >= wanted:
                return True
            ring_publish(&self.ring)
            if self.ring.flags & URING_SETUP_SQPOLL:
                self.enter(0, 0, URING_ENTER_SQ_WAIT | (URING_ENTER_SQ_WAKEUP if ring_sleeps(&self.ring) else 0), NEVER)
            else:
                self.enter(ring_unsubmitted(&self.ring), 0, 0, NEVER)
            if self.epoch == NEVER:
                return False
        return ring_room(&self.ring) >= wanted

    def submit_raw(self, entry, user_data=None, flags=None, *, keep=None):
        self.push(entry, user_data, flags, keep)

    @cython.critical_section
    cdef int push(self, object entry, object user_data, object flags, object keep) except -1:
        cdef SubmissionEntry given
        cdef UringSqe copy[2]
        cdef Hold hold
        cdef int bits
        cdef object number
        if isinstance(entry, SubmissionEntry):
            given = entry
            if given.pushed_:
                raise ValueError("Ring.submit_raw(): this SubmissionEntry was handed to a ring before; make another")
        else:
            given = SubmissionEntry(entry)
        self.check("submit_raw")
        if given.large_ and not self.ring.flags & URING_SETUP_SQE128:
            raise ValueError("Ring.submit_raw(): an entry of 128 bytes needs a ring made with SetupFlags.SQE128")
        number = given.sqe[0].user_data if user_data is None else as_u64_object(user_data, "Ring.submit_raw", "user_data")
        bits = given.sqe[0].flags if flags is None else flags
        copy[0] = given.sqe[0]
        copy[1] = given.sqe[1]
        if copy[0].opcode == URING_OP_PROVIDE_BUFFERS:
            raise ValueError(
                "Ring.submit_raw(): PROVIDE_BUFFERS hands out memory for longer than its own operation, which nobody "
                "could keep alive; use Ring.buffer_ring()"
            )
        if copy[0].opcode == URING_OP_POLL_REMOVE and copy[0].len & _POLL_UPDATE_USER_DATA:
            raise ValueError("Ring.submit_raw(): IORING_POLL_UPDATE_USER_DATA would hide the operation from this ring")
        hold = given.hold
        if keep is not None:
            # SAFETY: an entry without a hold of its own; what `keep` is must own all that the entry points to
            keep = (keep, <object>hold.owner) if hold.owner != NULL else keep
            Py_INCREF(<PyObject *>keep)
            hold.owner = <PyObject *>keep
        try:
            self.place(&copy[0], &hold, number, bits, given.large_)
        except BaseException:
            if keep is not None:
                Py_DECREF(<PyObject *>keep)
            raise
        if keep is not None and given.hold.owner != NULL:
            Py_DECREF(given.hold.owner)      # `keep` refers to it now
        memset(&given.hold, 0, sizeof(given.hold))
        given.pushed_ = True
        return 0

    # ---- handing over ---------------------------------------------------------------------------------------------------

    cdef int64_t flush(self, str method) except -1:
        """Hand over all that is queued."""
        cdef uint64_t before = self.submitted
        cdef uint32_t count
        cdef int taken, refusals = 0
        self.chained = False
        while True:
            count = self.show()
            if count == 0:
                break
            taken = self.enter(count, 0, 0, NEVER)
            if taken > 0:
                refusals = 0
            elif taken == 0 or taken == -EBUSY or taken == -EAGAIN:
                refusals += 1            # completions are in the way, or memory is short
                self.spare += self.take_all(0xFFFFFFFF)
                self.enter(0, 0, URING_ENTER_GETEVENTS, NEVER)
                if refusals > 64:
                    self.failed(taken or -EAGAIN, method)
            elif taken == -EINTR:
                PyErr_CheckSignals()
            else:
                self.failed(taken, method)
            if self.closing:
                self.check(method)
        return <int64_t>(self.submitted - before)

    @cython.critical_section
    def submit(self):
        self.check("submit")
        return self.flush("submit")
