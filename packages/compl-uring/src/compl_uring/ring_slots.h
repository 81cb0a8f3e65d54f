/* What a ring's operations hold until their last completion, and the table of them.

   The kernel is given the id of a slot, (sequence, index), in place of the caller's user_data: a completion finds what its
   operation held at once, whatever the caller's numbers are, and however often the same is used.  A completion of an id
   that is not in flight came by MSG_RING from somewhere else, and is passed on as it is; sequences start at a random
   point, so that small numbers never name a slot. */
#ifndef COMPL_RING_SLOTS_H
#define COMPL_RING_SLOTS_H
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "ring.h"

typedef struct {
    Py_buffer view;          /* exported; view.obj is NULL when there is none.  Got with PyBUF_SIMPLE: may be moved */
    PyObject *owner;         /* owned */
    void *memory;            /* owned: vectors, times, whatever the entry points to */
    Py_buffer *views;        /* owned, `count` of them, inside `memory` */
    int count;
} Hold;

typedef struct Slot Slot;
struct Slot {
    uint64_t id;             /* 0: free */
    Slot *next;              /* of the free ones, or of those whose operation just ended */
    PyObject *user_data;     /* owned */
    Slot *leader;            /* the one cancel() that this is a part of */
    uint32_t pending;        /* parts of this cancel() that are still out */
    int32_t sum;
    uint8_t skip, holds, message;
    Hold hold;
};

#define SLOT_INDEX_BITS 24
#define SLOT_CHUNK 64u

typedef struct {
    uint64_t user_data[SLOT_CHUNK];  /* side by side, as cancel() looks for one of them */
    Slot slots[SLOT_CHUNK];
} SlotChunk;

typedef struct {
    SlotChunk **chunks;
    uint32_t count, live;
    uint64_t sequence;
    Slot *free;
} SlotTable;

static inline Slot *slot_at(const SlotTable *table, uint32_t index) {
    return &table->chunks[index / SLOT_CHUNK]->slots[index % SLOT_CHUNK];
}

/* More free slots; -1 when memory, or the index space of 16 million, is out. */
static inline int slot_grow(SlotTable *table) {
    if (table->count >= 1u << SLOT_INDEX_BITS) return -1;
    uint32_t chunk = table->count / SLOT_CHUNK;
    if ((chunk & (chunk - 1)) == 0) {  /* the array of chunks doubles */
        SlotChunk **chunks = realloc(table->chunks, (chunk ? 2 * chunk : 1) * sizeof *chunks);
        if (!chunks) return -1;
        table->chunks = chunks;
    }
    SlotChunk *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return -1;
    table->chunks[chunk] = fresh;
    for (uint32_t i = SLOT_CHUNK; i-- > 0;) {
        fresh->slots[i].sum = (int32_t)(table->count + i);  /* a free slot's index */
        fresh->slots[i].next = table->free;
        table->free = &fresh->slots[i];
    }
    table->count += SLOT_CHUNK;
    return 0;
}

/* A slot for an operation with this user_data, or NULL when memory is out.  Takes no reference. */
static inline Slot *slot_take(SlotTable *table, uint64_t user_data) {
    if (!table->free && slot_grow(table) < 0) return NULL;
    Slot *slot = table->free;
    uint32_t index = (uint32_t)slot->sum;
    table->free = slot->next;
    table->live++;
    table->sequence = (table->sequence + 1) & ((1ull << (64 - SLOT_INDEX_BITS)) - 1);
    if (!table->sequence) table->sequence = 1;
    slot->id = table->sequence << SLOT_INDEX_BITS | index;
    slot->sum = 0;
    table->chunks[index / SLOT_CHUNK]->user_data[index % SLOT_CHUNK] = user_data;
    return slot;
}

/* Back to the free ones; what it held has been moved away, or let go of. */
static inline void slot_give(SlotTable *table, Slot *slot) {
    slot->sum = (int32_t)(slot->id & ((1u << SLOT_INDEX_BITS) - 1));
    slot->id = 0;
    slot->leader = NULL;
    slot->pending = 0;
    slot->skip = slot->holds = slot->message = 0;
    slot->next = table->free;
    table->free = slot;
    table->live--;
}

static inline Slot *slot_find(const SlotTable *table, uint64_t id) {
    uint32_t index = (uint32_t)(id & ((1u << SLOT_INDEX_BITS) - 1));
    if (index >= table->count) return NULL;
    Slot *slot = slot_at(table, index);
    return slot->id == id && id ? slot : NULL;
}

/* The oldest operation in flight of this user_data that is younger than `after` (0: any), or NULL. */
static inline Slot *slot_oldest(const SlotTable *table, uint64_t user_data, uint64_t after) {
    Slot *oldest = NULL;
    for (uint32_t base = 0; base < table->count; base += SLOT_CHUNK) {
        SlotChunk *chunk = table->chunks[base / SLOT_CHUNK];
        for (uint32_t i = 0; i < SLOT_CHUNK; i++) {
            if (chunk->user_data[i] != user_data) continue;
            Slot *slot = &chunk->slots[i];
            if (slot->id > after && !slot->leader && (!oldest || slot->id < oldest->id)) oldest = slot;
        }
    }
    return oldest;
}

