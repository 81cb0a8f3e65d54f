/* Helper threads for what the kernel would block on: file reads that are not cached, file writes, fsync.

   Plain threads that know nothing of Python: they run while the GIL is held elsewhere, and interpreter shutdown and fork
   need not care for them.  Started on demand, gone after 10 s without work. */
#ifndef COMPL_POOL_H
#define COMPL_POOL_H
#include <stdlib.h>
#include "bell.h"
#include "op.h"
#include "threads.h"

#define POOL_THREADS 16
#define POOL_IDLE_SECONDS 10

typedef struct {
    Lock lock;
    Condition work, quiet;
    OpQueue pending, done;
    int threads, idle, waiting /* in `pending` */, running, stopping;
    int bell;                    /* rung when `done` gets its first */
    int64_t (*perform)(Op *);    /* blocking; result >= 0 or -errno */
} Pool;

static inline Pool *pool_new(int bell, int64_t (*perform)(Op *)) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    lock_make(&pool->lock);
    condition_make(&pool->work);
    condition_make(&pool->quiet);
    pool->bell = bell;
    pool->perform = perform;
    return pool;
}

static inline uint64_t pool_after(int seconds) {
    return clock_now() + (uint64_t)seconds * 1000000000u;
}

static void pool_thread(void *argument) {
    Pool *pool = argument;
    lock_take(&pool->lock);
    for (;;) {
        Op *op = pool->pending.head;
        if (!op) {
            if (pool->stopping) break;
            uint64_t until = pool_after(POOL_IDLE_SECONDS);
            pool->idle++;
            int late = condition_wait(&pool->work, &pool->lock, until);
            pool->idle--;
            if (late && !pool->pending.head) break;
            continue;
        }
        op_unlink(&pool->pending, op);
        pool->waiting--;
        op->state = OP_RUNNING;
        pool->running++;
        lock_drop(&pool->lock);
        int64_t result = pool->perform(op);
        lock_take(&pool->lock);
        op->result = result;
        int first = !pool->done.head;
        op_append(&pool->done, op);
        /* Under the lock: pool_stop() sees `running` fall only when the bell's descriptor is not needed any more. */
        if (first) bell_ring(pool->bell);
        if (--pool->running == 0) condition_all(&pool->quiet);
    }
    pool->threads--;
    condition_all(&pool->quiet);
    lock_drop(&pool->lock);
}

/* Hand an operation over.  0, or -ENOMEM when no thread could be started and none is there. */
static inline int pool_add(Pool *pool, Op *op) {
    int error = 0;
    lock_take(&pool->lock);
    op->state = OP_POOLED;
    op_append(&pool->pending, op);
    pool->waiting++;
    if (pool->idle >= pool->waiting) {
        condition_one(&pool->work);
    } else if (pool->threads < POOL_THREADS) {
        error = thread_begin(pool_thread, pool);
        if (!error) pool->threads++;
        else if (pool->threads) error = 0;  /* those that run will come to it */
        if (error) {
            op_unlink(&pool->pending, op);
            pool->waiting--;
        }
    }
    lock_drop(&pool->lock);
    return error ? -ENOMEM : 0;  /* EAGAIN would be about threads, not about this operation */
}

/* Take an operation back that no thread has begun; whether that was so. */
static inline int pool_take_back(Pool *pool, Op *op) {
    lock_take(&pool->lock);
    int pending = op->state == OP_POOLED;
    if (pending) {
        op_unlink(&pool->pending, op);
        pool->waiting--;
    }
    lock_drop(&pool->lock);
    return pending;
}

/* All that is done, as a chain by `next`. */
static inline Op *pool_collect(Pool *pool) {
    if (!pointer_acquire(&pool->done.head)) return NULL;
    lock_take(&pool->lock);
    Op *done = pool->done.head;
    pool->done.head = pool->done.tail = NULL;
    lock_drop(&pool->lock);
    return done;
}

/* Drop what is pending, and wait until the threads have let go of every buffer and have ended.
   Whether that was so within the time; if not, the pool and all that it refers to have to be left alone for ever. */
static inline int pool_stop(Pool *pool, int seconds) {
    uint64_t until = pool_after(seconds);
    lock_take(&pool->lock);
    pool->pending.head = pool->pending.tail = NULL;
    pool->stopping = 1;
    condition_all(&pool->work);
    while (pool->threads)
        if (condition_wait(&pool->quiet, &pool->lock, until)) break;
    int stopped = !pool->threads;
    lock_drop(&pool->lock);
    return stopped;
}

static inline void pool_free(Pool *pool) {
    condition_end(&pool->work);
    condition_end(&pool->quiet);
    lock_end(&pool->lock);
    free(pool);
}
#endif
