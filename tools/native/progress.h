/* How far an operation has come: the buffers that remain, and whether nothing was the end. */
#ifndef COMPL_PROGRESS_H
#define COMPL_PROGRESS_H
#include "file.h"
#include "op.h"

#define OUTCOME_TRUNCATED 2u  /* CompletionFlags */
#define OUTCOME_EOF 8u

static inline int op_is_read(const Op *op) {
    return op->verb == VERB_READ || op->verb == VERB_READV;
}

/* The buffers that remain after `moved` bytes, in at most IOV_MAX vectors; `scratch` serves an operation of one buffer. */
static inline int op_vectors(const Op *op, struct iovec *scratch, struct iovec **vectors) {
    if (!op->extra || !op->extra->count) {
        scratch->iov_base = (char *)op->view.buf + op->moved;
        scratch->iov_len = (size_t)op->view.len - op->moved;
        *vectors = scratch;
        return 1;
    }
    *vectors = op->extra->iov;
    return op->extra->count;
}

/* Move an operation of several buffers on by `moved` more bytes; one of a single buffer goes by op->moved alone. */
static inline void op_skip(Op *op, size_t moved) {
    if (!op->extra || !op->extra->count) return;
    for (struct iovec *vector = op->extra->iov; moved; vector++) {
        size_t step = moved < vector->iov_len ? moved : vector->iov_len;
        vector->iov_base = (char *)vector->iov_base + step;
        vector->iov_len -= step;
        moved -= step;
    }
}

static inline size_t op_length(const Op *op) {
    if (!op->extra || !op->extra->count) return (size_t)op->view.len;
    size_t length = 0;
    for (int i = 0; i < op->extra->count; i++) length += op->extra->iov[i].iov_len;
    return length;
}

/* Nothing came although room was given: the end, where the file is a stream. */
static inline void mark_end(const File *file, Op *op, int64_t result) {
    if (result == 0 && file->kind != FILE_MESSAGE && op_length(op)) op->outcome |= OUTCOME_EOF;
}
#endif
