/* Waking threads: the doorbell of the one in the kernel, futexes for the others, and the count of forks. */
#ifndef COMPL_BELL_H
#define COMPL_BELL_H
#include <stddef.h>
#include <stdint.h>
#include "system.h"

/* A thread that waits outside the kernel's queue; lives on its stack. */
typedef struct Sleeper Sleeper;
struct Sleeper {
    Sleeper *next, *prev;
    size_t want;             /* completions that it waits for */
    uint32_t woken;
    uint32_t listed;
};

typedef struct {
    Sleeper *head, *tail;
} SleeperList;

static inline void sleeper_append(SleeperList *list, Sleeper *sleeper) {
    sleeper->woken = 0;
    sleeper->listed = 1;
    sleeper->next = NULL;
    sleeper->prev = list->tail;
    if (list->tail) list->tail->next = sleeper;
    else list->head = sleeper;
    list->tail = sleeper;
}

static inline void sleeper_remove(SleeperList *list, Sleeper *sleeper) {
    if (!sleeper->listed) return;
    if (sleeper->prev) sleeper->prev->next = sleeper->next;
    else list->head = sleeper->next;
    if (sleeper->next) sleeper->next->prev = sleeper->prev;
    else list->tail = sleeper->prev;
    sleeper->listed = 0;
}

/* The first that `count` completions would satisfy. */
static inline Sleeper *sleeper_for(const SleeperList *list, size_t count) {
    Sleeper *sleeper = list->head;
    while (sleeper && sleeper->want > count) sleeper = sleeper->next;
    return sleeper;
}

static inline void sleeper_mark(Sleeper *sleeper) {
    store_release(&sleeper->woken, 1);
}

/* How often this process is a forked child: a port that remembers another number belongs to an ancestor. */
static uint64_t fork_count;

#ifdef _WIN32
#include "bell_windows.h"
#else
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

/* The doorbell is an eventfd watched edge-triggered: a write wakes, nobody has to read it back. */
static inline void bell_ring(int fd) {
    static const uint64_t one = 1;
    /* EAGAIN: the counter is full, hence the bell has been rung; EINTR cannot happen on a write that does not block. */
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

static inline void bell_silence(int fd) {
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {}
}

/* Wait until woken, until `deadline` (CLOCK_MONOTONIC, ns) or a signal.  0 or -errno. */
static inline int sleeper_sleep(Sleeper *sleeper, uint64_t deadline) {
    struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    if (syscall(SYS_futex, &sleeper->woken, FUTEX_WAIT_BITSET_PRIVATE, 0, deadline == UINT64_MAX ? NULL : &until, NULL,
                FUTEX_BITSET_MATCH_ANY) < 0 && errno != EAGAIN)
        return -errno;
    return 0;
}

/* May run after the sleeper has gone (it timed out): waking an address that nobody waits on does nothing. */
static inline void sleeper_wake(uint32_t *address) {
    syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void fork_counted(void) { fork_count++; }

static inline int fork_watch(void) {
    return pthread_atfork(NULL, NULL, fork_counted);
}
#endif
#endif
