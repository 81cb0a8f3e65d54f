/* epoll with nanoseconds: epoll_pwait2 (Linux 5.11) where the kernel has it, else epoll_wait rounded up. */
#ifndef COMPL_EPOLL_CALLS_H
#define COMPL_EPOLL_CALLS_H
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28)
#endif
#ifndef EPOLLWAKEUP
#define EPOLLWAKEUP (1u << 29)
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441  /* the same on every architecture: it is newer than the unified table */
#endif

static int epoll_pwait2_known;  /* 1: the kernel has it, -1: it has not, 0: not asked yet */

/* Wait for at most `nanoseconds` (UINT64_MAX: for ever).  The count, or -errno. */
static inline int epoll_wait_ns(int epfd, struct epoll_event *events, int room, uint64_t nanoseconds) {
    int count;
    if (nanoseconds == 0 || nanoseconds == UINT64_MAX) {
        count = epoll_wait(epfd, events, room, nanoseconds ? -1 : 0);
        return count < 0 ? -errno : count;
    }
    if (__atomic_load_n(&epoll_pwait2_known, __ATOMIC_RELAXED) >= 0) {
        struct { int64_t seconds, nanoseconds; } budget = {(int64_t)(nanoseconds / 1000000000u),
                                                           (int64_t)(nanoseconds % 1000000000u)};
        count = (int)syscall(SYS_epoll_pwait2, epfd, events, room, &budget, NULL, (size_t)8);
        if (count >= 0 || errno != ENOSYS) return count < 0 ? -errno : count;
        __atomic_store_n(&epoll_pwait2_known, -1, __ATOMIC_RELAXED);
    }
    uint64_t milliseconds = nanoseconds / 1000000u + (nanoseconds % 1000000u != 0);
    count = epoll_wait(epfd, events, room, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
    return count < 0 ? -errno : count;
}

/* Ask the kernel, on an empty epoll set. */
static inline void epoll_learn_pwait2(int epfd) {
    struct epoll_event event;
    epoll_wait_ns(epfd, &event, 1, 1);
    int none = 0;
    __atomic_compare_exchange_n(&epoll_pwait2_known, &none, 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline int epoll_control(int epfd, int operation, int fd, uint32_t mask, uint64_t data) {
    struct epoll_event event = {.events = mask, .data.u64 = data};
    return epoll_ctl(epfd, operation, fd, &event) < 0 ? -errno : 0;
}

/* Let the timerfd become readable at `deadline` (CLOCK_MONOTONIC, ns); UINT64_MAX: never. */
static inline void alarm_set(int fd, uint64_t deadline) {
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (deadline != UINT64_MAX) {
        if (!deadline) deadline = 1;  /* 0 would disarm it */
        when.it_value.tv_sec = (time_t)(deadline / 1000000000u);
        when.it_value.tv_nsec = (long)(deadline % 1000000000u);
    }
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The compiler's view of the structure, for the layout tests. */
enum {
    EPOLL_EVENT_SIZE = sizeof(struct epoll_event),
    EPOLL_EVENT_ALIGN = _Alignof(struct epoll_event),
    EPOLL_EVENT_EVENTS = offsetof(struct epoll_event, events),
    EPOLL_EVENT_DATA = offsetof(struct epoll_event, data)
};
#endif
