/* Buffers offered to the kernel in a ring that it reads (io_uring_register(2), IORING_REGISTER_PBUF_RING). */
#ifndef COMPL_BUFFER_RING_H
#define COMPL_BUFFER_RING_H
#include <sys/mman.h>
#include "file.h"
#include "prepare.h"
#include "ring.h"

typedef struct {
    UringBuf *entries;       /* NULL: none */
    uint32_t mask;
    uint16_t tail, group;
    size_t length;
} BufferRing;

/* A ring of at least `count` entries, empty.  0 or -errno. */
static inline int buffer_ring_open(BufferRing *buffers, const UringRing *ring, uint32_t count, int group) {
    uint32_t size = 1;
    while (size < count) size *= 2;
    size_t length = size * sizeof(UringBuf);
    void *entries = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (entries == MAP_FAILED) return -errno;
    UringBufReg registration = {.ring_addr = (uint64_t)(uintptr_t)entries, .ring_entries = size, .bgid = (uint16_t)group};
    int status = uring_register(ring->fd, URING_REGISTER_PBUF_RING, &registration, 1);
    if (status < 0) {
        munmap(entries, length);
        return status;
    }
    *buffers = (BufferRing){entries, size - 1, 0, (uint16_t)group, length};
    return 0;
}

/* Take it away from the kernel (a closed ring has let go of it).  0 or -errno: it is still the kernel's then. */
static inline int buffer_ring_close(BufferRing *buffers, const UringRing *ring) {
    UringBufReg registration = {.bgid = buffers->group};
    if (ring->fd >= 0) {
        int status = uring_register(ring->fd, URING_UNREGISTER_PBUF_RING, &registration, 1);
        if (status < 0) return status;
    }
    /* SAFETY: the kernel does not read the ring any more */
    munmap(buffers->entries, buffers->length);
    buffers->entries = NULL;
    return 0;
}

/* Offer a buffer: the entry is complete before the tail says so. */
static inline void buffer_ring_add(BufferRing *buffers, char *memory, size_t length, int index) {
    UringBuf *entry = &buffers->entries[buffers->tail & buffers->mask];
    entry->addr = (uint64_t)(uintptr_t)memory;
    entry->len = (uint32_t)length;
    entry->bid = (uint16_t)index;
    __atomic_store_n(&buffers->entries[0].resv, ++buffers->tail, __ATOMIC_RELEASE);
}

static inline void prepare_pooled(UringSqe *sqe, int fd, const File *file, int flags, int group, uint64_t user_data) {
    flags &= ~MSG_DONTWAIT;
    if (file->kind == FILE_MESSAGE) flags |= MSG_TRUNC;  /* the length that a longer one had */
    sqe_fill(sqe, URING_OP_RECV, fd, NULL, 0, 0, (uint32_t)flags, user_data);
    sqe->ioprio = URING_RECV_MULTISHOT;
    sqe->flags = URING_SQE_BUFFER_SELECT;
    sqe->buf_index = (uint16_t)group;
}
#endif
