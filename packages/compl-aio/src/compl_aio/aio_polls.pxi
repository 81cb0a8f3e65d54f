# Watching files.
#
# Readiness is IOCB_CMD_POLL: one request for each direction of a file that operations wait for, and one for what a
# registration is interested in.  Each gives one event, and is armed again when it is needed; the kernel looks at the level
# when it is armed, so nothing is missed in between.  Files that POLL does not take are watched by an epoll set, which one
# POLL watches.

cdef enum:
    FRUITLESS = 4                # POLL keeps saying ready to an operation that is not
    DROPPED_NS = 5000            # from a poll's event to the end of its reference to the file


cdef class _PollsPort(_RequestsPort):

    cdef int sync(self, File *file) noexcept:
        cdef uint32_t wanted[FOR_FILES]
        cdef Watch *watch
        cdef Op *op = file.polling.head
        cdef int purpose
        cdef int status = 0
        wanted[FOR_READING] = POLLIN if file_wants_reading(file) else 0
        # what has a timer is "ready" all the time, and has no room with its peer
        wanted[FOR_WRITING] = POLLOUT if file.writing.head != NULL and not file.writing.head.heap_index else 0
        wanted[FOR_INTEREST] = 0
        while op != NULL:
            wanted[FOR_READING] |= POLLIN if op.flags & 1 else 0
            wanted[FOR_WRITING] |= POLLOUT if op.flags & 2 else 0
            op = op.next
        if file.registration and file.interest and not file.disarmed and not file.muted:
            wanted[FOR_INTEREST] = (POLLIN if file.interest & 1 else 0) | (POLLOUT if file.interest & 2 else 0)
        watch = watch_of(&self.requests, file)
        if watch == NULL:
            return -ENOMEM
        if watch.way == WAY_UNKNOWN and (wanted[FOR_READING] or wanted[FOR_WRITING] or wanted[FOR_INTEREST]):
            watch.way = WAY_POLL if pollable_by_aio(file) else WAY_EPOLL
        if watch.way == WAY_EPOLL:
            status = self.sync_set(file)
        else:
            for purpose in range(FOR_FILES):
                if watch.armed[purpose] != NULL and watch.armed[purpose].block.buffer != wanted[purpose]:
                    self.give_up(watch.armed[purpose])
                    watch.armed[purpose] = NULL
                if wanted[purpose] and watch.armed[purpose] == NULL:
                    watch.armed[purpose] = self.ask(purpose, file.fd, wanted[purpose])
                    if watch.armed[purpose] == NULL:
                        status = self.send_to_set(file)
                        break
                    watch.armed[purpose].of.file = file
                    self.polls += 1
        if self.asleep or self.pollable >= 0:
            self.hand_over()
        return status

    cdef void give_up(self, Request *request) noexcept:
        """Its event, which comes all the same, means nothing any more."""
        cdef AioEvent event
        if request.place == SET_ASIDE:
            request.purpose = FOR_NOBODY     # the kernel does not get it
        elif request.place:
            request_unprepare(&self.requests, request)
            request_give(&self.requests, request)
            self.polls -= 1
        else:
            request.purpose = FOR_NOBODY
            self.requests.watches[request.of.file.fd].leaving += 1
            aio_cancel(self.context, &request.block, &event)     # EINPROGRESS, or it has just ended

    cdef void give_up_all(self, File *file) noexcept:
        cdef int purpose
        cdef Watch *watch
        if file.fd >= self.requests.watch_count:
            return
        watch = &self.requests.watches[file.fd]
        for purpose in range(FOR_FILES):
            if watch.armed[purpose] != NULL:
                self.give_up(watch.armed[purpose])
                watch.armed[purpose] = NULL

    cdef void let_go(self, File *file) noexcept:
        self.give_up_all(file)

    cdef void unwatch(self, File *file) noexcept:
        if file.watched:
            _EpollSetPort.unwatch(self, file)
        self.sync(file)

    cdef void unwatch_closing(self, File *file) noexcept:
        self.give_up_all(file)
        _EpollSetPort.unwatch_closing(self, file)

    cdef void close_now(self, File *file) noexcept:
        """A poll refers to its file until its event has come: closed before, the file would live on for its peers."""
        self.give_up_all(file)
        if file.fd < self.requests.watch_count and self.requests.watches[file.fd].leaving:
            return               # gone() comes back
        _EpollSetPort.close_now(self, file)

    cdef void gone(self, File *file) noexcept:
        """The kernel has no more to do with a poll that was given up."""
        cdef uint64_t until
        if file == NULL:
            return
        self.requests.watches[file.fd].leaving -= 1
        if file.closing != NULL and file.in_flight == 0:
            until = clock_now() + DROPPED_NS
            while clock_now() < until:
                pass             # the event is published just before the kernel drops its reference
            self.close_now(file)

    # ---- files that POLL does not take ----------------------------------------------------------------------------------

    cdef int sync_set(self, File *file) noexcept:
        cdef int status
        if self.epfd < 0:
            self.epfd = epoll_create1(EPOLL_CLOEXEC)
            if self.epfd < 0:
                return -errno
        status = _EpollSetPort.sync(self, file)
        if self.watched_count and self.set_request == NULL:
            self.set_request = self.ask(FOR_SET, self.epfd, POLLIN)
        return status

    cdef int send_to_set(self, File *file) noexcept:
        """From now on this file is watched by the epoll set."""
        self.give_up_all(file)
        watch_of(&self.requests, file).way = WAY_EPOLL
        return self.sync_set(file)

    cdef void poll_refused(self, File *file, long status) noexcept:
        if status == -EBADF:
            self.forget(file)
        else:
            self.resubmitted += 1
            self.send_to_set(file)

    cdef void look_into_set(self) noexcept:
        cdef int count, i
        if self.epfd < 0:
            return
        self.make_room()
        count = epoll_wait_ns(self.epfd, self.events, self.room, 0)
        self.crowded = count == self.room
        for i in range(count):
            self.take(self.events[i].events, self.events[i].data.u64)
        if self.haunted:
            self.exorcise()
        if self.watched_count and self.set_request == NULL:
            self.set_request = self.ask(FOR_SET, self.epfd, POLLIN)

    cdef void refurnished(self) noexcept:
        cdef AioEvent event
        if self.set_request == NULL:
            return
        if self.set_request.place == 0:      # it is about the set that was left behind
            self.set_request.purpose = FOR_NOBODY
            self.set_request.of.file = NULL
            self.polls += 1
            aio_cancel(self.context, &self.set_request.block, &event)
            self.set_request = self.ask(FOR_SET, self.epfd, POLLIN)

    # ---- events ---------------------------------------------------------------------------------------------------------

    cdef void operations_ready(self, File *file, OpQueue *queue, int readiness) noexcept:
        cdef uint32_t incarnation = file.incarnation
        cdef Op *first = queue.head
        cdef uint64_t identity = first.id if first != NULL else 0
        cdef uint64_t moved = first.moved if first != NULL else 0
        cdef Watch *watch
        if readiness:
            self.became(file, readiness)
        if file.incarnation != incarnation:
            return               # it was another file
        watch = &self.requests.watches[file.fd]
        if readiness and first != NULL and queue.head == first and first.id == identity and first.moved == moved:
            # Ready by its level, and not for this operation (a datagram to somebody whose queue is full, the error queue):
            # asking again would never sleep.  An edge will tell.
            watch.fruitless += 1
            if watch.fruitless >= FRUITLESS:
                self.resubmitted += 1
                self.send_to_set(file)
        else:
            watch.fruitless = 0
        self.watch(file)

    cdef void interest_met(self, File *file, int readiness, bint fresh) noexcept:
        if not file.registration or not file.interest or file.disarmed:
            return
        if self.strayed(file):
            self.forget(file)
            return
        if not fresh:            # it may have been read since
            readiness = poll_now(file.fd, (POLLIN if file.interest & 1 else 0) | (POLLOUT if file.interest & 2 else 0))
        if readiness & ~POLLOUT:
            file.ready |= CAN_READ
        if readiness & (POLLOUT | POLLERR | POLLHUP):
            file.ready |= CAN_WRITE
        readiness = as_readiness(readiness, file.interest)
        if readiness:
            if not file.queued:
                self.report(file, readiness)
                file.disarmed = file.oneshot and file.queued
            file.muted = file.queued     # not asked for again before it is delivered
        self.sync(file)

    cdef bint strayed(self, File *file) noexcept:
        """The number of a registered file has been given to another one behind the port's back."""
        if file.object != NULL and keeps_number(file.object):
            return descriptor_of(file.object) != file.fd
        return not file_same(file)
