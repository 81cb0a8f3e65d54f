/* The completion ring of an AIO context, which is mapped into the process: events taken from it cost no system call.

   The kernel writes at `tail` and publishes it after the event; who reads moves `head`.  The kernel's own reader,
   io_getevents, does the same under a lock that user space cannot take: while a thread is in there, nobody may read here.
   Nor may a forked child: it has the parent's ring mapped, writable. */
#ifndef COMPL_AIO_RING_H
#define COMPL_AIO_RING_H
#include <stdint.h>
#include <string.h>
#include "aio_calls.h"

typedef struct {
    uint32_t id, nr, head, tail, magic, compat_features, incompat_features, header_length;
    AioEvent events[];
} AioRing;

#define AIO_RING_MAGIC 0xa10a10a1u

_Static_assert(sizeof(AioRing) == 32, "struct aio_ring");

/* The ring if it is laid out as this file knows it, else NULL. */
static inline AioRing *ring_of(AioContextId context) {
    AioRing *ring = (AioRing *)context;
    return ring && ring->magic == AIO_RING_MAGIC && ring->incompat_features == 0 &&
           ring->header_length == sizeof(AioRing) && ring->nr ? ring : NULL;
}

/* How many events are there. */
static inline uint32_t ring_count(const AioRing *ring) {
    uint32_t nr = ring->nr;
    uint32_t head = ring->head % nr;  /* the kernel leaves `nr` there, rather than 0, at the end */
    uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) % nr;
    return tail >= head ? tail - head : nr - head + tail;
}

/* Take up to `room` events.  Only one reader at a time. */
static inline uint32_t ring_take(AioRing *ring, AioEvent *events, uint32_t room) {
    uint32_t count = ring_count(ring), nr = ring->nr, head = ring->head % nr;
    if (count > room) count = room;
    if (count == 0) return 0;
    uint32_t first = count < nr - head ? count : nr - head;
    memcpy(events, ring->events + head, first * sizeof *events);
    memcpy(events + first, ring->events, (count - first) * sizeof *events);
    /* SAFETY: the events are copied before the kernel may write over them */
    __atomic_store_n(&ring->head, (head + count) % nr, __ATOMIC_RELEASE);
    return count;
}
#endif
