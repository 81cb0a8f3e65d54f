# epoll as a completion port.
#
# One entry of the epoll set per file.  For operations it is edge-triggered (EPOLLET), set once and left; for a
# registration with an interest it is level-triggered, the mask holding what the registration and the queued operations
# want.  The entry's data is (level bit, incarnation, descriptor): events of a file that was closed behind the port's back
# (epoll goes on reporting it while a duplicate lives) do not match and are ignored.

cdef extern from "sys/timerfd.h" nogil:
    cdef struct itimerspec:
        pass
    int TFD_NONBLOCK, TFD_CLOEXEC
    int timerfd_create(int, int)

cdef extern from "sys/eventfd.h" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int, int)

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


cdef class Port(_ClosingPort):
    """An epoll set as a completion port; see compl_epoll.EpollPort."""

    cdef int epfd
    cdef bint opened
    cdef uint32_t watched_count
    cdef bint haunted            # closed files are reported, for ever
    cdef uint32_t ghosts         # events of closed files, edge-triggered, so far
    cdef int room                # of `events`
    cdef bint crowded            # the last wait filled them all
    cdef epoll_event *events
    cdef readonly int pollable   # the descriptor that fileno() gave, or -1
    cdef int signal              # eventfd: readable while the ready queue is not empty
    cdef int alarm               # timerfd: readable when a timer is due

    def __cinit__(self):
        self.epfd = self.pollable = self.signal = self.alarm = -1
        self.room = FEW_EVENTS
        self.events = <epoll_event *>malloc(FEW_EVENTS * sizeof(epoll_event))
        if self.events == NULL:
            raise MemoryError()

    def __init__(self):
        if self.opened:
            raise RuntimeError(f"{self.name} port: __init__() was called twice")
        self.opened = True
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            raise OSError(errno, f"{_os.strerror(errno)}: epoll_create1")
        self.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.bell < 0 or epoll_control(self.epfd, EPOLL_CTL_ADD, self.bell, EPOLLIN | EPOLLET, BELL) < 0:
            error = errno
            self.close_kernel()
            raise OSError(error, f"{_os.strerror(error)}: eventfd for an epoll port")
        self.epoch = fork_count

    def __dealloc__(self):
        free(self.events)

    cdef int close_kernel(self) except -1:
        cdef int fd
        if self.leaked:
            self.bell = -1       # SAFETY: a helper thread will ring it: the number must not be given to another file
        for fd in (self.epfd, self.bell, self.pollable, self.signal, self.alarm):
            if fd >= 0:
                c_close(fd)
        self.epfd = self.bell = self.pollable = self.signal = self.alarm = -1
        return 0

    # ---- the epoll set --------------------------------------------------------------------------------------------------

    cdef int sync(self, File *file) noexcept:
        cdef bint level = file.registration and file.interest and not file.disarmed and not file.muted
        cdef uint32_t needed = 0
        cdef uint32_t mask
        cdef int how, status
        cdef uint64_t data
        cdef Op *op
        if file.reading.head != NULL:
            needed = EPOLLIN
        if file.writing.head != NULL:
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

    # ---- waiting --------------------------------------------------------------------------------------------------------

    cdef int harvest(self, uint64_t until, int room) except -1:
        cdef int count, i
        cdef uint64_t now, budget
        cdef int epfd = self.epfd
        cdef epoll_event *events
        if until == 0 and self.watched_count == 0 and self.pool == NULL and self.pollable < 0:
            return 0
        if room > self.room:
            self.make_room(room)
        room = min(room, self.room)
        events = self.events
        self.kernel_waits += 1
        if until == 0:
            count = epoll_wait_ns(epfd, events, room, 0)
        else:
            budget = NEVER
            if until != NEVER:
                now = clock_now()
                budget = until - now if until > now else 0
            self.asleep = True
            self.asleep_until = until
            with nogil:
                # SAFETY: `events` is the leader's alone, and there is one; close() waits until we are out
                count = epoll_wait_ns(epfd, events, room, budget)
            self.asleep = False
            self.rung = False
        if self.epoch != fork_count:
            return 0             # closed meanwhile
        self.crowded = count == self.room
        for i in range(count):
            self.take(events[i].events, events[i].data.u64)
        self.collect()
        if self.haunted:
            self.exorcise()
        return 0

    cdef int make_room(self, int wanted) except -1:
        """Room for more events, where whole arrays of them are asked for and have come before."""
        cdef epoll_event *larger
        if not self.crowded or self.room >= MANY_EVENTS:
            return 0
        wanted = min(2 * self.room, MANY_EVENTS)
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
        bell_silence(self.bell)  # never read so far: a new set would report it at once
        epoll_control(fresh, EPOLL_CTL_ADD, self.bell, EPOLLIN | EPOLLET, BELL)
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
        if self.pollable >= 0:
            epoll_control(self.pollable, EPOLL_CTL_ADD, self.epfd, EPOLLIN, 0)
        return 0

    # ---- being watched --------------------------------------------------------------------------------------------------

    @cython.critical_section
    def fileno(self):
        self.check("fileno")
        if self.pollable < 0:
            self.make_pollable()
        return self.pollable

    cdef int make_pollable(self) except -1:
        """An outer epoll set: the inner one, an eventfd for the ready queue, a timerfd for the timers."""
        cdef int outer = epoll_create1(EPOLL_CLOEXEC)
        self.signal = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.alarm = timerfd_create(1, TFD_NONBLOCK | TFD_CLOEXEC)
        if outer < 0 or self.signal < 0 or self.alarm < 0:
            error = errno
            for fd in (outer, self.signal, self.alarm):
                if fd >= 0:
                    c_close(fd)
            self.signal = self.alarm = -1
            raise OSError(error, f"{_os.strerror(error)}: {self.name} port: fileno()")
        epoll_control(outer, EPOLL_CTL_ADD, self.epfd, EPOLLIN, 0)
        epoll_control(outer, EPOLL_CTL_ADD, self.signal, EPOLLIN, 0)
        epoll_control(outer, EPOLL_CTL_ADD, self.alarm, EPOLLIN, 0)
        self.pollable = outer
        if self.tables.ready.count:
            bell_ring(self.signal)
        self.timers_changed()
        return 0

    cdef void became_ready(self) noexcept:
        if self.pollable >= 0 and self.tables.ready.count == 1:
            bell_ring(self.signal)

    cdef void became_empty(self) noexcept:
        if self.pollable >= 0:
            bell_silence(self.signal)

    cdef void timers_changed(self) noexcept:
        if self.pollable >= 0:
            alarm_set(self.alarm, timers_next(&self.tables.timers))
