/* What a port knows of one descriptor number: which file it is now, its registration, and the operations queued on it.

   A number may be closed and given to another file at any time, behind the port's back.  `object` and `weak` recognise
   the Python object in a few ns; where that does not settle it, fstat's (st_dev, st_ino) does.  When the number turns
   out to be another file, `incarnation` counts up, and events that still carry the old one are ignored. */
#ifndef COMPL_FILE_H
#define COMPL_FILE_H
#include <Python.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "op.h"

enum {
    FILE_BLOCKING,   /* regular file, directory, block device: never "not ready", may block all the same */
    FILE_STREAM,     /* socket of a byte stream */
    FILE_MESSAGE,    /* socket of messages: datagrams, SOCK_SEQPACKET, raw */
    FILE_PIPE,       /* pipe, FIFO, terminal: a stream without offsets */
    FILE_OTHER       /* character devices, eventfd, timerfd, ...: pollable or not, to be tried */
};

#define CAN_READ 1u
#define CAN_WRITE 2u
#define STICKY 4u    /* hung up, failed, or urgent data: readiness is not inferred from short counts any more */

struct File {
    int fd;
    uint32_t incarnation;
    uint64_t device, inode;
    PyObject *weak;          /* owned: weak reference to the object last seen with this number, or NULL */
    PyObject *object;        /* owned: the registered object; NULL when not registered */
    PyObject *key;           /* owned: int; NULL is 0 */
    uint64_t registration;   /* number of the registration, 0 when there is none */
    OpQueue reading, writing, polling;
    OpQueue positioned;      /* FILE_BLOCKING without an offset: one after the other */
    Op *closing;             /* close_file, waiting for the rest to end */
    uint32_t in_flight;      /* operations not finished, `closing` not counted */
    uint32_t mask;           /* what the kernel watches now */
    uint32_t watch;          /* number of the request that watches it: backend's own */
    uint32_t watching;       /* requests that watch it, or did and have not ended: backend's own */
    uint8_t enrolled;        /* in a list by which it is recognised: backend's own */
    int family, protocol, socket_type;
    File *next_starved;
    uint8_t kind;            /* FILE_* */
    uint8_t open;            /* the number was last seen as this file */
    uint8_t watched;         /* how the kernel watches it: backend's own */
    uint8_t ready;           /* CAN_*: what is believed; a try that fails clears it */
    uint8_t interest, oneshot, disarmed;
    uint8_t queued;          /* a READINESS entry is in the ready queue */
    uint8_t muted;           /* not watched for its interest until that entry is delivered */
    uint8_t busy;            /* an operation without an offset is being done */
    uint8_t starved;         /* the first of `reading` waits for a buffer of its pool, not for the kernel */
    uint8_t listed;          /* in the port's list of starved files, of which some may not be so any more */
    uint8_t direct;          /* O_DIRECT: past the page cache */
    uint8_t no_nowait;       /* RWF_NOWAIT is refused: 1 for reads, 2 for writes */
    uint8_t drains;          /* a short read means empty (TCP) */
#ifdef _WIN32
    SystemFile system;
#endif
};

typedef struct {
    File **files;
    int size;
    int count;               /* File records made */
} FileTable;

static inline File *file_at(const FileTable *table, int fd) {
    return fd >= 0 && FILE_PLACE(fd) < table->size ? table->files[FILE_PLACE(fd)] : NULL;
}

/* A zeroed record for the number, which the table keeps.  NULL when memory is out. */
static inline File *file_make(FileTable *table, int fd) {
    int place = FILE_PLACE(fd);
    if (place >= table->size) {
        int size = table->size ? table->size : 64;
        while (size <= place) size *= 2;
        File **files = realloc(table->files, (size_t)size * sizeof *files);
        if (!files) return NULL;
        memset(files + table->size, 0, (size_t)(size - table->size) * sizeof *files);
        table->files = files;
        table->size = size;
    }
    File *file = calloc(1, sizeof *file);
    if (!file) return NULL;
    file->fd = fd;
    table->files[place] = file;
    table->count++;
    return file;
}

static inline void file_table_free(FileTable *table) {
    for (int fd = 0; fd < table->size; fd++) free(table->files[fd]);
    free(table->files);
    memset(table, 0, sizeof *table);
}

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>

/* What kind of file the number is now.  0, or -errno.  `same` tells whether it is the file that was seen last. */
static inline int file_look(File *file, int *same) {
    struct stat status;
    if (fstat(file->fd, &status) < 0) return -errno;
    *same = file->open && file->device == status.st_dev && file->inode == status.st_ino;
    if (*same) return 0;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->family = file->protocol = file->socket_type = 0;
    file->no_nowait = file->drains = file->direct = file->enrolled = 0;
    file->ready = CAN_READ | CAN_WRITE;  /* unknown: try */
    if (S_ISSOCK(status.st_mode)) {
        socklen_t length = sizeof(int);
        getsockopt(file->fd, SOL_SOCKET, SO_DOMAIN, &file->family, &length);
        length = sizeof(int);
        getsockopt(file->fd, SOL_SOCKET, SO_TYPE, &file->socket_type, &length);
        length = sizeof(int);
        getsockopt(file->fd, SOL_SOCKET, SO_PROTOCOL, &file->protocol, &length);
        file->kind = file->socket_type == SOCK_STREAM ? FILE_STREAM : FILE_MESSAGE;
        file->drains = file->kind == FILE_STREAM && file->protocol == IPPROTO_TCP &&
                       (file->family == AF_INET || file->family == AF_INET6);
    } else if (S_ISFIFO(status.st_mode) || (S_ISCHR(status.st_mode) && isatty(file->fd))) {
        file->kind = FILE_PIPE;
    } else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode)) {
        file->kind = FILE_BLOCKING;
        /* past the page cache RWF_NOWAIT only means "no waiting for locks": the transfer itself is waited for */
        if (fcntl(file->fd, F_GETFL) & O_DIRECT) {
            file->direct = 1;
            file->no_nowait = 3;
        }
    } else {
        file->kind = FILE_OTHER;
    }
    return 0;
}

/* Whether the number still is the file that was seen last. */
static inline int file_same(const File *file) {
    struct stat status;
    return fstat(file->fd, &status) == 0 && file->device == status.st_dev && file->inode == status.st_ino;
}
#endif

static inline int file_is_socket(const File *file) {
    return file->kind == FILE_STREAM || file->kind == FILE_MESSAGE;
}

/* Whether the kernel has to tell when the file can be read for its operations. */
static inline int file_wants_reading(const File *file) {
    return file->reading.head && !file->starved;
}

/* Whether `weak` still refers to `object`. */
static inline int weak_is(PyObject *weak, PyObject *object) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *target = NULL;
    if (!weak || PyWeakref_GetRef(weak, &target) <= 0) return 0;
    Py_DECREF(target);  /* the caller holds `object`: if they are one, this is not its last reference */
    return target == object;
#else
    return weak && PyWeakref_GetObject(weak) == object;
#endif
}
#endif
