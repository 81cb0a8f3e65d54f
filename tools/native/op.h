/* One submitted operation, and the table of them.

   Records live in chunks that never move, so that the kernel and helper threads may hold their addresses.  The id that
   Python sees is (generation, index): a late event or a late cancel never matches a reused record. */
#ifndef COMPL_OP_H
#define COMPL_OP_H
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "system.h"

typedef struct File File;
typedef struct Op Op;

/* What is to be done; compl_core.Kind tells the user only what completed (see KIND_OF in completion.h). */
enum {
    VERB_NOP, VERB_TIMEOUT, VERB_READ, VERB_WRITE, VERB_READV, VERB_WRITEV, VERB_FSYNC,
    VERB_RECV, VERB_SEND, VERB_RECV_EXACTLY, VERB_SEND_ALL, VERB_SEND_TO, VERB_CONNECT, VERB_POLL,
    VERB_SPECIAL, /* from here on a success has a value, or something left to do */
    VERB_RECV_FROM = VERB_SPECIAL, VERB_ACCEPT, VERB_CLOSE, VERB_COUNT
};

/* Where an operation stands. */
enum {
    OP_FREE,      /* on the free list */
    OP_NEW,       /* being filled in by its submitter; nobody else knows it */
    OP_QUEUED,    /* in a queue of its file, or in the timer heap */
    OP_PREPARED,  /* waiting for an entry of the kernel's submission queue */
    OP_POOLED,    /* waiting for a helper thread */
    OP_RUNNING,   /* a helper thread has it */
    OP_SUBMITTED, /* the kernel has it */
    OP_READY,     /* finished; its completion waits in the ready queue */
    OP_LEAVING    /* being delivered or discarded */
};

/* What few operations need: several buffers, or an address. */
typedef struct {
    struct sockaddr_storage address;
    socklen_t address_length;
    int count;               /* buffers, 0 for one in Op.view */
    Py_buffer *views;        /* owned, with iov behind it in one block */
    struct iovec *iov;
#ifndef _WIN32
    struct msghdr message;   /* of a recvmsg or sendmsg that the kernel does by itself: it writes here until it is done */
    struct iovec vector;
#endif
} Extra;

struct Op {
    uint64_t id;
    Op *next, *prev;         /* in the one queue that the state names */
    File *file;              /* NULL: no file, or one that was not open */
    PyObject *token;         /* owned */
    PyObject *object;        /* owned: the file object, so that it stays open; NULL for a number */
    PyObject *key;           /* owned: the file's key when this was submitted; NULL is 0 */
    Py_buffer view;          /* exported until delivery; view.obj is NULL when there is none */
    PyObject *pool;          /* owned: the buffer pool that a receive takes its buffers from, or NULL */
    Extra *extra;            /* owned */
    int64_t offset;          /* file operations; -1 uses the file's own position.  accept: family, type, protocol, 16 bits each */
    int64_t result;
    uint64_t moved;          /* bytes done so far by an operation of several steps */
    uint64_t deadline;       /* CLOCK_MONOTONIC, ns */
    uint32_t heap_index;     /* place in the timer heap, plus one; 0 is none */
    int fd;
    uint32_t incarnation;    /* of the file, when this was submitted */
    int flags;               /* MSG_*, poll mask, data_only, multishot */
    uint8_t verb, state, outcome /* CompletionFlags */, cancelled;
    uint8_t tries;           /* how often it was handed to the kernel again */
    uint8_t parked;          /* handed back by the kernel until its file is ready */
    uint8_t carried;         /* the kernel has it, not a helper thread */
#ifdef _WIN32
    SystemOp system;
#endif
};

#define OP_INDEX_BITS 24
#define OP_ID_BITS 62       /* two bits are left for kernels that hand ids back, to tell them from other numbers */
#define OP_CHUNK 64u

typedef struct {
    Op **chunks;
    uint32_t count;          /* records in all chunks */
    uint32_t live;
    Op *free;
} OpTable;

