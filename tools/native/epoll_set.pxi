# An epoll set that watches the files of a port.
#
# One entry of the set per file.  For operations it is edge-triggered (EPOLLET), set once and left; for a registration with
# an interest it is level-triggered, the mask holding what the registration and the queued operations want.  The entry's
# data is (level bit, incarnation, descriptor): events of a file that was closed behind the port's back (epoll goes on
# reporting it while a duplicate lives) do not match and are ignored.

cdef extern from "unistd.h" nogil:
    int dup3(int, int, int)
    int O_CLOEXEC

cdef enum:
    ABSENT = 0                   # File.watched: not in the epoll set
    EDGE = 1
    LEVEL = 2
    DORMANT = 3                  # in the set, disabled by EPOLLONESHOT
    FEW_EVENTS = 64              # taken by one call, at first
    MANY_EVENTS = 4096           # and at most
    GHOSTS = 64                  # events of closed files that are put up with

cdef uint64_t BELL = 0xFFFFFFFFFFFFFFFF
cdef uint64_t LEVEL_BIT = 1ULL << 63


cdef class _EpollSetPort(_PollablePort):
    cdef int epfd
    cdef uint32_t watched_count
    cdef bint haunted            # closed files are reported, for ever
    cdef uint32_t ghosts         # events of closed files, edge-triggered, so far
    cdef int room                # of `events`
    cdef bint crowded            # the last wait filled them all
    cdef epoll_event *events

    def __cinit__(self):
        self.epfd = -1
        self.room = FEW_EVENTS
        self.events = <epoll_event *>malloc(FEW_EVENTS * sizeof(epoll_event))
        if self.events == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.events)

    cdef int sync(self, File *file) noexcept:
        cdef bint level = file.registration and file.interest and not file.disarmed and not file.muted
        cdef uint32_t needed = 0
        cdef uint32_t mask
        cdef int how, status
        cdef uint64_t data
        cdef Op *op
        if file_wants_reading(file):
            needed = EPOLLIN
        if file.writing.head != NULL and not file.writing.head.heap_index:
            needed |= EPOLLOUT
        op = file.polling.head
        while op != NULL:
            needed |= (EPOLLIN if op.flags & 1 else 0) | (EPOLLOUT if op.flags & 2 else 0)
            op = op.next
        data = (<uint64_t>file.incarnation << 32) | <uint32_t>file.fd
        if level:
            mask = needed | (EPOLLIN if file.interest & 1 else 0) | (EPOLLOUT if file.interest & 2 else 0)
            if file.oneshot and not needed:
                mask |= EPOLLONESHOT
            how = LEVEL
            data |= LEVEL_BIT
            if file.watched == LEVEL and file.mask == mask and not file.oneshot:
                return 0
        elif needed:
            mask = needed | EPOLLRDHUP | EPOLLPRI | EPOLLET
            if file.watched == EDGE:
                if file.mask & mask == mask:
                    return 0
                mask |= file.mask
            how = EDGE
        else:
            if file.watched == LEVEL:
                self.remove(file)
            return 0
        status = epoll_control(self.epfd, EPOLL_CTL_MOD if file.watched else EPOLL_CTL_ADD, file.fd, mask, data)
        if status == -ENOENT and file.watched:       # closed behind our back, and opened again as the same file
            self.watched_count -= 1
            file.watched = ABSENT
            status = epoll_control(self.epfd, EPOLL_CTL_ADD, file.fd, mask, data)
        elif status == -EEXIST:                      # still there from before the number was reused and reused again
            status = epoll_control(self.epfd, EPOLL_CTL_MOD, file.fd, mask, data)
        if status < 0:
            return status
        if not file.watched:
            self.watched_count += 1
        file.watched = how
        file.mask = mask
        return 0

    cdef void remove(self, File *file) noexcept:
        if file.watched:
            epoll_control(self.epfd, EPOLL_CTL_DEL, file.fd, 0, 0)
            self.watched_count -= 1
            file.watched = ABSENT
            file.mask = 0

    cdef void unwatch(self, File *file) noexcept:
        if file.reading.head == NULL and file.writing.head == NULL and file.polling.head == NULL:
            self.remove(file)
        else:
            self.sync(file)

    cdef void unwatch_closing(self, File *file) noexcept:
        self.remove(file)

    cdef void unmuted(self, File *file) noexcept:
        self.sync(file)

    cdef void recheck(self, File *file) noexcept:
        cdef uint64_t data
        if file.watched == ABSENT:
            return
        data = (<uint64_t>file.incarnation << 32) | <uint32_t>file.fd | (LEVEL_BIT if file.watched == LEVEL else 0)
        if epoll_control(self.epfd, EPOLL_CTL_MOD, file.fd, file.mask, data) == -ENOENT:
            self.forget(file)
            file.open = True
            file.ready = CAN_READ | CAN_WRITE

    cdef int make_room(self) noexcept:
        """Room for more events, where whole arrays of them have come."""
        cdef epoll_event *larger
        cdef int wanted = min(2 * self.room, MANY_EVENTS)
        if not self.crowded or self.room >= MANY_EVENTS:
            return 0
        larger = <epoll_event *>realloc(self.events, wanted * sizeof(epoll_event))
        if larger != NULL:
            self.events = larger
            self.room = wanted
        return 0

    cdef int take(self, uint32_t events, uint64_t data) except -1:
        """One event."""
        cdef File *file
        cdef int readiness
        if data == BELL:
            return 0             # posts are in the ready queue; helper threads' results are collected in any case
        file = file_at(&self.tables.files, <int><uint32_t>data)
        if file == NULL or not file.open or file.incarnation != <uint32_t>((data & ~LEVEL_BIT) >> 32):
            self.ghosts += 1
            if data & LEVEL_BIT or self.ghosts >= GHOSTS:
                self.haunted = True
            return 0
        if file.watched == LEVEL and file.mask & EPOLLONESHOT:
            file.watched = DORMANT
            file.mask = 0
        self.became(file, <int>events)
        if file.registration and file.interest and not file.disarmed and data & LEVEL_BIT:
            readiness = as_readiness(<int>events, file.interest)
            if readiness:
                if file.queued:
                    file.muted = True        # reported already, and not taken yet: silent until it is
                else:
                    self.report(file, readiness)
                    file.disarmed = file.oneshot
        if file.watched == LEVEL:
            self.sync(file)
        return 0

    cdef int exorcise(self) except -1:
        """A closed file whose duplicate lives is reported for ever and cannot be removed: leave it behind in the old set."""
        cdef File *file
        cdef int fd
        cdef uint8_t watched
        cdef int fresh = epoll_create1(EPOLL_CLOEXEC)
        if fresh < 0:
            return 0             # no descriptor left: at the next wait, then
        self.haunted = False
        self.ghosts = 0
        self.furnish(fresh)
        dup3(fresh, self.epfd, O_CLOEXEC)    # under the old number, which other threads and fileno() know
        c_close(fresh)
        self.watched_count = 0
        for fd in range(self.tables.files.size):
            file = self.tables.files.files[fd]
            if file == NULL:
                continue
            watched = file.watched
            file.watched = ABSENT
            file.mask = 0
            if watched == EDGE or watched == LEVEL:
                self.watch(file)
        self.refurnished()
        return 0

    # ---- for the backend ------------------------------------------------------------------------------------------------

    cdef void furnish(self, int epfd) noexcept:
        """Put the port's own descriptors into a fresh set."""

    cdef void refurnished(self) noexcept:
        """The set behind `epfd` is another one now."""
