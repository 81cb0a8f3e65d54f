# Entries for everything that is no file's and no socket's: time, readiness, cancelling, messages between rings, waiting.

cdef enum:
    _CANCEL_ALL = 1
    _CANCEL_FD = 2
    _CANCEL_ANY = 4
    _CANCEL_FD_FIXED = 8
    _CANCEL_USERDATA = 16
    _CANCEL_OP = 32
    _POLL_MULTI = 1
    _POLL_UPDATE_EVENTS = 2
    _POLL_UPDATE_USER_DATA = 4
    _POLL_LEVEL = 8
    _TIMEOUT_UPDATE = 2
    _LINK_TIMEOUT_UPDATE = 16


cdef inline uint32_t poll_bits(uint32_t events) noexcept:
    """sqe.poll32_events: its halves are swapped on big-endian machines, as the field began as 16 bits."""
    if _big_endian:
        return events << 16 | events >> 16
    return events


cdef bint _big_endian = _sys.byteorder == "big"


cdef class _Entries(_SocketEntries):
    def nop(self, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.fd = -1
        return self.put(&sqe, NULL, user_data, flags)

    def poll_add(self, fd, uint32_t events, user_data=0, int flags=0, *, bint multishot=False, bint level=False):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_POLL_ADD
        sqe.op_flags = poll_bits(events)
        sqe.len = (_POLL_MULTI if multishot else 0) | (_POLL_LEVEL if level else 0)
        return self.put_file(&sqe, fd, user_data, flags, "poll_add")

    def poll_remove(self, target, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_POLL_REMOVE
        sqe.fd = -1
        sqe.addr = as_u64(target, "poll_remove", "target")
        return self.put(&sqe, NULL, user_data, flags)

    def poll_update(self, target, uint32_t events, user_data=0, int flags=0, *, bint multishot=False):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_POLL_REMOVE
        sqe.fd = -1
        sqe.addr = as_u64(target, "poll_update", "target")
        sqe.op_flags = poll_bits(events)
        sqe.len = _POLL_UPDATE_EVENTS | (_POLL_MULTI if multishot else 0)
        return self.put(&sqe, NULL, user_data, flags)

    cdef object put_time(
        self, UringSqe *sqe, object seconds, bint updating, object user_data, int flags, str method
    ):
        cdef Hold hold
        cdef uint64_t time
        memset(&hold, 0, sizeof(hold))
        time = hold_time(&hold, seconds, method)
        sqe.fd = -1
        if updating:
            sqe.off = time
        else:
            sqe.addr = time
            sqe.len = 1
        return self.put_held(sqe, &hold, user_data, flags)

    def timeout(self, seconds, user_data=0, int flags=0, *, uint64_t count=0, uint32_t timeout_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_TIMEOUT
        sqe.off = count
        sqe.op_flags = timeout_flags
        return self.put_time(&sqe, seconds, False, user_data, flags, "timeout")

    def timeout_remove(self, target, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_TIMEOUT_REMOVE
        sqe.fd = -1
        sqe.addr = as_u64(target, "timeout_remove", "target")
        return self.put(&sqe, NULL, user_data, flags)

    def timeout_update(self, target, seconds, user_data=0, int flags=0, *, uint32_t timeout_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_TIMEOUT_REMOVE
        sqe.addr = as_u64(target, "timeout_update", "target")
        sqe.op_flags = timeout_flags | _TIMEOUT_UPDATE
        return self.put_time(&sqe, seconds, True, user_data, flags, "timeout_update")

    def link_timeout(self, seconds, user_data=0, int flags=0, *, uint32_t timeout_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_LINK_TIMEOUT
        sqe.op_flags = timeout_flags
        return self.put_time(&sqe, seconds, False, user_data, flags, "link_timeout")

    def cancel(self, target, user_data=0, int flags=0, *, bint all=False):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_ASYNC_CANCEL
        sqe.fd = -1
        sqe.addr = as_u64(target, "cancel", "target")
        sqe.op_flags = _CANCEL_ALL if all else 0
        return self.put(&sqe, NULL, user_data, flags)

    def cancel_fd(self, fd, user_data=0, int flags=0, *, bint all=True, bint fixed=False):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_ASYNC_CANCEL
        sqe.op_flags = _CANCEL_FD | (_CANCEL_ALL if all else 0) | (_CANCEL_FD_FIXED if fixed else 0)
        return self.put_file(&sqe, fd, user_data, flags, "cancel_fd")

    def cancel_any(self, user_data=0, int flags=0, *, bint all=True):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_ASYNC_CANCEL
        sqe.fd = -1
        sqe.op_flags = _CANCEL_ANY | (_CANCEL_ALL if all else 0)
        return self.put(&sqe, NULL, user_data, flags)

    def msg_ring(self, ring, int res, message, user_data=0, int flags=0, *, cqe_flags=None, uint32_t msg_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_MSG_RING
        sqe.len = <uint32_t>res
        sqe.off = as_u64(message, "msg_ring", "message")
        sqe.op_flags = msg_flags
        if cqe_flags is not None:
            sqe.op_flags |= 2    # IORING_MSG_RING_FLAGS_PASS
            sqe.file_index = as_u32(cqe_flags, "msg_ring", "cqe_flags")
        return self.put_file(&sqe, ring, user_data, flags, "msg_ring")

    def msg_ring_fd(
        self, ring, uint32_t source, message, user_data=0, int flags=0, *, target=None, uint32_t msg_flags=0
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_MSG_RING
        sqe.addr = 1             # IORING_MSG_SEND_FD
        sqe.addr3 = source
        sqe.off = as_u64(message, "msg_ring_fd", "message")
        sqe.op_flags = msg_flags
        sqe.file_index = as_file_slot(0xFFFFFFFF if target is None else target, "msg_ring_fd")
        return self.put_file(&sqe, ring, user_data, flags, "msg_ring_fd")

    def futex_wait(
        self, word, uint32_t value, user_data=0, int flags=0, *, uint64_t mask=0xFFFFFFFF, uint32_t futex_flags=0x82
    ):
        cdef UringSqe sqe
        need_room(word, 4, "futex_wait")
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FUTEX_WAIT
        sqe.fd = <int>futex_flags
        sqe.off = value
        sqe.addr3 = mask
        return self.put_room(&sqe, word, user_data, flags, "futex_wait")

    def futex_wake(
        self, word, uint32_t count, user_data=0, int flags=0, *, uint64_t mask=0xFFFFFFFF, uint32_t futex_flags=0x82
    ):
        cdef UringSqe sqe
        need_room(word, 4, "futex_wake")
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FUTEX_WAKE
        sqe.fd = <int>futex_flags
        sqe.off = count
        sqe.addr3 = mask
        return self.put_room(&sqe, word, user_data, flags, "futex_wake")

    def waitid(self, uint32_t id_type, int id, uint32_t options, user_data=0, int flags=0, *, info=None):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_WAITID
        sqe.fd = id
        sqe.len = id_type
        sqe.file_index = options
        if info is None:
            return self.put(&sqe, NULL, user_data, flags)
        need_room(info, 128, "waitid")
        memset(&hold, 0, sizeof(hold))
        hold_view(&hold, &sqe, info, True, "waitid")
        sqe.off = sqe.addr
        sqe.addr = 0
        sqe.len = id_type
        return self.put_held(&sqe, &hold, user_data, flags)

    def epoll_ctl(self, epoll, int operation, fd, uint32_t events=0, data=0, user_data=0, int flags=0):
        cdef UringSqe sqe
        cdef Hold hold
        cdef RingEpollEvent *event
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_EPOLL_CTL
        sqe.fd = as_file(epoll, flags, "epoll_ctl")
        sqe.off = <uint64_t>as_file(fd, 0, "epoll_ctl")
        sqe.len = <uint32_t>operation
        number = as_u64_object(data, "epoll_ctl", "data")
        event = <RingEpollEvent *>hold_memory(&hold, sizeof(RingEpollEvent))
        event.events = events
        event.data.u64 = number
        sqe.addr = <uint64_t><size_t>event
        return self.put_held(&sqe, &hold, user_data, flags)

    def epoll_wait(self, epoll, buffer, user_data=0, int flags=0):
        cdef UringSqe sqe
        cdef Hold hold
        need_room(buffer, sizeof(RingEpollEvent), "epoll_wait")
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_EPOLL_WAIT
        sqe.fd = as_file(epoll, flags, "epoll_wait")
        hold_view(&hold, &sqe, buffer, True, "epoll_wait")
        sqe.len = sqe.len // sizeof(RingEpollEvent)
        return self.put_held(&sqe, &hold, user_data, flags)


cdef class Prepare(_Entries):
    """The builders, each returning a SubmissionEntry; see compl_uring.ring."""

    cdef bint large_

    def __cinit__(self, *, bint large=False):
        self.large_ = large

    cdef object put(self, UringSqe *sqe, Hold *hold, object user_data, int flags):
        cdef SubmissionEntry entry = SubmissionEntry.__new__(SubmissionEntry)
        if not 0 <= flags <= 0xFF:
            raise OverflowError(f"flags {flags:#x} do not fit the 8 bits of an entry")
        entry.large_ = self.large_
        entry.sqe[0] = sqe[0]
        entry.sqe[0].flags = flags
        entry.sqe[0].user_data = as_u64_object(user_data, "Prepare", "user_data")
        if hold != NULL:
            entry.hold = hold[0]
        return entry