static inline void slot_table_free(SlotTable *table) {
    for (uint32_t base = 0; base < table->count; base += SLOT_CHUNK) free(table->chunks[base / SLOT_CHUNK]);
    free(table->chunks);
    memset(table, 0, sizeof *table);
}

/* ---- what is held ------------------------------------------------------------------------------------------------------ */

/* Let go.  May run code of the user: the exporter's, or the end of an owner. */
static inline void hold_release(Hold *hold) {
    Hold mine = *hold;
    memset(hold, 0, sizeof *hold);
    /* SAFETY: called once the kernel has sent the last completion, or never saw the entry */
    if (mine.view.obj) PyBuffer_Release(&mine.view);
    for (int i = 0; i < mine.count; i++) PyBuffer_Release(&mine.views[i]);
    free(mine.memory);
    Py_XDECREF(mine.owner);
}

static inline int hold_visit(const Hold *hold, visitproc visit, void *arg) {
    Py_VISIT(hold->view.obj);
    Py_VISIT(hold->owner);
    for (int i = 0; i < hold->count; i++) Py_VISIT(hold->views[i].obj);
    return 0;
}

/* References in C memory are invisible to the collector; Cython does not let us write tp_traverse, so these are put in
   front of the types' own (as tools/native/tables.h does for ports). */
static traverseproc ring_inherited, entry_inherited;
static Py_ssize_t ring_offset, entry_offset;

static int ring_traverse(PyObject *self, visitproc visit, void *arg) {
    SlotTable *table = (SlotTable *)((char *)self + ring_offset);
    for (uint32_t i = 0; i < table->count; i++) {
        Slot *slot = slot_at(table, i);
        if (!slot->id) continue;
        int status = hold_visit(&slot->hold, visit, arg);
        if (status) return status;
    }
    return ring_inherited(self, visit, arg);
}

static int entry_traverse(PyObject *self, visitproc visit, void *arg) {
    int status = hold_visit((Hold *)((char *)self + entry_offset), visit, arg);
    return status ? status : entry_inherited(self, visit, arg);
}

static inline void ring_traverse_install(PyTypeObject *ring, Py_ssize_t slots, PyTypeObject *entry, Py_ssize_t hold) {
    ring_inherited = ring->tp_traverse;
    ring_offset = slots;
    ring->tp_traverse = ring_traverse;
    entry_inherited = entry->tp_traverse;
    entry_offset = hold;
    entry->tp_traverse = entry_traverse;
}

/* ---- queueing ---------------------------------------------------------------------------------------------------------- */

/* Copy an entry to the end of the submission queue, which has room. */
static inline void ring_place(UringRing *ring, const UringSqe *sqe, int large) {
    UringSqe *at = &ring->sqes[(ring->sq_tail & ring->sq_mask) << ring->sqe_shift];
    at[0] = sqe[0];
    if (ring->sqe_shift) {
        if (large) at[1] = sqe[1];
        else memset(&at[1], 0, sizeof at[1]);
    }
    ring->sq_tail++;
}

/* Filled entries that the kernel has not been shown. */
static inline uint32_t ring_fresh(const UringRing *ring) {
    return ring->sq_tail - *ring->sq_ktail;
}

/* Completions wait in the kernel, as the queue was full. */
static inline int ring_overflows(const UringRing *ring) {
    return (__atomic_load_n(ring->sq_kflags, __ATOMIC_RELAXED) & URING_SQ_CQ_OVERFLOW) != 0;
}

/* Places that a completion takes in a queue of both sizes (IORING_SETUP_CQE_MIXED); in others, one. */
static inline uint32_t ring_width(const UringRing *ring, const UringCqe *cqe) {
    return ring->flags & URING_SETUP_CQE_MIXED && cqe->flags & URING_CQE_32 ? 2 : 1;
}

/* No completion: there to fill the end of such a queue, where a large one would not fit. */
static inline int ring_fills(const UringRing *ring, const UringCqe *cqe) {
    return ring->flags & URING_SETUP_CQE_MIXED && cqe->flags & URING_CQE_SKIP;
}

/* The kernel's submission thread sleeps and has to be woken.  The fence orders our tail before its flag. */
static inline int ring_sleeps(const UringRing *ring) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (__atomic_load_n(ring->sq_kflags, __ATOMIC_RELAXED) & URING_SQ_NEED_WAKEUP) != 0;
}

/* Forget the entries that the kernel has not been shown, from the newest on; the id of the one taken back, 0 for none.
   With `shown`, also those that it was shown and has not taken: only where it takes none by itself, and nobody enters. */
static inline uint64_t ring_withdraw(UringRing *ring, int shown) {
    uint32_t first = shown ? __atomic_load_n(ring->sq_khead, __ATOMIC_ACQUIRE) : *ring->sq_ktail;
    if (ring->sq_tail == first) return 0;
    ring->sq_tail--;
    if (shown) __atomic_store_n(ring->sq_ktail, ring->sq_tail, __ATOMIC_RELEASE);
    return ring->sqes[(ring->sq_tail & ring->sq_mask) << ring->sqe_shift].user_data;
}
#endif
