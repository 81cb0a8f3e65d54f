/* One io_uring instance: setup, the mapped queues, entering the kernel.

   Nothing here touches Python objects.  Whoever calls keeps others out (the GIL, a critical section): the queues have one
   writer at a time.  The kernel is the other side; every index that it writes is loaded with acquire order, every index
   that it reads is stored with release order (io_uring(7), "memory barriers"). */
#ifndef COMPL_RING_H
#define COMPL_RING_H
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "uring_abi.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif

typedef struct {
    int fd;                  /* -1: closed */
    int enter_fd;            /* fd, or the index of the registered one */
    uint32_t flags, features;
    uint32_t entered;        /* URING_ENTER_* for every enter: REGISTERED_RING */
    uint32_t sq_mask, sq_entries, sq_tail /* filled; published by ring_publish() */, sqe_shift;
    uint32_t *sq_khead, *sq_ktail, *sq_kflags, *sq_kdropped;
    UringSqe *sqes;
    uint32_t cq_mask, cq_entries, cqe_shift;
    uint32_t *cq_khead, *cq_ktail, *cq_koverflow;
    UringCqe *cqes;
    void *sq_map, *cq_map;
    size_t sq_map_size, cq_map_size, sqes_size;
} UringRing;

static inline int uring_setup(uint32_t entries, UringParams *params) {
    long fd = syscall(SYS_io_uring_setup, entries, params);
    return fd < 0 ? -errno : (int)fd;
}

static inline int uring_register(int fd, uint32_t opcode, void *arg, uint32_t count) {
    long status = syscall(SYS_io_uring_register, fd, opcode, arg, count);
    return status < 0 ? -errno : (int)status;
}

static inline void ring_unmap(UringRing *ring) {
    /* SAFETY: the caller has seen to it that nobody else uses the queues */
    if (ring->sqes) munmap(ring->sqes, ring->sqes_size);
    if (ring->cq_map && ring->cq_map != ring->sq_map) munmap(ring->cq_map, ring->cq_map_size);
    if (ring->sq_map) munmap(ring->sq_map, ring->sq_map_size);
    ring->sqes = NULL;
    ring->sq_map = ring->cq_map = NULL;
}

static inline void ring_close(UringRing *ring) {
    int fd = ring->fd;
    ring->fd = ring->enter_fd = -1;
    ring_unmap(ring);
    if (fd >= 0) close(fd);
}

static inline void *ring_map(int fd, size_t size, uint64_t offset) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

/* Set up a ring; `params` as io_uring_setup(2) takes it, and filled by the kernel.  0 or -errno, with nothing left open.
   The descriptor is close-on-exec by the kernel's own doing. */
static inline int ring_open(UringRing *ring, uint32_t entries, UringParams *params) {
    memset(ring, 0, sizeof *ring);
    ring->fd = ring->enter_fd = -1;
    int fd = uring_setup(entries, params);
    if (fd < 0) return fd;
    ring->fd = ring->enter_fd = fd;
    ring->flags = params->flags;
    ring->features = params->features;
    ring->sqe_shift = params->flags & URING_SETUP_SQE128 ? 1 : 0;
    ring->cqe_shift = params->flags & URING_SETUP_CQE32 ? 1 : 0;
    ring->sq_map_size = params->sq_off.array + (params->flags & URING_SETUP_NO_SQARRAY ? 0 : params->sq_entries * sizeof(uint32_t));
    ring->cq_map_size = params->cq_off.cqes + ((size_t)params->cq_entries * sizeof(UringCqe) << ring->cqe_shift);
    ring->sqes_size = (size_t)params->sq_entries * sizeof(UringSqe) << ring->sqe_shift;
    int single = (params->features & URING_FEAT_SINGLE_MMAP) != 0;
    if (single && ring->cq_map_size > ring->sq_map_size) ring->sq_map_size = ring->cq_map_size;
    char *sq = ring->sq_map = ring_map(fd, ring->sq_map_size, 0);
    char *cq = ring->cq_map = single ? sq : ring_map(fd, ring->cq_map_size, 0x8000000);
    ring->sqes = ring_map(fd, ring->sqes_size, 0x10000000);
    if (!sq || !cq || !ring->sqes) {
        int error = errno ? errno : ENOMEM;
        ring_close(ring);
        return -error;
    }
    ring->sq_khead = (uint32_t *)(sq + params->sq_off.head);
    ring->sq_ktail = (uint32_t *)(sq + params->sq_off.tail);
    ring->sq_kflags = (uint32_t *)(sq + params->sq_off.flags);
    ring->sq_kdropped = (uint32_t *)(sq + params->sq_off.dropped);
    ring->sq_mask = *(uint32_t *)(sq + params->sq_off.ring_mask);
    ring->sq_entries = params->sq_entries;
    ring->cq_khead = (uint32_t *)(cq + params->cq_off.head);
    ring->cq_ktail = (uint32_t *)(cq + params->cq_off.tail);
    ring->cq_koverflow = (uint32_t *)(cq + params->cq_off.overflow);
    ring->cq_mask = *(uint32_t *)(cq + params->cq_off.ring_mask);
    ring->cq_entries = params->cq_entries;
    ring->cqes = (UringCqe *)(cq + params->cq_off.cqes);
    if (!(params->flags & URING_SETUP_NO_SQARRAY)) {
        uint32_t *array = (uint32_t *)(sq + params->sq_off.array);
        for (uint32_t i = 0; i < params->sq_entries; i++) array[i] = i;  /* entries go in the order of their slots */
    }
    ring->sq_tail = *ring->sq_ktail;
    return 0;
}

