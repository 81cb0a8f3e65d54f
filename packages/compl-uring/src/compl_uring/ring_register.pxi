# What a ring is told once and for all: files, buffers, groups of buffers; and Ring, with everything.

#: io_uring_register(2) operations that hand memory to the kernel, or change the queues under us.
cdef frozenset _OWN_REGISTERS = frozenset({0, 1, 15, 16, 20, 21, 22, 23, 24, 30, 32, 33, 34})


cdef class BufferRing            # ring_buffers.pxi


cdef class _RegisteringRing(_EndingRing):
    cdef int call(self, uint32_t opcode, void *argument, uint32_t count, str method) except -1:
        cdef int status
        self.check(method)
        self.inside += 1
        with nogil:
            status = uring_register(self.ring.fd, opcode, argument, count)
        self.inside -= 1
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: Ring.{method}(): io_uring_register({opcode}) on fd {self.ring.fd}")
        return status

    def register(self, int opcode, argument=None, uint32_t count=0):
        cdef Py_buffer view
        if opcode in _OWN_REGISTERS:
            raise ValueError(
                f"Ring.register(): operation {opcode} gives memory or queues to the kernel; use the method that keeps them "
                "(register_buffers, buffer_ring, cancel_sync)"
            )
        if argument is None:
            return self.call(opcode, NULL, count, "register")
        if get_buffer(argument, &view, PyBUF_WRITABLE) < 0:
            refused_buffer(argument, True, "register")
        try:
            # SAFETY: the kernel reads and writes it during the call alone, given the operations that are refused above
            return self.call(opcode, view.buf, count, "register")
        finally:
            PyBuffer_Release(&view)

    def enable(self):
        self.call(URING_REGISTER_ENABLE_RINGS, NULL, 0, "enable")
        if self.ring.flags & URING_SETUP_SINGLE_ISSUER:
            self.bind()
        self.ring.flags &= ~URING_SETUP_R_DISABLED

    # ---- buffers and files ----------------------------------------------------------------------------------------------

    def register_buffers(self, buffers):
        cdef RegisteredBuffers made
        cdef UringSqe sqe
        global _making_buffers
        self.check("register_buffers")
        _making_buffers = True
        try:
            made = RegisteredBuffers.__new__(RegisteredBuffers)
        finally:
            _making_buffers = False
        hold_vector(&made.hold, &sqe, buffers, True, "register_buffers")
        made.iov = <iovec *><size_t>sqe.addr
        self.call(URING_REGISTER_BUFFERS, made.iov, made.hold.count, "register_buffers")
        self.registered = made
        return made

    def unregister_buffers(self):
        self.call(URING_UNREGISTER_BUFFERS, NULL, 0, "unregister_buffers")
        self.registered = None               # operations in flight still hold them

    cdef int with_numbers(self, uint32_t opcode, object fds, object start, str method) except -1:
        """Descriptors as an array, given to the kernel for the time of the call."""
        cdef list numbers = list(fds)
        cdef Hold hold
        cdef UringFilesUpdate update
        cdef int32_t *at
        cdef Py_ssize_t i
        cdef int status
        if not numbers:
            raise ValueError(f"Ring.{method}(): no descriptors")
        memset(&hold, 0, sizeof(hold))
        at = <int32_t *>hold_memory(&hold, len(numbers) * sizeof(int32_t))
        try:
            for i in range(len(numbers)):
                at[i] = as_exact_int(numbers[i], f"Ring.{method}", "a descriptor")
            if start is None:
                return self.call(opcode, at, <uint32_t>len(numbers), method)
            memset(&update, 0, sizeof(update))
            update.offset = as_u32(start, f"Ring.{method}", "start")
            update.fds = <uint64_t><size_t>at
            status = self.call(opcode, &update, <uint32_t>len(numbers), method)
            return status
        finally:
            hold_release(&hold)

    def register_files(self, fds):
        self.with_numbers(URING_REGISTER_FILES, fds, None, "register_files")

    def register_files_sparse(self, uint32_t count):
        cdef UringFilesRegister given
        memset(&given, 0, sizeof(given))
        given.nr = count
        given.flags = 1          # IORING_RSRC_REGISTER_SPARSE
        self.call(URING_REGISTER_FILES2, &given, sizeof(given), "register_files_sparse")

    def update_files(self, start, fds):
        return self.with_numbers(URING_REGISTER_FILES_UPDATE, fds, start, "update_files")

    def unregister_files(self):
        self.call(URING_UNREGISTER_FILES, NULL, 0, "unregister_files")

    def register_eventfd(self, fd):
        cdef int number = as_file(fd, 0, "register_eventfd")
        self.call(URING_REGISTER_EVENTFD, &number, 1, "register_eventfd")

    def unregister_eventfd(self):
        self.call(URING_UNREGISTER_EVENTFD, NULL, 0, "unregister_eventfd")

    def buffer_ring(self, uint16_t group, uint32_t count, uint32_t size):
        cdef BufferRing made = BufferRing.__new__(BufferRing)
        self.check("buffer_ring")
        made.open(self, group, count, size)
        self.kept.add(made)
        return made

    def cancel_sync(self, target=None, *, fd=None, bint all=True, timeout=None):
        cdef UringSyncCancel given
        cdef Slot *slot
        cdef uint64_t wanted, span
        memset(&given, 0, sizeof(given))
        given.fd = -1
        span = NEVER if timeout is None else as_nanoseconds(timeout, "Ring.cancel_sync", "timeout")
        given.timeout.tv_sec = -1 if span == NEVER else span // 1000000000
        given.timeout.tv_nsec = -1 if span == NEVER else span % 1000000000
        self.check("cancel_sync")
        if target is not None and fd is not None:
            raise TypeError("Ring.cancel_sync(): a target or a file, not both")
        if target is None:
            given.flags = (_CANCEL_ANY if fd is None else _CANCEL_FD) | (_CANCEL_ALL if all else 0)
            given.fd = -1 if fd is None else as_file(fd, 0, "cancel_sync")
            self.call_cancel(&given)
            return
        wanted = as_u64(target, "Ring.cancel_sync", "target")
        slot = slot_oldest(&self.slots, wanted, 0)
        while slot != NULL:
            given.addr = slot.id
            self.call_cancel(&given)
            slot = slot_oldest(&self.slots, wanted, given.addr) if all else NULL

    cdef int call_cancel(self, UringSyncCancel *given) except -1:
        try:
            self.call(URING_REGISTER_SYNC_CANCEL, given, 1, "cancel_sync")
        except FileNotFoundError:
            pass                 # it has ended
        return 0

    # ---- looking --------------------------------------------------------------------------------------------------------

    def opcodes(self):
        cdef uint64_t bits[4]
        cdef int status
        self.check("opcodes")
        status = ring_probe(&self.ring, bits)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: Ring.opcodes(): io_uring_register(IORING_REGISTER_PROBE)")
        return frozenset(code for code in range(256) if bits[code // 64] >> (code % 64) & 1)

    @property
    def features(self):
        return self.ring.features

    @property
    def flags(self):
        return self.ring.flags

    @property
    def sq_entries(self):
        return self.ring.sq_entries

    @property
    def cq_entries(self):
        return self.ring.cq_entries

    @property
    def room(self):
        self.check("room")
        return ring_room(&self.ring)

    @property
    def unsubmitted(self):
        self.check("unsubmitted")
        return ring_unsubmitted(&self.ring)

    @property
    def in_flight(self):
        return self.slots.live

    @property
    def closed(self):
        return self.epoch == NEVER or self.closing

    def fileno(self):
        if self.epoch != fork_count or self.closing:
            self.check("fileno")
        return self.ring.fd

    def statistics(self):
        return {
            "submitted": self.submitted,
            "completed": self.completed,
            "in_flight": self.slots.live,
            "foreign": self.foreign,
            "skipped": self.skipped,
            "resubmitted": self.resubmitted,
            "overflowed": self.overflowed,
        }

    def __enter__(self):
        self.check("__enter__")
        return self

    def __exit__(self, kind, error, traceback):
        self.close()


cdef class Ring(_RegisteringRing):
    """One io_uring instance; see compl_uring.ring."""


cdef int _install_ring() except -1:
    cdef Ring ring = Ring.__new__(Ring)
    cdef SubmissionEntry entry = SubmissionEntry.__new__(SubmissionEntry)
    cdef CompletionEntry done = CompletionEntry.__new__(CompletionEntry)
    ring_traverse_install(
        <PyTypeObject *>Ring, <char *>&ring.slots - <char *><PyObject *>ring,
        <PyTypeObject *>SubmissionEntry, <char *>&entry.hold - <char *><PyObject *>entry,
    )
    return entry_members_install(
        <PyTypeObject *>CompletionEntry, <char *>&done.parts - <char *><PyObject *>done
    )


_install_ring()
