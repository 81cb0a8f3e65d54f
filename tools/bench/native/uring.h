/* What the io_uring baselines share: one ring over raw system calls, set up as a single-threaded C program would.
 *
 * Declared after bench.h, which brings _GNU_SOURCE. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
    int fd, registered;     /* the same as an index, which saves a look-up in every enter */
    unsigned tail, entered; /* entries filled, entries that the kernel has taken */
    unsigned sq_mask, cq_mask;
    unsigned *sq_tail, *sq_head, *cq_head, *cq_tail;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
};

static struct ring ring;

static inline void uring_register(unsigned what, const void *argument, unsigned count) {
    if (syscall(SYS_io_uring_register, ring.fd, what, argument, count) < 0) {
        fprintf(stderr, "io_uring_register(%u): %s\n", what, strerror(errno));
        exit(1);
    }
}

static inline void uring_open(unsigned entries) {
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                .cq_entries = entries * 4};
    CHECK(ring.fd = (int)syscall(SYS_io_uring_setup, entries, &p));
    size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    size_t size = sq_size > cq_size ? sq_size : cq_size;
    int protection = PROT_READ | PROT_WRITE, how = MAP_SHARED | MAP_POPULATE;
    char *queues = mmap(NULL, size, protection, how, ring.fd, IORING_OFF_SQ_RING);
    ring.sqes = mmap(NULL, p.sq_entries * sizeof *ring.sqes, protection, how, ring.fd, IORING_OFF_SQES);
    CHECK(queues == MAP_FAILED || (void *)ring.sqes == MAP_FAILED ? -1 : 0);
    ring.sq_mask = *(unsigned *)(queues + p.sq_off.ring_mask);
    ring.cq_mask = *(unsigned *)(queues + p.cq_off.ring_mask);
    ring.sq_head = (unsigned *)(queues + p.sq_off.head);
    ring.sq_tail = (unsigned *)(queues + p.sq_off.tail);
    ring.cq_head = (unsigned *)(queues + p.cq_off.head);
    ring.cq_tail = (unsigned *)(queues + p.cq_off.tail);
    ring.cqes = (struct io_uring_cqe *)(queues + p.cq_off.cqes);
    unsigned *slots = (unsigned *)(queues + p.sq_off.array);
    for (unsigned i = 0; i < p.sq_entries; i++) slots[i] = i;
    struct io_uring_rsrc_update own = {.offset = ~0u, .data = (uint64_t)ring.fd};
    uring_register(IORING_REGISTER_RING_FDS, &own, 1);
    ring.registered = (int)own.offset;
}

/* Hand over what was filled and wait until `wanted` completions are there. */
static inline void uring_enter(unsigned wanted) {
    __atomic_store_n(ring.sq_tail, ring.tail, __ATOMIC_RELEASE);
    long taken = syscall(SYS_io_uring_enter, ring.registered, ring.tail - ring.entered, wanted,
                         IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, 0);
    if (taken < 0) {
        if (errno == EINTR) return;
        fprintf(stderr, "io_uring_enter: %s\n", strerror(errno));
        exit(1);
    }
    ring.entered += (unsigned)taken;
}

/* The next free entry, zeroed. */
static inline struct io_uring_sqe *uring_entry(int opcode, int fd, uint64_t data) {
    if (ring.tail - __atomic_load_n(ring.sq_head, __ATOMIC_ACQUIRE) > ring.sq_mask) uring_enter(0);
    struct io_uring_sqe *sqe = ring.sqes + (ring.tail++ & ring.sq_mask);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->user_data = data;
    return sqe;
}

/* Completions that are there; each is ring.cqes[(*ring.cq_head + i) & ring.cq_mask]. */
static inline unsigned uring_ready(void) {
    return __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - *ring.cq_head;
}

static inline struct io_uring_cqe *uring_cqe(unsigned i) {
    return ring.cqes + ((*ring.cq_head + i) & ring.cq_mask);
}

/* Give the first `count` of them back. */
static inline void uring_taken(unsigned count) {
    __atomic_store_n(ring.cq_head, *ring.cq_head + count, __ATOMIC_RELEASE);
}

#endif