/* Let this thread enter by an index of its own table, which saves looking the descriptor up (5.18).  0 or -errno. */
static inline int ring_register_fd(UringRing *ring) {
    struct { uint32_t offset, resv; uint64_t data; } update = {UINT32_MAX, 0, (uint64_t)ring->fd};
    int status = uring_register(ring->fd, URING_REGISTER_RING_FDS, &update, 1);
    if (status < 0) return status;
    ring->enter_fd = (int)update.offset;
    ring->entered = URING_ENTER_REGISTERED_RING;
    return 0;
}

/* Undo ring_register_fd(), in the thread that did it: until then the ring is open, whatever becomes of its descriptor.
   Elsewhere the kernel refuses (rings that are registered are bound to their thread), and the descriptor is used again. */
static inline void ring_unregister_fd(UringRing *ring) {
    struct { uint32_t offset, resv; uint64_t data; } update = {(uint32_t)ring->enter_fd, 0, 0};
    if (!ring->entered) return;
    uring_register(ring->fd, URING_UNREGISTER_RING_FDS, &update, 1);
    ring->enter_fd = ring->fd;
    ring->entered = 0;
}

/* ---- submission ------------------------------------------------------------------------------------------------------ */

/* Filled entries that the kernel has not taken. */
static inline uint32_t ring_unsubmitted(const UringRing *ring) {
    return ring->sq_tail - __atomic_load_n(ring->sq_khead, __ATOMIC_ACQUIRE);
}

static inline uint32_t ring_room(const UringRing *ring) {
    return ring->sq_entries - ring_unsubmitted(ring);
}

/* The next entry, zeroed (all 128 bytes of a large one), or NULL when the queue is full. */
static inline UringSqe *ring_entry(UringRing *ring) {
    if (ring_unsubmitted(ring) >= ring->sq_entries) return NULL;
    UringSqe *sqe = &ring->sqes[(ring->sq_tail & ring->sq_mask) << ring->sqe_shift];
    ring->sq_tail++;
    memset(sqe, 0, sizeof *sqe << ring->sqe_shift);
    return sqe;
}

/* The kernel may take all that is filled. */
static inline void ring_publish(UringRing *ring) {
    __atomic_store_n(ring->sq_ktail, ring->sq_tail, __ATOMIC_RELEASE);
}

/* The filled entry of that user_data that no enter has been told of yet, or NULL.  It may be filled anew. */
static inline UringSqe *ring_unpublished(const UringRing *ring, uint64_t user_data) {
    for (uint32_t tail = ring->sq_tail; tail != *ring->sq_ktail;) {
        UringSqe *sqe = &ring->sqes[(--tail & ring->sq_mask) << ring->sqe_shift];
        if (sqe->user_data == user_data) return sqe;
    }
    return NULL;
}

