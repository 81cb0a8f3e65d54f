# The end of a ring: nothing that the kernel may still write to is ever freed.

cdef object _finalizing = _sys.is_finalizing    # at hand also when the sys module is emptied

cdef enum:
    _NOBODYS = 1                 # user_data of entries that have no slot

cdef enum:
    BY_CALL
    BY_ENTRY
    ONE_BY_ONE


cdef class _EndingRing(_WaitingRing):
    def close(self, timeout=10.0):
        cdef uint64_t budget = as_nanoseconds(timeout, "Ring.close", "timeout")
        if self.epoch == NEVER:
            return
        if self.epoch != fork_count:
            self.abandon()
            return
        if not self.closing:
            self.check("close")
        self.end(budget)

    def __del__(self):
        cdef uint32_t live = self.slots.live
        cdef int fd = self.ring.fd
        cdef bint unclosed = not self.closing
        if self.epoch == NEVER:
            return
        if self.epoch != fork_count:
            self.abandon()
            return
        try:
            self.end(2000000000)
        finally:
            if live and unclosed and not _finalizing():
                _warnings.warn(
                    f"unclosed Ring on fd {fd}: {live} operations are in flight; close() it, or use it in a with statement",
                    ResourceWarning, 1,
                )

    cdef void abandon(self) noexcept:
        """In a forked child: the operations are the parent's, and so is the memory that they write to."""
        cdef uint32_t index
        self.closing = True
        self.epoch = NEVER
        for index in range(self.slots.count):
            if slot_at(&self.slots, index).id:
                Py_CLEAR(slot_at(&self.slots, index).user_data)
                hold_release(&slot_at(&self.slots, index).hold)
        ring_close(&self.ring)
        self.forget()

    cdef int forget(self) except -1:
        self.spare = []
        self.registered = None
        self.kept = set()

    @cython.critical_section
    cdef int end(self, uint64_t budget) except -1:
        """Cancel all, see every operation end, then unmap: closing the descriptor alone stops nobody's writes."""
        cdef uint64_t deadline = after(budget)
        cdef bint foreign_thread = self.bound and self.bound != thread_number()
        cdef int taken
        self.closing = True
        self.spare = []
        self.drop_queued()
        if self.epoch == NEVER:
            return 0                         # code of the user has, as a buffer was given back
        while (self.slots.live or self.inside) and not foreign_thread:
            self.cancel_everything()
            taken = self.enter(self.show(), 1, URING_ENTER_GETEVENTS, 20000000)
            self.discard()
            if taken == -EINTR:
                PyErr_CheckSignals()         # close() may be called again
            if self.epoch == NEVER:
                return 0                     # a handler, or another thread, has done it
            if clock_now() >= deadline:
                break
        if self.slots.live or self.inside:
            return self.leak(foreign_thread)
        self.epoch = NEVER
        self.unbind()
        ring_close(&self.ring)
        self.forget()
        return 0

    cdef void unbind(self) noexcept:
        """In the thread that the ring was bound to; one that has ended has let go of it already."""
        if self.ring.entered and self.bound == thread_number():
            ring_unregister_fd(&self.ring)

    cdef void drop_queued(self) noexcept:
        """Take back the entries that the kernel has not been given."""
        cdef uint64_t id
        cdef Slot *slot
        cdef Slot *dropped = NULL
        cdef bint shown = self.inside == 0 and not self.ring.flags & URING_SETUP_SQPOLL
        while True:
            id = ring_withdraw(&self.ring, shown)
            if id == 0:
                break
            slot = slot_find(&self.slots, id)
            if slot != NULL:
                Py_CLEAR(slot.user_data)
                slot.next = dropped
                dropped = slot
        self.let_go(dropped)

    cdef void cancel_everything(self) noexcept:
        """Past the queue where the kernel can (Linux 6.0): an entry for it would wait behind one with IO_DRAIN."""
        cdef UringSyncCancel given
        cdef UringSqe sqe
        cdef int status
        if self.inside and ring_room(&self.ring):
            memset(&sqe, 0, sizeof(sqe))     # a NOP, which wakes the threads that wait
            sqe.user_data = _NOBODYS
            ring_place(&self.ring, &sqe, False)
        if self.cancels == BY_CALL:
            memset(&given, 0, sizeof(given))
            given.fd = -1
            given.flags = _CANCEL_ANY | _CANCEL_ALL
            self.inside += 1
            with nogil:
                status = uring_register(self.ring.fd, URING_REGISTER_SYNC_CANCEL, &given, 1)
            self.inside -= 1
            if status != -EINVAL:
                return
            self.cancels = BY_ENTRY
        if self.cancels == BY_ENTRY:
            self.place_cancel(_CANCEL_ANY | _CANCEL_ALL, 0)
        else:
            self.cancel_each()

    cdef bint place_cancel(self, uint32_t flags, uint64_t id) noexcept:
        cdef UringSqe sqe
        if not self.try_room(1):
            return False
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_ASYNC_CANCEL
        sqe.fd = -1
        sqe.op_flags = flags
        sqe.addr = id
        sqe.user_data = _NOBODYS
        ring_place(&self.ring, &sqe, False)
        return True

    cdef void cancel_each(self) noexcept:
        """Before Linux 5.19."""
        cdef uint32_t index
        for index in range(self.slots.count):
            if slot_at(&self.slots, index).id and not self.place_cancel(0, slot_at(&self.slots, index).id):
                break

    cdef void discard(self) noexcept:
        """Let go of what has completed."""
        cdef UringCqe *cqe
        cdef Slot *slot
        cdef Slot *ended = NULL
        while self.epoch != NEVER:
            cqe = ring_peek(&self.ring)
            if cqe == NULL:
                break
            slot = slot_find(&self.slots, cqe.user_data)
            if slot != NULL and not cqe.flags & URING_CQE_MORE:
                Py_CLEAR(slot.user_data)
                slot.next = ended
                ended = slot
                self.completed += 1
            elif cqe.user_data == _NOBODYS and cqe.res == -EINVAL:
                self.cancels = ONE_BY_ONE    # it does not know how to cancel everything at once
            ring_advance(&self.ring, ring_width(&self.ring, cqe))
        self.let_go(ended)

    cdef int leak(self, bint foreign_thread) except -1:
        """Nobody may ever free what the kernel still writes to."""
        cdef uint32_t index, live = self.slots.live
        cdef Slot *slot
        for index in range(self.slots.count):
            slot = slot_at(&self.slots, index)
            if slot.id:
                memset(&slot.hold, 0, sizeof(slot.hold))
        Py_INCREF(<PyObject *>self.kept)     # SAFETY: never given back, as the exports above
        Py_INCREF(<PyObject *>self.registered)
        _unended.append((self.kept, self.registered))
        why = "it ended in another thread than its own" if foreign_thread else "they did not end in time"
        self.epoch = NEVER
        fd = self.ring.fd
        if self.inside:
            Py_INCREF(<PyObject *>self)      # the queues stay mapped for who is inside
        else:
            self.unbind()
            ring_close(&self.ring)
        if _finalizing():
            return 0
        _warnings.warn(
            f"Ring on fd {fd}: {live} operations are still in flight, as {why}; their buffers are never freed",
            ResourceWarning, 1,
        )
        return 0


cdef list _unended = []