static inline Op *op_at(const OpTable *table, uint32_t index) {
    return &table->chunks[index / OP_CHUNK][index % OP_CHUNK];
}

/* A record in state OP_NEW, or NULL when memory (or the index space: 16 million in flight) is out. */
static inline Op *op_take(OpTable *table) {
    if (!table->free) {
        if (table->count >= 1u << OP_INDEX_BITS) return NULL;
        uint32_t chunk = table->count / OP_CHUNK;
        if ((chunk & (chunk - 1)) == 0) {  /* the array of chunks doubles */
            Op **chunks = realloc(table->chunks, (chunk ? 2 * chunk : 1) * sizeof *chunks);
            if (!chunks) return NULL;
            table->chunks = chunks;
        }
        Op *fresh = calloc(OP_CHUNK, sizeof *fresh);
        if (!fresh) return NULL;
        table->chunks[chunk] = fresh;
        for (uint32_t i = OP_CHUNK; i-- > 0;) {
            fresh[i].id = (1ull << OP_INDEX_BITS) | (table->count + i);
            fresh[i].next = table->free;
            table->free = &fresh[i];
        }
        table->count += OP_CHUNK;
    }
    Op *op = table->free;
    table->free = op->next;
    table->live++;
    op->next = op->prev = NULL;
    op->file = NULL;
    op->object = op->key = NULL;
    op->view.obj = NULL;
    op->pool = NULL;
    op->extra = NULL;
    op->result = 0;
    op->moved = 0;
    op->heap_index = 0;
    op->outcome = op->cancelled = op->tries = op->parked = op->carried = 0;
    op->state = OP_NEW;
#ifdef _WIN32
    system_op_reset(&op->system);
#endif
    return op;
}

/* Back to the free list, under a new id.  The caller has taken out every reference. */
static inline void op_give(OpTable *table, Op *op) {
    op->state = OP_FREE;
    table->live--;
    uint64_t next = op->id + (1ull << OP_INDEX_BITS);
    if (next >> OP_ID_BITS) return;  /* its 2**38 ids are used up: it retires */
    op->id = next;
    op->next = table->free;
    table->free = op;
}

/* The live operation of that id, or NULL. */
static inline Op *op_find(const OpTable *table, uint64_t id) {
    uint32_t index = (uint32_t)(id & ((1u << OP_INDEX_BITS) - 1));
    if (index >= table->count) return NULL;
    Op *op = op_at(table, index);
    return op->id == id && op->state != OP_FREE ? op : NULL;
}

static inline void op_table_free(OpTable *table) {
    for (uint32_t i = 0; i < table->count / OP_CHUNK; i++) free(table->chunks[i]);
    free(table->chunks);
    memset(table, 0, sizeof *table);
}

static inline Extra *op_extra(Op *op) {
    if (!op->extra) op->extra = calloc(1, sizeof *op->extra);
    return op->extra;
}

/* Room for that many buffers: op->extra->views (zeroed) and ->iov.  0, or -1 when memory is out. */
static inline int op_make_vector(Op *op, int count) {
    Extra *extra = op_extra(op);
    if (!extra) return -1;
    extra->views = calloc((size_t)count, sizeof(Py_buffer) + sizeof(struct iovec));
    if (!extra->views) return -1;
    extra->iov = (struct iovec *)(extra->views + count);
    extra->count = count;
    return 0;
}

/* A doubly linked queue of operations. */
typedef struct {
    Op *head, *tail;
} OpQueue;

static inline void op_append(OpQueue *queue, Op *op) {
    op->next = NULL;
    op->prev = queue->tail;
    if (queue->tail) queue->tail->next = op;
    else queue->head = op;
    queue->tail = op;
}

static inline void op_unlink(OpQueue *queue, Op *op) {
    if (op->prev) op->prev->next = op->next;
    else queue->head = op->next;
    if (op->next) op->next->prev = op->prev;
    else queue->tail = op->prev;
    op->next = op->prev = NULL;
}
#endif
