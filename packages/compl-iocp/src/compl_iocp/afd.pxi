# Readiness of sockets: one request of \Device\Afd for each socket, for all that is wanted of it, again after each answer.
#
# A request is answered once, at once if the socket is ready already.  That makes level-triggered reports: when one has been
# delivered, the next wait asks again.  Two requests for one socket get in each other's way, so what is wanted in addition
# cancels the one that is out, whose packet then starts the next.

cdef extern from "afd.h" nogil:
    ctypedef struct AfdPollOne:
        unsigned long events
    ctypedef struct AfdPollInfo:
        unsigned long count
        AfdPollOne one
    ctypedef struct PollStatus "IO_STATUS_BLOCK":
        int Status
    ctypedef struct Poll:
        PollStatus status
        AfdPollInfo info
        File *file
        Poll *next
        unsigned long events
        bint cancelled
    ctypedef struct Afd:
        uint32_t polls
        Poll *head
    unsigned long AFD_POLL_LOCAL_CLOSE
    uint32_t afd_poll(Afd *, HANDLE, File *, unsigned long)
    void afd_cancel(Afd *, Poll *)
    void afd_release(Afd *, Poll *)
    void afd_close(Afd *)
    int afd_readiness(unsigned long, int)
    unsigned long afd_events(int)
    int look_ready(const File *, int)


cdef class _ReadinessPort(_TransfersPort):
    cdef Afd afd
    cdef File *armed_first       # files to be asked for again
    cdef bint asked              # a request went out since the kernel was looked at last
    cdef bint crowded            # the last look at the kernel left something there
    cdef bint eager_polls        # somebody watches the port's handle instead of waiting: ask at once

    cdef int wanted_of(self, File *file) noexcept:
        """Interest bits of the registration, unless a report waits to be taken, and of poll()."""
        cdef int wanted = 0
        cdef Op *op = file.polling.head
        if file.registration and not file.disarmed and not file.queued:
            wanted = file.interest
        while op != NULL:
            wanted |= op.flags
            op = op.next
        return wanted

    cdef int sync(self, File *file) noexcept:
        cdef int wanted = self.wanted_of(file)
        cdef Poll *poll = <Poll *>file.system.poll
        cdef unsigned long events
        cdef uint32_t status
        cdef int means
        if not wanted:
            return 0             # what a request that is out finds is ignored
        if not file_is_socket(file):
            return -_ENOTSOCK
        events = afd_events(wanted)
        if poll != NULL:
            if poll.events & events != events and not poll.cancelled:
                afd_cancel(&self.afd, poll)
                self.asked = True
            return 0
        status = afd_poll(&self.afd, self.handle(), file, events)
        if status == 0:
            self.asked = True
            return 0
        means = error_means(DOMAIN_NTSTATUS, status, kind_of_verb[VERB_POLL])
        return -means if means > 0 else -EINVAL

    cdef int refused(self, File *file, int status, str method) except -1:
        if status == -_ENOTSOCK:
            raise OSError(
                _ENOTSOCK, f"{_errors.describe(_ENOTSOCK)}: {self.name} port: {method}(): handle {file.fd} is no socket, and "
                           "Windows tells the readiness of sockets only; use Interest.NONE and read() or write()")
        return _TransfersPort.refused(self, file, status, method)

    # ---- answers --------------------------------------------------------------------------------------------------------

    cdef void answered_poll(self, Poll *poll) noexcept:
        cdef File *file = poll.file
        cdef unsigned long events = poll.info.one.events if poll.status.Status == 0 and poll.info.count else 0
        cdef bint cancelled = poll.cancelled
        cdef bint broken = poll.status.Status < 0 and not cancelled
        afd_release(&self.afd, poll)
        if file == NULL:
            return
        file.system.poll = NULL
        if events & AFD_POLL_LOCAL_CLOSE or broken:
            self.fail_queue(&file.polling, -EBADF)   # closed behind the port's back: nobody will hear of it again
            return
        if self.stale(file):
            self.forget(file)
            return
        if events:
            self.tell(file, events)
        self.ask_again(file)

    cdef bint stale(self, File *file) noexcept:
        """Closed behind the port's back: what a request finds from now on may be another file's."""
        cdef int number
        if file.polling.head != NULL and self.lost(file, file.polling.head):
            return True
        if file.object == NULL or file.closing != NULL or not keeps_number(file.object):
            return False
        number = descriptor_of(file.object)
        if number == DESCRIPTOR_UNCLEAR:
            PyErr_Clear()
        return number != file.fd

    cdef void ask_again(self, File *file) noexcept:
        if self.sync(file) < 0:
            self.fail_queue(&file.polling, -EBADF)

    cdef void tell(self, File *file, unsigned long events) noexcept:
        """Who waits for what a request has found."""
        cdef Op *op = file.polling.head
        cdef Op *following
        cdef int readiness
        while op != NULL:
            following = op.next
            readiness = afd_readiness(events, op.flags)
            if readiness:
                op_unlink(&file.polling, op)
                self.done(op, readiness)
            op = following
        if not file.registration or not file.interest or file.disarmed or file.queued:
            return
        readiness = afd_readiness(events, file.interest)
        if readiness and (self.crowded or self.eager_polls):
            readiness = self.still(file, readiness)  # the packet may have waited for some time
        if readiness and self.report(file, readiness) == 0 and file.queued:
            file.muted = True
            file.disarmed = file.oneshot

    cdef int still(self, File *file, int readiness) noexcept:
        cdef int now = look_ready(file, file.interest)
        return readiness if now < 0 else readiness & (now | 12)

    cdef void unmuted(self, File *file) noexcept:
        if self.eager_polls:
            self.sync(file)
        elif not file.system.armed:
            file.system.armed = True
            file.system.next_armed = self.armed_first
            self.armed_first = file

    cdef void arm(self) noexcept:
        """Ask again for what has been reported and delivered."""
        cdef File *file
        while self.armed_first != NULL:
            file = self.armed_first
            self.armed_first = file.system.next_armed
            file.system.armed = False
            if self.stale(file):
                self.forget(file)
            else:
                self.ask_again(file)

    # ---- readiness as an operation --------------------------------------------------------------------------------------

    cdef void start_poll(self, Op *op) noexcept:
        cdef File *file = op.file
        cdef int status
        if file.kind == FILE_BLOCKING:
            self.finish(op, op.flags)    # what cannot be watched never blocks: always ready
            return
        op.state = OP_QUEUED
        op_append(&file.polling, op)
        status = self.sync(file)
        if status < 0:
            op_unlink(&file.polling, op)
            self.done(op, status)

    # ---- ending ---------------------------------------------------------------------------------------------------------

    cdef void orphan(self, File *file) noexcept:
        """Nobody waits any more for the request that is out; its packet is still to come."""
        cdef Poll *poll = <Poll *>file.system.poll
        if poll == NULL:
            return
        file.system.poll = NULL
        poll.file = NULL
        if not poll.cancelled:
            afd_cancel(&self.afd, poll)

    cdef void unwatch(self, File *file) noexcept:
        if file.polling.head == NULL:
            self.orphan(file)
        self.let_go(file)

    cdef void unwatch_closing(self, File *file) noexcept:
        self.orphan(file)

    cdef void fail_all(self, File *file, int64_t result) noexcept:
        self.orphan(file)
        _TransfersPort.fail_all(self, file, result)
