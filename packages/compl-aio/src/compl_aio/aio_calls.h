/* Linux AIO without libaio: the structs of <linux/aio_abi.h> declared here (older headers lack aio_rw_flags and
   IOCB_CMD_POLL), and the five system calls, each giving its result or -errno. */
#ifndef COMPL_AIO_CALLS_H
#define COMPL_AIO_CALLS_H
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long AioContextId;  /* aio_context_t: the address of the completion ring */

/* struct iocb; the kernel copies it in io_submit, and knows the request by its address from then on. */
typedef struct {
    uint64_t data;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    int32_t rw_flags;        /* the two swap, so that they are the halves of what was one 64-bit field */
    uint32_t key;
#else
    uint32_t key;            /* written by io_submit, and checked by io_cancel */
    int32_t rw_flags;        /* RWF_* */
#endif
    uint16_t opcode;
    int16_t reqprio;
    uint32_t fd;
    uint64_t buffer;         /* address; POLL: the mask; PREADV, PWRITEV: address of the iovecs */
    uint64_t length;         /* bytes; PREADV, PWRITEV: iovecs */
    int64_t offset;
    uint64_t reserved;
    uint32_t flags;          /* IOCB_FLAG_* */
    uint32_t resfd;
} ControlBlock;

/* struct io_event */
typedef struct {
    uint64_t data;           /* iocb.data */
    uint64_t object;         /* address of the iocb */
    int64_t result;          /* or -errno */
    int64_t result2;
} AioEvent;

_Static_assert(sizeof(ControlBlock) == 64, "struct iocb");
_Static_assert(sizeof(AioEvent) == 32, "struct io_event");

enum {
    COMMAND_PREAD = 0, COMMAND_PWRITE = 1, COMMAND_FSYNC = 2, COMMAND_FDSYNC = 3, COMMAND_POLL = 5, COMMAND_NOOP = 6,
    COMMAND_PREADV = 7, COMMAND_PWRITEV = 8,
    BLOCK_RESFD = 1, BLOCK_PRIORITY = 2
};

/* The compiler's view of the structs, for the layout tests. */
enum {
    IOCB_ALIGN = _Alignof(ControlBlock),
    IOCB_DATA = offsetof(ControlBlock, data), IOCB_KEY = offsetof(ControlBlock, key),
    IOCB_RW_FLAGS = offsetof(ControlBlock, rw_flags), IOCB_OPCODE = offsetof(ControlBlock, opcode),
    IOCB_REQPRIO = offsetof(ControlBlock, reqprio), IOCB_FILDES = offsetof(ControlBlock, fd),
    IOCB_BUF = offsetof(ControlBlock, buffer), IOCB_NBYTES = offsetof(ControlBlock, length),
    IOCB_OFFSET = offsetof(ControlBlock, offset), IOCB_RESERVED2 = offsetof(ControlBlock, reserved),
    IOCB_FLAGS = offsetof(ControlBlock, flags), IOCB_RESFD = offsetof(ControlBlock, resfd),
    EVENT_ALIGN = _Alignof(AioEvent), EVENT_DATA = offsetof(AioEvent, data), EVENT_OBJ = offsetof(AioEvent, object),
    EVENT_RES = offsetof(AioEvent, result), EVENT_RES2 = offsetof(AioEvent, result2)
};

static inline long aio_answer(long result) { return result < 0 ? -errno : result; }

static inline long aio_setup(unsigned events, AioContextId *context) {
    *context = 0;
    return aio_answer(syscall(SYS_io_setup, events, context));
}

/* Blocks until every request has ended: nobody writes into any buffer afterwards. */
static inline long aio_destroy(AioContextId context) { return aio_answer(syscall(SYS_io_destroy, context)); }

static inline long aio_submit(AioContextId context, long count, ControlBlock **blocks) {
    return aio_answer(syscall(SYS_io_submit, context, count, blocks));
}

static inline long aio_cancel(AioContextId context, ControlBlock *block, AioEvent *event) {
    return aio_answer(syscall(SYS_io_cancel, context, block, event));
}

/* At least `least` and at most `room` events, within `nanoseconds` (UINT64_MAX: for ever). */
static inline long aio_getevents(AioContextId context, long least, long room, AioEvent *events, uint64_t nanoseconds) {
    /* the call of 64-bit kernels' own width: long, whatever time_t is */
    struct { long seconds, nanoseconds; } budget = {(long)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    return aio_answer(syscall(SYS_io_getevents, context, least, room, events, nanoseconds == UINT64_MAX ? NULL : &budget));
}
#endif
