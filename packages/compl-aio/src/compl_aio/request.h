/* What a port has asked of the kernel: one request for each poll that is armed and each file operation on its way.

   io_cancel knows a request by the address of its iocb, so records live in chunks that never move, and one is not used
   again before its event has come. */
#ifndef COMPL_AIO_REQUEST_H
#define COMPL_AIO_REQUEST_H
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include "aio_calls.h"
#include "file.h"
#include "op.h"

#define PIPEFS 0x50495045  /* PIPEFS_MAGIC of <linux/magic.h> */

/* What a request is for. */
enum {
    FOR_READING,     /* readiness of a file, for the operations that read */
    FOR_WRITING,
    FOR_INTEREST,    /* readiness of a file, for its registration */
    FOR_FILES = 3,   /* so many kinds are a file's */
    FOR_BELL = FOR_FILES,
    FOR_SET,         /* the inner epoll set */
    FOR_OPERATION,   /* a transfer or fsync of a file */
    FOR_NOBODY       /* given up: its event is awaited, and means nothing */
};

typedef struct Request Request;
struct Request {
    ControlBlock block;      /* first: a request is known by its iocb */
    union {
        File *file;
        Op *op;
        Request *next;       /* on the free list */
    } of;
    uint32_t place;          /* among the prepared ones, plus one; 0: the kernel has it; SET_ASIDE */
    uint8_t purpose;
};

/* How a file is watched: asked of the kernel once for each incarnation. */
enum { WAY_UNKNOWN, WAY_POLL, WAY_EPOLL };

/* A file as this backend sees it, beside its File. */
typedef struct {
    Request *armed[FOR_FILES];
    uint32_t leaving;        /* polls that were given up, and whose event has not come */
    uint32_t incarnation;    /* of the File that the rest is about */
    uint8_t way;             /* WAY_* */
    uint8_t fruitless;       /* events in a row after which nothing could be done */
} Watch;

#define REQUESTS_CHUNK 64u

typedef struct {
    Request **chunks;
    uint32_t chunk_count;
    Request *free;
    Request **prepared;      /* in the order in which the kernel is to get them; NULL where one was taken out */
    ControlBlock **batch;    /* those of them that it gets now: room for as many */
    uint32_t prepared_count, prepared_size;
    Watch *watches;          /* by descriptor */
    int watch_count;
} Requests;

static inline Request *request_take(Requests *requests, int purpose) {
    if (!requests->free) {
        Request **chunks = realloc(requests->chunks, (requests->chunk_count + 1) * sizeof *chunks);
        if (!chunks) return NULL;
        requests->chunks = chunks;
        Request *fresh = calloc(REQUESTS_CHUNK, sizeof *fresh);
        if (!fresh) return NULL;
        chunks[requests->chunk_count++] = fresh;
        for (uint32_t i = REQUESTS_CHUNK; i-- > 0;) {
            fresh[i].of.next = requests->free;
            requests->free = &fresh[i];
        }
    }
    Request *request = requests->free;
    requests->free = request->of.next;
    memset(request, 0, sizeof *request);
    request->block.data = (uint64_t)(uintptr_t)request;
    request->purpose = (uint8_t)purpose;
    return request;
}

/* SAFETY: the kernel does not have it: its event has come, or it was never submitted */
static inline void request_give(Requests *requests, Request *request) {
    request->of.next = requests->free;
    requests->free = request;
}

/* Close the gaps of those that were taken out. */
static inline void requests_close_gaps(Requests *requests) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < requests->prepared_count; i++) {
        Request *request = requests->prepared[i];
        if (!request) continue;
        requests->prepared[kept] = request;
        request->place = ++kept;
    }
    requests->prepared_count = kept;
}

