/* Locks, conditions and threads that know nothing of Python: pthreads, or what Windows has. */
#ifndef COMPL_THREADS_H
#define COMPL_THREADS_H
#include "system.h"
#ifdef _WIN32
#include <process.h>

#define THREAD_LOCAL _Thread_local /* mingw-w64: GNU C ignores __declspec(thread) */

typedef SRWLOCK Lock;
typedef CONDITION_VARIABLE Condition;

static inline void lock_make(Lock *lock) { InitializeSRWLock(lock); }
static inline void lock_take(Lock *lock) { AcquireSRWLockExclusive(lock); }
static inline void lock_drop(Lock *lock) { ReleaseSRWLockExclusive(lock); }
static inline void lock_end(Lock *lock) { (void)lock; }
static inline void condition_make(Condition *condition) { InitializeConditionVariable(condition); }
static inline void condition_one(Condition *condition) { WakeConditionVariable(condition); }
static inline void condition_all(Condition *condition) { WakeAllConditionVariable(condition); }
static inline void condition_end(Condition *condition) { (void)condition; }

/* 0, or not when `deadline` (clock_now, ns) has passed. */
static inline int condition_wait(Condition *condition, Lock *lock, uint64_t deadline) {
    return !SleepConditionVariableSRW(condition, lock, milliseconds_until(deadline), 0);
}

typedef struct {
    void (*run)(void *);
    void *argument;
} ThreadStart;

static unsigned __stdcall thread_main(void *start) {
    ThreadStart own = *(ThreadStart *)start;
    free(start);
    own.run(own.argument);
    return 0;
}

/* A detached thread.  0, or not when there can be none. */
static inline int thread_begin(void (*run)(void *), void *argument) {
    ThreadStart *start = malloc(sizeof *start);
    if (!start) return -1;
    *start = (ThreadStart){run, argument};
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 256 * 1024, thread_main, start, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!thread) {
        free(start);
        return -1;
    }
    CloseHandle(thread);
    return 0;
}
#else
#include <pthread.h>
#include <signal.h>

#define THREAD_LOCAL _Thread_local

typedef pthread_mutex_t Lock;
typedef pthread_cond_t Condition;

static inline void lock_make(Lock *lock) { pthread_mutex_init(lock, NULL); }
static inline void lock_take(Lock *lock) { pthread_mutex_lock(lock); }
static inline void lock_drop(Lock *lock) { pthread_mutex_unlock(lock); }
static inline void lock_end(Lock *lock) { pthread_mutex_destroy(lock); }

static inline void condition_make(Condition *condition) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static inline void condition_one(Condition *condition) { pthread_cond_signal(condition); }
static inline void condition_all(Condition *condition) { pthread_cond_broadcast(condition); }
static inline void condition_end(Condition *condition) { pthread_cond_destroy(condition); }

/* 0, or not when `deadline` (clock_now, ns) has passed. */
static inline int condition_wait(Condition *condition, Lock *lock, uint64_t deadline) {
    struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    return pthread_cond_timedwait(condition, lock, &until);
}

typedef struct {
    void (*run)(void *);
    void *argument;
} ThreadStart;

static void *thread_main(void *start) {
    ThreadStart own = *(ThreadStart *)start;
    free(start);
    own.run(own.argument);
    return NULL;
}

/* A detached thread, in which all signals are blocked, so that handlers run in the program's own threads and a broken pipe
   is EPIPE, not SIGPIPE.  0, or not when there can be none. */
static inline int thread_begin(void (*run)(void *), void *argument) {
    sigset_t all, before;
    pthread_t thread;
    pthread_attr_t attributes;
    ThreadStart *start = malloc(sizeof *start);
    if (!start) return -1;
    *start = (ThreadStart){run, argument};
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) free(start);
    return error;
}
#endif

/* The number of this thread, which no other thread of the process will have: the system gives its own numbers again. */
static inline uint64_t thread_number(void) {
    static THREAD_LOCAL uint64_t mine;
    if (!mine) {
#ifdef _WIN32
        static volatile LONG64 given;
        mine = (uint64_t)InterlockedIncrement64(&given);
#else
        static uint64_t given;
        mine = __atomic_add_fetch(&given, 1, __ATOMIC_RELAXED);
#endif
    }
    return mine;
}
#endif
