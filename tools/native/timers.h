/* Timers: a binary heap of operations by deadline (CLOCK_MONOTONIC, ns), each knowing its place, so that cancelling is
   as cheap as expiring. */
#ifndef COMPL_TIMERS_H
#define COMPL_TIMERS_H
#include <stdint.h>
#include <stdlib.h>
#include "op.h"

#define NEVER UINT64_MAX

typedef struct {
    Op **heap;
    uint32_t count, size;
} Timers;

static inline void timers_place(Timers *timers, Op *op, uint32_t index) {
    timers->heap[index] = op;
    op->heap_index = index + 1;
}

static inline void timers_rise(Timers *timers, Op *op, uint32_t index) {
    while (index) {
        uint32_t parent = (index - 1) / 2;
        if (timers->heap[parent]->deadline <= op->deadline) break;
        timers_place(timers, timers->heap[parent], index);
        index = parent;
    }
    timers_place(timers, op, index);
}

static inline void timers_sink(Timers *timers, Op *op, uint32_t index) {
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count && timers->heap[child + 1]->deadline < timers->heap[child]->deadline) child++;
        if (op->deadline <= timers->heap[child]->deadline) break;
        timers_place(timers, timers->heap[child], index);
        index = child;
    }
    timers_place(timers, op, index);
}

/* 0, or -1 when memory is out. */
static inline int timers_add(Timers *timers, Op *op) {
    if (timers->count == timers->size) {
        uint32_t size = timers->size ? 2 * timers->size : 16;
        Op **heap = realloc(timers->heap, size * sizeof *heap);
        if (!heap) return -1;
        timers->heap = heap;
        timers->size = size;
    }
    timers_rise(timers, op, timers->count++);
    return 0;
}

static inline void timers_remove(Timers *timers, Op *op) {
    uint32_t index = op->heap_index - 1;
    op->heap_index = 0;
    Op *last = timers->heap[--timers->count];
    if (last == op) return;
    if (index && timers->heap[(index - 1) / 2]->deadline > last->deadline) timers_rise(timers, last, index);
    else timers_sink(timers, last, index);
}

static inline uint64_t timers_next(const Timers *timers) {
    return timers->count ? timers->heap[0]->deadline : NEVER;
}

/* The first timer that has expired by `now`, taken out, or NULL. */
static inline Op *timers_expired(Timers *timers, uint64_t now) {
    if (!timers->count || timers->heap[0]->deadline > now) return NULL;
    Op *op = timers->heap[0];
    timers_remove(timers, op);
    return op;
}
#endif
