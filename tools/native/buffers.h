/* The memory of a buffer pool, and which of its buffers are free.

   Views are let go of in any thread: where there is no GIL, the stack has a lock of its own. */
#ifndef COMPL_BUFFERS_H
#define COMPL_BUFFERS_H
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

/* A filled buffer as the result of an ENTRY_MORE: its length, whether the datagram was longer, its number. */
#define FILLED_TRUNCATED (1ll << 31)
#define FILLED_LENGTH(filled) ((filled) & INT32_MAX)
#define FILLED_INDEX(filled) ((int)((filled) >> 32))

typedef struct {
    char *memory;                /* page-aligned: `count` buffers of `size` bytes in a row */
    size_t size;
    uint32_t count;
    uint32_t available;          /* buffers in `stack` */
    uint16_t *stack;             /* the free ones: the last given back, which the caches still hold, is the next taken */
    int wanted;                  /* somebody found none, and has not been told that there is one again */
#ifdef Py_GIL_DISABLED
    PyMutex lock;
#endif
} Buffers;

#ifdef Py_GIL_DISABLED
#define BUFFERS_LOCK(buffers) PyMutex_Lock(&(buffers)->lock)
#define BUFFERS_UNLOCK(buffers) PyMutex_Unlock(&(buffers)->lock)
#else
#define BUFFERS_LOCK(buffers) ((void)0)
#define BUFFERS_UNLOCK(buffers) ((void)0)
#endif

static inline void *pages_new(size_t length) {
#ifdef _WIN32
    return VirtualAlloc(NULL, length, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#else
    void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
#endif
}

static inline void pages_free(void *pages, size_t length) {
#ifdef _WIN32
    (void)length;
    VirtualFree(pages, 0, MEM_RELEASE);
#else
    munmap(pages, length);
#endif
}

/* 0, or -1 when memory is out.  The system gives the pages as they are first written to. */
static inline int buffers_open(Buffers *buffers, uint32_t count, size_t size) {
    if (size > SIZE_MAX / count) return -1;
    uint16_t *stack = malloc(count * sizeof *stack);
    char *memory = stack ? pages_new(count * size) : NULL;
    if (!memory) {
        free(stack);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) stack[i] = (uint16_t)(count - 1 - i);
    buffers->memory = memory;
    buffers->stack = stack;
    buffers->size = size;
    buffers->count = buffers->available = count;
    return 0;
}

static inline void buffers_close(Buffers *buffers) {
    if (buffers->memory) pages_free(buffers->memory, buffers->count * buffers->size);
    free(buffers->stack);
}

static inline char *buffers_at(const Buffers *buffers, int index) {
    return buffers->memory + (size_t)index * buffers->size;
}

/* The number of a free buffer, or -1; then the next buffers_give() tells that there is one again. */
static inline int buffers_take(Buffers *buffers) {
    int index = -1;
    BUFFERS_LOCK(buffers);
    if (buffers->available) index = buffers->stack[--buffers->available];
    else buffers->wanted = 1;
    BUFFERS_UNLOCK(buffers);
    return index;
}

/* Whether none is free; if so, as above. */
static inline int buffers_dry(Buffers *buffers) {
    BUFFERS_LOCK(buffers);
    int dry = !buffers->available;
    if (dry) buffers->wanted = 1;
    BUFFERS_UNLOCK(buffers);
    return dry;
}

/* Whether somebody wants it. */
static inline int buffers_give(Buffers *buffers, int index) {
    BUFFERS_LOCK(buffers);
    buffers->stack[buffers->available++] = (uint16_t)index;
    int wanted = buffers->wanted;
    buffers->wanted = 0;
    BUFFERS_UNLOCK(buffers);
    return wanted;
}
#endif
