# What ring.h and prepare.h offer to Cython.

cdef extern from "uring_abi.h" nogil:
    ctypedef struct UringSqe:
        uint8_t opcode, flags
        uint16_t ioprio
        int fd
        uint64_t off, addr, user_data, addr3, pad2
        uint32_t len, op_flags, file_index, level, optname
        uint16_t buf_index, personality, addr_len
    ctypedef struct UringCqe:
        uint64_t user_data
        int res
        uint32_t flags
    ctypedef struct UringParams:
        uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd
    uint32_t URING_SETUP_CQSIZE, URING_SETUP_CLAMP, URING_SETUP_SUBMIT_ALL, URING_SETUP_COOP_TASKRUN
    uint32_t URING_SETUP_TASKRUN_FLAG, URING_SETUP_SINGLE_ISSUER, URING_SETUP_DEFER_TASKRUN
    uint32_t URING_FEAT_NODROP, URING_FEAT_SUBMIT_STABLE, URING_FEAT_EXT_ARG
    uint32_t URING_ENTER_GETEVENTS, URING_CQE_MORE, URING_CQE_BUFFER
    int URING_CQE_BUFFER_SHIFT

cdef extern from "ring.h" nogil:
    ctypedef struct UringRing:
        int fd, enter_fd
        uint32_t flags, features, entered
        uint32_t sq_mask, sq_entries, sq_tail
        uint32_t *sq_khead
        UringSqe *sqes
        uint32_t cq_entries
        uint32_t *cq_koverflow
    int ring_open(UringRing *, uint32_t, UringParams *)
    void ring_close(UringRing *)
    int ring_register_fd(UringRing *)
    void ring_unregister_fd(UringRing *)
    uint32_t ring_unsubmitted(const UringRing *)
    uint32_t ring_room(const UringRing *)
    UringSqe *ring_entry(UringRing *)
    void ring_publish(UringRing *)
    UringSqe *ring_unpublished(const UringRing *, uint64_t)
    UringSqe *ring_take_back(UringRing *)
    bint ring_holds_back(const UringRing *)
    uint32_t ring_completed(const UringRing *)
    int ring_enter(const UringRing *, uint32_t, uint32_t, uint32_t, uint64_t)
    UringCqe *ring_peek(const UringRing *)
    void ring_advance(UringRing *, uint32_t)
    int ring_probe(const UringRing *, uint64_t *)

cdef extern from "prepare.h" nogil:
    int TAG_SHIFT
    uint32_t TAG_WATCH, TAG_CANCEL, TAG_BELL
    uint32_t ABLE_MULTISHOT_ACCEPT, ABLE_MULTISHOT_RECV, ABLE_WHOLE, ABLE_CANCEL_ANY, ABLE_MULTISHOT_POLL
    uint64_t tagged(uint32_t, uint64_t)
    uint64_t tag_watch(uint32_t, int)
    uint32_t native_of(const uint64_t *, uint32_t)
    bint op_native(uint32_t, const File *, const Op *)
    void prepare_op(UringSqe *, const File *, Op *, uint32_t)
    void prepare_poll(UringSqe *, int, uint32_t, int, uint64_t)
    void prepare_cancel(UringSqe *, uint64_t)
    void prepare_nothing(UringSqe *)
    void prepare_cancel_all(UringSqe *)
    bint useful(int, int)
    bint port_possible(const uint64_t *, uint32_t)
    int64_t poll_now(int, int)

cdef extern from "wishes.h" nogil:
    ctypedef struct Wishes:
        size_t count
    int wishes_reserve(Wishes *, size_t)
    void wishes_add(Wishes *, uint64_t)
    uint64_t wishes_first(const Wishes *)
    void wishes_drop(Wishes *)
    void wishes_free(Wishes *)

cdef extern from "string.h" nogil:
    void *memset(void *, int, size_t)

cdef extern from "buffer_ring.h" nogil:
    ctypedef struct OfferedBuffers "BufferRing":
        void *entries
        int group
        size_t length
    int buffer_ring_open(OfferedBuffers *, const UringRing *, uint32_t, int)
    int buffer_ring_close(OfferedBuffers *, const UringRing *)
    void buffer_ring_add(OfferedBuffers *, char *, size_t, int)
    void prepare_pooled(UringSqe *, int, const File *, int, int, uint64_t)
