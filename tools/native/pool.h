/* Helper threads for what the kernel would block on: file reads that are not cached, file writes, fsync.

   Plain pthreads that know nothing of Python: they run while the GIL is held elsewhere, and interpreter shutdown and fork
   need not care for them.  Started on demand, gone after 10 s without work.  All signals are blocked in them, so that
   handlers run in the program's own threads and a broken pipe is EPIPE, not SIGPIPE. */
#ifndef COMPL_POOL_H
#define COMPL_POOL_H
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include "bell.h"
#include "op.h"
#include "timers.h"

#define POOL_THREADS 16
#define POOL_IDLE_SECONDS 10

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t work, quiet;
    OpQueue pending, done;
    int threads, idle, waiting /* in `pending` */, running, stopping;
    int bell;                    /* rung when `done` gets its first */
    int64_t (*perform)(Op *);    /* blocking; result >= 0 or -errno */
} Pool;

static inline Pool *pool_new(int bell, int64_t (*perform)(Op *)) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, &monotonic);
    pthread_cond_init(&pool->quiet, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pool->bell = bell;
    pool->perform = perform;
    return pool;
}

static inline struct timespec pool_after(int seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    return until;
}

static void *pool_thread(void *argument) {
    Pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        Op *op = pool->pending.head;
        if (!op) {
            if (pool->stopping) break;
            struct timespec until = pool_after(POOL_IDLE_SECONDS);
            pool->idle++;
            int late = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
            pool->idle--;
            if (late && !pool->pending.head) break;
            continue;
        }
        op_unlink(&pool->pending, op);
        pool->waiting--;
        op->state = OP_RUNNING;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        int64_t result = pool->perform(op);
        pthread_mutex_lock(&pool->lock);
        op->result = result;
        int first = !pool->done.head;
        op_append(&pool->done, op);
        /* Under the lock: pool_stop() sees `running` fall only when the bell's descriptor is not needed any more. */
        if (first) bell_ring(pool->bell);
        if (--pool->running == 0) pthread_cond_broadcast(&pool->quiet);
    }
    pool->threads--;
    pthread_cond_broadcast(&pool->quiet);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Hand an operation over.  0, or -ENOMEM when no thread could be started and none is there. */
static inline int pool_add(Pool *pool, Op *op) {
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    op->state = OP_POOLED;
    op_append(&pool->pending, op);
    pool->waiting++;
    if (pool->idle >= pool->waiting) {
        pthread_cond_signal(&pool->work);
    } else if (pool->threads < POOL_THREADS) {
        sigset_t all, before;
        pthread_t thread;
        pthread_attr_t attributes;
        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 256 * 1024);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&thread, &attributes, pool_thread, pool);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        if (!error) pool->threads++;
        else if (pool->threads) error = 0;  /* those that run will come to it */
        if (error) {
            op_unlink(&pool->pending, op);
            pool->waiting--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return error ? -ENOMEM : 0;  /* pthread_create's EAGAIN is about threads, not about this operation */
}

/* Take an operation back that no thread has begun; whether that was so. */
static inline int pool_take_back(Pool *pool, Op *op) {
    pthread_mutex_lock(&pool->lock);
    int pending = op->state == OP_POOLED;
    if (pending) {
        op_unlink(&pool->pending, op);
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return pending;
}

/* All that is done, as a chain by `next`. */
static inline Op *pool_collect(Pool *pool) {
    if (!__atomic_load_n(&pool->done.head, __ATOMIC_ACQUIRE)) return NULL;
    pthread_mutex_lock(&pool->lock);
    Op *done = pool->done.head;
    pool->done.head = pool->done.tail = NULL;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

/* Drop what is pending, and wait until the threads have let go of every buffer and have ended.
   Whether that was so within the time; if not, the pool and all that it refers to have to be left alone for ever. */
static inline int pool_stop(Pool *pool, int seconds) {
    struct timespec until = pool_after(seconds);
    pthread_mutex_lock(&pool->lock);
    pool->pending.head = pool->pending.tail = NULL;
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->work);
    while (pool->threads)
        if (pthread_cond_timedwait(&pool->quiet, &pool->lock, &until)) break;
    int stopped = !pool->threads;
    pthread_mutex_unlock(&pool->lock);
    return stopped;
}

static inline void pool_free(Pool *pool) {
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->quiet);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
#endif
