/* The ready queue: what wait() will return next, first in first out, growing as needed. */
#ifndef COMPL_READY_H
#define COMPL_READY_H
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct Op Op;
typedef struct File File;

enum {
    ENTRY_FINISHED,  /* op: its terminal completion */
    ENTRY_MORE,      /* op: one of a multishot operation, which goes on */
    ENTRY_POSTED,    /* key, number, token */
    ENTRY_READINESS  /* file, result */
};

typedef union {
    Op *op;
    File *file;
    PyObject *key;     /* owned; POSTED: the ints as they were given, so that none is made again */
} EntryOf;

typedef struct {
    EntryOf of;
    PyObject *token;   /* owned; POSTED only, as is `number` */
    PyObject *number;
    int64_t result;    /* of all others */
    int what;
} Entry;

typedef struct {
    Entry *entries;
    size_t size, first, count;  /* size is a power of two */
} ReadyQueue;

static inline int ready_grow(ReadyQueue *queue) {
    size_t size = queue->size ? 2 * queue->size : 64;
    Entry *entries = malloc(size * sizeof *entries);
    if (!entries) return -1;
    for (size_t i = 0; i < queue->count; i++)
        entries[i] = queue->entries[(queue->first + i) & (queue->size - 1)];
    free(queue->entries);
    queue->entries = entries;
    queue->size = size;
    queue->first = 0;
    return 0;
}

/* Room for `wanted` more entries beside what `promised` counts: an operation reserves its place before it starts, so
   that finishing it cannot fail. */
static inline int ready_reserve(ReadyQueue *queue, size_t wanted) {
    while (queue->size < queue->count + wanted)
        if (ready_grow(queue) < 0) return -1;
    return 0;
}

/* The next free place at the end; the caller has reserved it. */
static inline Entry *ready_push(ReadyQueue *queue) {
    return &queue->entries[(queue->first + queue->count++) & (queue->size - 1)];
}

static inline Entry ready_pop(ReadyQueue *queue) {
    Entry entry = queue->entries[queue->first];
    queue->first = (queue->first + 1) & (queue->size - 1);
    queue->count--;
    return entry;
}

/* Undo the last pop. */
static inline void ready_unpop(ReadyQueue *queue, Entry entry) {
    queue->first = (queue->first - 1) & (queue->size - 1);
    queue->entries[queue->first] = entry;
    queue->count++;
}

static inline Entry *ready_at(ReadyQueue *queue, size_t position) {
    return &queue->entries[(queue->first + position) & (queue->size - 1)];
}
#endif