/* The newest entry, out of the queue again, or NULL when the kernel has taken all.  Nobody may be entering meanwhile. */
static inline UringSqe *ring_take_back(UringRing *ring) {
    if (!ring_unsubmitted(ring)) return NULL;
    ring->sq_tail--;
    __atomic_store_n(ring->sq_ktail, ring->sq_tail, __ATOMIC_RELEASE);
    return &ring->sqes[(ring->sq_tail & ring->sq_mask) << ring->sqe_shift];
}

/* ---- entering -------------------------------------------------------------------------------------------------------- */

/* Whether the kernel holds completions back until somebody enters: overflowed ones, or work to be run by the submitter. */
static inline int ring_holds_back(const UringRing *ring) {
    return (__atomic_load_n(ring->sq_kflags, __ATOMIC_RELAXED) & (URING_SQ_CQ_OVERFLOW | URING_SQ_TASKRUN)) != 0;
}

static inline uint32_t ring_completed(const UringRing *ring) {
    return __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE) - *ring->cq_khead;
}

/* Submit `count` published entries and wait for `wanted` completions, at most `budget` nanoseconds (UINT64_MAX: for ever).
   Entries taken (with entries to submit, also when the wait was cut short), or -errno: ETIME, EINTR, EBUSY, EAGAIN ... */
static inline int ring_enter(const UringRing *ring, uint32_t count, uint32_t wanted, uint32_t flags, uint64_t budget) {
    long taken;
    flags |= ring->entered;
    if (wanted) flags |= URING_ENTER_GETEVENTS;
    if (!wanted || budget == UINT64_MAX) {
        taken = syscall(SYS_io_uring_enter, ring->enter_fd, count, wanted, flags, NULL, (size_t)_NSIG / 8);
    } else if (ring->features & URING_FEAT_EXT_ARG) {
        UringTimespec until = {(int64_t)(budget / 1000000000u), (long long)(budget % 1000000000u)};
        UringGeteventsArg arg = {0, _NSIG / 8, 0, (uint64_t)(uintptr_t)&until};
        taken = syscall(SYS_io_uring_enter, ring->enter_fd, count, wanted, flags | URING_ENTER_EXT_ARG, &arg, sizeof arg);
    } else {  /* before 5.11: submit, then wait on the ring as on any descriptor */
        taken = syscall(SYS_io_uring_enter, ring->enter_fd, count, 0, flags, NULL, (size_t)_NSIG / 8);
        if (taken >= 0 && ring_completed(ring) < wanted) {
            struct timespec until = {(time_t)(budget / 1000000000u), (long)(budget % 1000000000u)};
            struct pollfd one = {ring->fd, POLLIN, 0};
            int ready = ppoll(&one, 1, &until, NULL);
            if (taken == 0 && ready <= 0) return ready < 0 ? -errno : -ETIME;
        }
    }
    return taken < 0 ? -errno : (int)taken;
}

/* ---- completions ----------------------------------------------------------------------------------------------------- */

/* The oldest completion, or NULL. */
static inline UringCqe *ring_peek(const UringRing *ring) {
    uint32_t head = *ring->cq_khead;  /* only we write it */
    if (head == __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE)) return NULL;
    return &ring->cqes[(head & ring->cq_mask) << ring->cqe_shift];
}

/* The kernel may overwrite the oldest `count` completions. */
static inline void ring_advance(UringRing *ring, uint32_t count) {
    __atomic_store_n(ring->cq_khead, *ring->cq_khead + count, __ATOMIC_RELEASE);
}

/* ---- what the kernel can do -------------------------------------------------------------------------------------------- */

/* Bits of the opcodes that the kernel of this ring supports.  0 or -errno. */
static inline int ring_probe(const UringRing *ring, uint64_t opcodes[4]) {
    UringProbe probe;
    memset(&probe, 0, sizeof probe);
    memset(opcodes, 0, 4 * sizeof *opcodes);
    int status = uring_register(ring->fd, URING_REGISTER_PROBE, &probe, 256);
    if (status < 0) return status;
    for (int i = 0; i < probe.ops_len; i++)
        if (probe.ops[i].flags & 1) opcodes[probe.ops[i].op / 64] |= 1ull << probe.ops[i].op % 64;
    return 0;
}
#endif
