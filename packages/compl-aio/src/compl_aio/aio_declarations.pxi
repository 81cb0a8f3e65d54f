# What the C headers of this package offer to Cython.

cdef extern from "errno.h" nogil:
    int EOPNOTSUPP

cdef extern from "aio_calls.h" nogil:
    ctypedef unsigned long AioContextId
    ctypedef struct ControlBlock:
        uint64_t data
        uint32_t key
        int rw_flags
        unsigned short opcode
        short reqprio
        uint32_t fd
        uint64_t buffer
        uint64_t length
        int64_t offset
        uint64_t reserved
        uint32_t flags
        uint32_t resfd
    ctypedef struct AioEvent:
        uint64_t data
        uint64_t object
        int64_t result
        int64_t result2
    int COMMAND_PREAD, COMMAND_PWRITE, COMMAND_FSYNC, COMMAND_FDSYNC, COMMAND_POLL, COMMAND_PREADV, COMMAND_PWRITEV
    int BLOCK_RESFD
    long aio_setup(unsigned, AioContextId *)
    long aio_destroy(AioContextId)
    long aio_submit(AioContextId, long, ControlBlock **)
    long aio_cancel(AioContextId, ControlBlock *, AioEvent *)
    long aio_getevents(AioContextId, long, long, AioEvent *, uint64_t)

cdef extern from "aio_ring.h" nogil:
    ctypedef struct AioRing:
        uint32_t nr, magic, compat_features, incompat_features, header_length
    AioRing *ring_of(AioContextId)
    uint32_t ring_count(const AioRing *)
    uint32_t ring_take(AioRing *, AioEvent *, uint32_t)

cdef extern from "request.h" nogil:
    ctypedef union RequestOf:
        File *file
        Op *op
    ctypedef struct Request:
        ControlBlock block
        RequestOf of
        uint32_t place
        uint8_t purpose
    ctypedef struct Watch:
        Request *armed[3]
        uint32_t leaving
        uint8_t way, fruitless
    ctypedef struct Requests:
        ControlBlock **batch
        uint32_t prepared_count
        Watch *watches
        int watch_count
    enum: FOR_FILES
    int FOR_READING, FOR_WRITING, FOR_INTEREST, FOR_BELL, FOR_SET, FOR_OPERATION, FOR_NOBODY
    int WAY_UNKNOWN, WAY_POLL, WAY_EPOLL
    Request *request_take(Requests *, int)
    void request_give(Requests *, Request *)
    int request_prepare(Requests *, Request *)
    void request_unprepare(Requests *, Request *)
    void requests_set_aside(Requests *, uint32_t, uint32_t)
    uint32_t SET_ASIDE
    void request_give_prepared(Requests *, const Op *)
    uint32_t requests_batch(Requests *, uint32_t)
    Watch *watch_of(Requests *, const File *)
    bint pollable_by_aio(const File *)
    int poll_now(int, int)
    void requests_free(Requests *)
