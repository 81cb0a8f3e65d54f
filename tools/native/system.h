/* The operating system, as far as every backend needs it: sockets and vectors, the clock, numbers of files.  POSIX here,
   the same names for Windows beside it. */
#ifndef COMPL_SYSTEM_H
#define COMPL_SYSTEM_H
#ifdef _WIN32
#include "system_windows.h"
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The place of a number in a table of files. */
#define FILE_PLACE(fd) (fd)

/* CLOCK_MONOTONIC, ns. */
static inline uint64_t clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void store_release(uint32_t *place, uint32_t value) { __atomic_store_n(place, value, __ATOMIC_RELEASE); }
static inline uint32_t load_acquire(const uint32_t *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }
static inline void *pointer_acquire(void *place) { return __atomic_load_n((void **)place, __ATOMIC_ACQUIRE); }

static inline void nap(unsigned microseconds) { usleep(microseconds); }

static inline int process_id(void) { return getpid(); }

/* 0, or -1 with errno. */
static inline int close_number(int fd) { return close(fd); }

/* Whether the number may be looked at: a backend whose numbers are sparse asks before it makes a record. */
static inline int number_is_open(int fd) {
    (void)fd;
    return 1;
}

/* Whether close() would wait for data to be sent (SO_LINGER). */
static inline int lingers(int fd) {
    struct linger linger = {0, 0};
    socklen_t length = sizeof linger;
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff && linger.l_linger > 0;
}
#endif
#endif
