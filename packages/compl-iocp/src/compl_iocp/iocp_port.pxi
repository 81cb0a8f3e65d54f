# The completion port itself: taking packets, being watched, and the end.

cdef extern from "handles.h" nogil:
    ctypedef struct Packet "OVERLAPPED_ENTRY":
        size_t lpCompletionKey
        void *lpOverlapped
        size_t Internal
        DWORD dwNumberOfBytesTransferred
    size_t PACKET_OPERATION, PACKET_EVENT, PACKET_POLL
    DWORD INFINITE
    HANDLE INVALID_HANDLE_VALUE
    HANDLE CreateIoCompletionPort(HANDLE, HANDLE, size_t, DWORD)
    bint GetQueuedCompletionStatusEx(HANDLE, Packet *, unsigned long, unsigned long *, DWORD, bint)
    DWORD GetLastError()

cdef extern from "alarm.h" nogil:
    ctypedef struct Alarm:
        HANDLE timer
    bint alarm_open(Alarm *, int)
    void alarm_set(Alarm *, uint64_t)
    void alarm_close(Alarm *)

cdef enum:
    PACKETS = 256                # taken by one call, at most
    STUBBORN_NS = 20000000       # how often a helper thread is asked again to give up
    DRAIN_MS = 20


cdef class Port(_ClosingPort):
    """An I/O completion port as a completion port of compl_core; see compl_iocp.IocpPort."""

    cdef bint opened
    cdef readonly bint watched   # fileno() was called: the handle is signalled while there is something to return
    cdef bint marked             # ... by a packet of our own that is in the kernel's queue
    cdef Alarm alarm
    cdef Packet packets[PACKETS]

    def __init__(self):
        cdef HANDLE handle
        if self.opened:
            raise RuntimeError(f"{self.name} port: __init__() was called twice")
        self.opened = True
        handle = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0)
        if handle == NULL:
            raise _error_table.system_error(_error_table.Domain.WIN32, GetLastError())
        self.bell = <int><size_t>handle
        self.epoch = fork_count

    def __dealloc__(self):
        if not self.leaked and self.pool == NULL:
            free(self.chunks.sorted)

    # ---- waiting --------------------------------------------------------------------------------------------------------

    cdef int harvest(self, uint64_t until, int room) except -1:
        cdef int rounds
        if until == 0 and not self.kernel_ops and not self.afd.polls and self.armed_first == NULL and self.pool == NULL \
                and not self.watched and not self.refills:
            return 0             # nothing can be there
        room = min(room, PACKETS)
        self.kernel_waits += 1
        for rounds in range(3):
            self.arm()
            self.asked = False
            if until == 0:
                self.receive(0, room)
            else:
                self.block(until, room)
            self.collect()
            if until or not self.asked or self.tables.ready.count:
                break            # else a request went out, or was cancelled for another: its answer may be there already
        if self.watched and self.tables.ready.count:
            self.mark()
        return 0

    cdef int block(self, uint64_t until, int room) except -1:
        """Wait, on the main thread for a moment only: nothing else tells of Ctrl-C."""
        cdef uint64_t slice = until_handlers(until)
        if self.stubborn:
            slice = min(slice, clock_now() + STUBBORN_NS)
        self.asleep = True
        self.asleep_until = until
        try:
            self.receive(milliseconds_until(slice), room)
        finally:
            self.asleep = False
            self.rung = False
        return 0

    cdef int receive(self, DWORD milliseconds, int room) except -1:
        """Take what is in the kernel's queue, also when the port was closed meanwhile: records must hear of their end."""
        cdef unsigned long count = 0
        cdef unsigned long i
        cdef HANDLE handle = self.handle()
        cdef Packet *packets = self.packets
        cdef bint found
        if milliseconds:
            with nogil:
                # SAFETY: `packets` is the leader's alone, and there is one; close() waits until we are out
                found = GetQueuedCompletionStatusEx(handle, packets, room, &count, milliseconds, False)
        else:
            found = GetQueuedCompletionStatusEx(handle, packets, room, &count, 0, False)
        if not found:
            count = 0            # it may have been written to all the same
        self.crowded = self.crowded and count > 0 or count == <unsigned long>room
        for i in range(count):
            self.take(&packets[i])
        self.crowded = count == <unsigned long>room
        return 0

    cdef void take(self, Packet *packet) noexcept:
        cdef size_t key = packet.lpCompletionKey
        if packet.lpOverlapped == NULL:
            self.marked = False  # the bell: who posted has put something into the ready queue, or wants to be heard
        elif key == PACKET_POLL:
            self.answered_poll(<Poll *>packet.lpOverlapped)
        elif key == PACKET_OPERATION or key == PACKET_EVENT:
            self.landed(packet.lpOverlapped, <uint32_t>packet.Internal, packet.dwNumberOfBytesTransferred, key == PACKET_EVENT)

    # ---- being watched --------------------------------------------------------------------------------------------------

    @cython.critical_section
    def fileno(self):
        self.check("fileno")
        if not self.watched:
            if not alarm_open(&self.alarm, self.bell):
                raise _error_table.system_error(_error_table.Domain.WIN32, GetLastError())
            self.watched = self.eager_polls = True
            self.arm()
            self.timers_changed()
            if self.tables.ready.count:
                self.mark()
        return self.bell

    cdef void mark(self) noexcept:
        """The handle is signalled while its queue has packets: one that says nothing stands for our own queue."""
        if not self.marked:
            self.marked = True
            bell_ring(self.bell)

    cdef void became_ready(self) noexcept:
        if self.watched and self.tables.ready.count == 1:
            self.mark()

    cdef void timers_changed(self) noexcept:
        if self.watched:
            alarm_set(&self.alarm, timers_next(&self.tables.timers))

    # ---- the end --------------------------------------------------------------------------------------------------------

    cdef int drain(self) except -1:
        cdef uint64_t deadline = after(<uint64_t>DRAIN_SECONDS * 1000000000)
        while self.end_calls():
            if clock_now() >= deadline:
                self.leaked = True
                break
            self.receive(DRAIN_MS, PACKETS)
            self.collect()
        self.release_handles()
        return _ClosingPort.drain(self)

    cdef bint end_calls(self) noexcept:
        """Cancel what is out; whether there is any."""
        cdef uint32_t i
        cdef Op *op
        cdef Poll *poll = self.afd.head
        cdef bint any = self.kernel_ops or poll != NULL
        while poll != NULL:
            poll.file = NULL
            if not poll.cancelled:
                afd_cancel(&self.afd, poll)
            poll = poll.next
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.system.in_kernel:
                cancel_io(op)
            elif op.state == OP_POOLED and pool_take_back(self.pool, op):
                self.done(op, -ECANCELED)
            elif op.state == OP_RUNNING and self.pool != NULL and self.pool.running:
                cancel_blocking(self.pool, op)
                any = True
        return any

    cdef void release_handles(self) noexcept:
        """Other ports may have the files, where an object that still has the number vouches for it."""
        cdef int place
        cdef File *file
        for place in range(self.tables.files.size):
            file = self.tables.files.files[place]
            if file != NULL and file.open and file.object != NULL and keeps_number(file.object) and \
                    descriptor_of(file.object) == file.fd:
                self.let_go(file)

    cdef int close_kernel(self) except -1:
        if self.leaked:
            self.bell = -1       # SAFETY: what goes on will tell this handle: its number must not be another's
            return 0
        alarm_close(&self.alarm)
        afd_close(&self.afd)
        if self.bell >= 0:
            CloseHandle(self.handle())
        self.bell = -1
        return 0
