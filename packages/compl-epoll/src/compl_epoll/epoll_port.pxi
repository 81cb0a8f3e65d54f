# epoll as a completion port: the set of files (epoll_set.pxi) with the doorbell in it is what the port waits on.

cdef class Port(_EpollSetPort):
    """An epoll set as a completion port; see compl_epoll.EpollPort."""

    cdef bint opened

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

    cdef int close_kernel(self) except -1:
        cdef int fd
        if self.leaked:
            self.bell = -1       # SAFETY: a helper thread will ring it: the number must not be given to another file
        for fd in (self.epfd, self.bell):
            if fd >= 0:
                c_close(fd)
        self.epfd = self.bell = -1
        self.close_pollable()
        return 0

    cdef int harvest(self, uint64_t until, int room) except -1:
        cdef int count, i
        cdef uint64_t now, budget
        cdef int epfd = self.epfd
        cdef epoll_event *events
        if until == 0 and self.watched_count == 0 and self.pool == NULL and self.pollable < 0:
            return 0
        if room > self.room:
            self.make_room()
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

    # ---- the layers below ask -------------------------------------------------------------------------------------------

    cdef void offer(self, int outer) noexcept:
        epoll_control(outer, EPOLL_CTL_ADD, self.epfd, EPOLLIN, 0)

    cdef void furnish(self, int epfd) noexcept:
        bell_silence(self.bell)  # never read so far: a new set would report it at once
        epoll_control(epfd, EPOLL_CTL_ADD, self.bell, EPOLLIN | EPOLLET, BELL)

    cdef void refurnished(self) noexcept:
        if self.pollable >= 0:
            self.offer(self.pollable)