/* Queue it for the next io_submit.  0, or -ENOMEM. */
static inline int request_prepare(Requests *requests, Request *request) {
    int full = requests->prepared_count == requests->prepared_size;
    if (full) requests_close_gaps(requests);
    if (full && requests->prepared_count >= requests->prepared_size / 2) {  /* so that gaps are not closed each time */
        uint32_t size = requests->prepared_size ? 2 * requests->prepared_size : 64;
        Request **prepared = realloc(requests->prepared, size * sizeof *prepared);
        if (!prepared) return -ENOMEM;
        requests->prepared = prepared;
        ControlBlock **batch = realloc(requests->batch, size * sizeof *batch);
        if (!batch) return -ENOMEM;
        requests->batch = batch;
        requests->prepared_size = size;
    }
    requests->prepared[requests->prepared_count++] = request;
    request->place = requests->prepared_count;
    return 0;
}

/* Take a prepared one out again; its place stays empty until the queue is worked off. */
static inline void request_unprepare(Requests *requests, Request *request) {
    requests->prepared[request->place - 1] = NULL;
    request->place = 0;
}

/* Put into `batch` what the kernel gets now: all but what is more than `operations` operations of files.
   How many. */
static inline uint32_t requests_batch(Requests *requests, uint32_t operations) {
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < requests->prepared_count; i++) {
        Request *request = requests->prepared[i];
        if (!request) continue;
        if (request->purpose == FOR_OPERATION && operations == 0) {
            requests->prepared[kept] = request;
            request->place = ++kept;
            continue;
        }
        if (request->purpose == FOR_OPERATION) operations--;
        request->place = 0;
        requests->batch[count++] = &request->block;
    }
    requests->prepared_count = kept;
    return count;
}

/* While one of a batch is refused, the rest of it is nobody's yet. */
#define SET_ASIDE UINT32_MAX

static inline void requests_set_aside(Requests *requests, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) ((Request *)requests->batch[i])->place = SET_ASIDE;
}

/* Give back the prepared request of an operation. */
static inline void request_give_prepared(Requests *requests, const Op *op) {
    for (uint32_t i = 0; i < requests->prepared_count; i++) {
        Request *request = requests->prepared[i];
        if (!request || request->purpose != FOR_OPERATION || request->of.op != op) continue;
        requests->prepared[i] = NULL;
        request_give(requests, request);
        return;
    }
}

/* The record of a descriptor; NULL when memory is out. */
static inline Watch *watch_of(Requests *requests, const File *file) {
    if (file->fd >= requests->watch_count) {
        int count = requests->watch_count ? requests->watch_count : 64;
        while (count <= file->fd) count *= 2;
        Watch *watches = realloc(requests->watches, (size_t)count * sizeof *watches);
        if (!watches) return NULL;
        memset(watches + requests->watch_count, 0, (size_t)(count - requests->watch_count) * sizeof *watches);
        requests->watches = watches;
        requests->watch_count = count;
    }
    Watch *watch = &requests->watches[file->fd];
    if (watch->incarnation != file->incarnation) {
        watch->incarnation = file->incarnation;
        watch->way = WAY_UNKNOWN;
        watch->fruitless = 0;
    }
    return watch;
}

/* Whether IOCB_CMD_POLL may be tried.  It takes files with one wait queue only, and finds that out only where they are not
   ready just then; a terminal has two, a FIFO opened for both directions too.  Those, and all whose number may come to be
   another open file of the same inode (FIFOs by name, eventfds and the like), are epoll's, which tells them apart. */
static inline int pollable_by_aio(const File *file) {
    struct statfs where;
    if (file->kind == FILE_PIPE) return fstatfs(file->fd, &where) == 0 && where.f_type == PIPEFS;
    return file->kind == FILE_STREAM || file->kind == FILE_MESSAGE;
}

/* What holds now of a mask: POLL* bits, or 0. */
static inline int poll_now(int fd, int mask) {
    struct pollfd one = {fd, (short)mask, 0};
    return poll(&one, 1, 0) == 1 && !(one.revents & POLLNVAL) ? one.revents : 0;
}

static inline void requests_free(Requests *requests) {
    for (uint32_t i = 0; i < requests->chunk_count; i++) free(requests->chunks[i]);
    free(requests->chunks);
    free(requests->prepared);
    free(requests->batch);
    free(requests->watches);
    memset(requests, 0, sizeof *requests);
}
#endif
