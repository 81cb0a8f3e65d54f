# fileno(): one descriptor that is readable when wait() would return something.
#
# An outer epoll set watches what the kernel object offers (descriptors of the backend), an eventfd that is readable while
# the ready queue is not empty, and a timerfd for the timers.  All of it is made at the first call: who never asks pays nothing.

cdef extern from "sys/timerfd.h" nogil:
    int TFD_NONBLOCK, TFD_CLOEXEC
    int timerfd_create(int, int)

cdef extern from "sys/eventfd.h" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int, int)

cdef extern from "sys/epoll.h" nogil:
    cdef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLET, EPOLLONESHOT

cdef extern from "epoll_calls.h" nogil:
    int epoll_wait_ns(int, epoll_event *, int, uint64_t)
    int epoll_control(int, int, int, uint32_t, uint64_t)
    void alarm_set(int, uint64_t)


cdef class _PollablePort(_ClosingPort):
    cdef readonly int pollable   # the descriptor that fileno() gave, or -1
    cdef int signal              # eventfd: readable while the ready queue is not empty
    cdef int alarm               # timerfd: readable when a timer is due

    def __cinit__(self):
        self.pollable = self.signal = self.alarm = -1

    @cython.critical_section
    def fileno(self):
        self.check("fileno")
        if self.pollable < 0:
            self.make_pollable()
        return self.pollable

    cdef int make_pollable(self) except -1:
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
        epoll_control(outer, EPOLL_CTL_ADD, self.signal, EPOLLIN, 0)
        epoll_control(outer, EPOLL_CTL_ADD, self.alarm, EPOLLIN, 0)
        self.pollable = outer
        self.offer(outer)
        if self.tables.ready.count:
            bell_ring(self.signal)
        self.timers_changed()
        return 0

    cdef int close_pollable(self) noexcept:
        cdef int fd
        for fd in (self.pollable, self.signal, self.alarm):
            if fd >= 0:
                c_close(fd)
        self.pollable = self.signal = self.alarm = -1
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

    # ---- for the backend ------------------------------------------------------------------------------------------------

    cdef void offer(self, int outer) noexcept:
        """Put into that epoll set what becomes readable when the kernel object has something."""
