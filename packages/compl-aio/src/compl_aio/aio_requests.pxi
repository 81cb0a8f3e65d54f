# Requests on their way to the kernel.
#
# They are prepared, and handed over in one io_submit when the leader is about to wait (at once, when somebody waits
# already, or watches fileno()).

cdef enum:
    ASKED_EVENTS = 512           # what io_setup is asked for, and counts in fs.aio-nr
    MOST_POLLS = 384             # of them; files beyond that go to the epoll set
    MOST_OPERATIONS = 126        # and so many of files; one is left for the bell, one for the epoll set

CONTEXT_EVENTS = ASKED_EVENTS    # for Python


cdef class _RequestsPort(_EpollSetPort):
    cdef AioContextId context    # 0 once it is destroyed
    cdef Requests requests
    cdef uint32_t polls          # requests for files, prepared and given up ones too
    cdef uint32_t carried        # operations that the kernel has
    cdef Request *bell_request   # NULL: not armed
    cdef Request *set_request
    cdef int events_fd           # eventfd: the kernel counts events there
    cdef bint handing            # in hand_over()

    def __cinit__(self):
        self.events_fd = -1

    def __dealloc__(self):
        requests_free(&self.requests)

    @cython.critical_section
    def statistics(self):
        counters = _EpollSetPort.statistics(self)
        counters["polls"] = self.polls
        counters["carried"] = self.carried
        counters["prepared"] = self.requests.prepared_count
        counters["in_epoll_set"] = self.watched_count
        return counters

    cdef Request *ask(self, int purpose, int fd, uint32_t mask) noexcept:
        """Prepare a POLL; NULL when there is no room for it."""
        cdef Request *request
        if purpose < FOR_FILES and self.polls >= MOST_POLLS:
            return NULL
        request = request_take(&self.requests, purpose)
        if request == NULL:
            return NULL
        request.block.opcode = COMMAND_POLL
        request.block.fd = <uint32_t>fd
        request.block.buffer = mask
        request.block.flags = BLOCK_RESFD
        request.block.resfd = <uint32_t>self.events_fd
        if request_prepare(&self.requests, request) < 0:
            request_give(&self.requests, request)
            return NULL
        return request

    cdef void arm_bell(self) noexcept:
        if self.bell_request == NULL:
            self.bell_request = self.ask(FOR_BELL, self.bell, POLLIN)
        self.hand_over()

    # ---- to the kernel --------------------------------------------------------------------------------------------------

    @cython.critical_section
    def flush(self):
        self.check("flush")
        return self.hand_over()

    cdef uint32_t hand_over(self) noexcept:
        """io_submit what is prepared; how many the kernel took."""
        cdef uint32_t count, done
        cdef uint32_t taken = 0
        cdef long status
        if self.handing or self.context == 0:
            return 0
        self.handing = True
        while self.requests.prepared_count:
            count = requests_batch(&self.requests, MOST_OPERATIONS - self.carried)
            done = 0
            self.mark_carried(count)
            while done < count:
                status = aio_submit(self.context, count - done, self.requests.batch + done)
                if status > 0:
                    done += <uint32_t>status
                    taken += <uint32_t>status
                elif status != -EINTR:
                    # what is wrong with a request is told when it is the first
                    requests_set_aside(&self.requests, done + 1, count)
                    self.refuse(<Request *>self.requests.batch[done], status if status else -EAGAIN)
                    done += 1
                    count = self.take_up(done, count)
            if count == 0 or self.crowded_out():
                break
        self.handing = False
        return taken

    cdef void mark_carried(self, uint32_t count) noexcept:
        cdef uint32_t i
        cdef Request *request
        for i in range(count):
            request = <Request *>self.requests.batch[i]
            if request.purpose == FOR_OPERATION:
                request.of.op.state = OP_RUNNING
                request.of.op.carried = True
                self.carried += 1

    cdef uint32_t take_up(self, uint32_t done, uint32_t count) noexcept:
        """Go on with what was set aside; some of it may have been given up, when a file turned out to be closed."""
        cdef uint32_t i
        cdef uint32_t kept = done
        cdef Request *request
        for i in range(done, count):
            request = <Request *>self.requests.batch[i]
            request.place = 0
            if request.purpose == FOR_NOBODY:
                request_give(&self.requests, request)
                self.polls -= 1
            else:
                self.requests.batch[kept] = &request.block
                kept += 1
        return kept

    cdef bint crowded_out(self) noexcept:
        """What is left has to wait until something has ended."""
        return self.carried >= MOST_OPERATIONS or (self.bell_request != NULL and self.bell_request.place != 0)

    cdef void refuse(self, Request *request, long status) noexcept:
        """The kernel did not take it."""
        cdef File *file
        cdef Op *op
        if request.purpose == FOR_OPERATION:
            op = request.of.op
            request_give(&self.requests, request)
            self.carried -= 1
            self.ended(op, status)
        elif request.purpose == FOR_BELL:
            self.bell_request = NULL
            request_give(&self.requests, request)
        elif request.purpose == FOR_SET:
            self.set_request = NULL
            request_give(&self.requests, request)
        else:
            file = request.of.file
            self.requests.watches[file.fd].armed[request.purpose] = NULL
            request_give(&self.requests, request)
            self.polls -= 1
            self.poll_refused(file, status)

    # ---- for the layers above -------------------------------------------------------------------------------------------

    cdef void poll_refused(self, File *file, long status) noexcept:
        """The kernel would not arm a poll."""

    cdef void ended(self, Op *op, int64_t result) noexcept:
        """The kernel is done with an operation of a file, or would not have it."""
