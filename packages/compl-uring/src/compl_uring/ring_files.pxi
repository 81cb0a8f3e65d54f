# Entries for files, directories and pipes.

cdef class RegisteredBuffers:
    """Buffers that a ring has mapped; see compl_uring.ring.  Exported for as long as an operation, or the ring, has it."""

    cdef Hold hold
    cdef iovec *iov

    def __cinit__(self):
        if type(self) is RegisteredBuffers and not _making_buffers:
            raise TypeError("RegisteredBuffers come from Ring.register_buffers()")

    def __dealloc__(self):
        hold_release(&self.hold)

    def __len__(self):
        return self.hold.count

    def size(self, Py_ssize_t index):
        if not 0 <= index < self.hold.count:
            raise IndexError(f"registered buffer {index} of {self.hold.count}")
        return self.iov[index].iov_len

    cdef int point(self, UringSqe *sqe, int index, Py_ssize_t start, object length, str method) except -1:
        """Let an entry move these bytes of a buffer."""
        cdef Py_ssize_t room = self.size(index)
        cdef Py_ssize_t wanted
        if not 0 <= start <= room:
            raise ValueError(f"{method}(): start {start} is outside registered buffer {index}, which has {room} bytes")
        wanted = room - start if length is None else length
        if not 0 <= wanted <= room - start or wanted > 0x7FFFFFFF:
            raise ValueError(
                f"{method}(): {wanted} bytes from {start} are not inside registered buffer {index}, which has {room} bytes"
            )
        sqe.addr = <uint64_t><size_t>self.iov[index].iov_base + <uint64_t>start
        sqe.len = <uint32_t>wanted
        sqe.buf_index = index
        return 0


cdef bint _making_buffers = False


cdef class _FileEntries(_EntryBase):
    def read(self, fd, buffer, int64_t offset=-1, user_data=0, int flags=0, int rw_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_READ
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        sqe.ioprio = ioprio
        return self.put_buffer(&sqe, fd, buffer, True, user_data, flags, "read")

    def write(self, fd, buffer, int64_t offset=-1, user_data=0, int flags=0, int rw_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_WRITE
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        sqe.ioprio = ioprio
        return self.put_buffer(&sqe, fd, buffer, False, user_data, flags, "write")

    def readv(self, fd, buffers, int64_t offset=-1, user_data=0, int flags=0, int rw_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_READV
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        sqe.ioprio = ioprio
        return self.put_buffers(&sqe, fd, buffers, True, user_data, flags, "readv")

    def writev(self, fd, buffers, int64_t offset=-1, user_data=0, int flags=0, int rw_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_WRITEV
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        sqe.ioprio = ioprio
        return self.put_buffers(&sqe, fd, buffers, False, user_data, flags, "writev")

    cdef object put_fixed(
        self, UringSqe *sqe, object file, RegisteredBuffers buffers, int index, Py_ssize_t start, object length,
        object user_data, int flags, str method,
    ):
        cdef Hold hold
        sqe.fd = as_file(file, flags, method)
        buffers.point(sqe, index, start, length, method)
        memset(&hold, 0, sizeof(hold))
        hold_object(&hold, buffers)
        return self.put_held(sqe, &hold, user_data, flags)

    def read_fixed(
        self, fd, RegisteredBuffers buffers not None, int index, int64_t offset=-1, user_data=0, int flags=0, *,
        Py_ssize_t start=0, length=None, int rw_flags=0,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_READ_FIXED
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        return self.put_fixed(&sqe, fd, buffers, index, start, length, user_data, flags, "read_fixed")

    def write_fixed(
        self, fd, RegisteredBuffers buffers not None, int index, int64_t offset=-1, user_data=0, int flags=0, *,
        Py_ssize_t start=0, length=None, int rw_flags=0,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_WRITE_FIXED
        sqe.off = <uint64_t>offset
        sqe.op_flags = rw_flags
        return self.put_fixed(&sqe, fd, buffers, index, start, length, user_data, flags, "write_fixed")

    def read_provided(self, fd, uint16_t group, int64_t offset=-1, user_data=0, int flags=0, *, uint32_t length=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_READ
        sqe.off = <uint64_t>offset
        sqe.len = length
        sqe.buf_index = group
        return self.put_file(&sqe, fd, user_data, flags | URING_SQE_BUFFER_SELECT, "read_provided")

    def read_multishot(self, fd, uint16_t group, int64_t offset=-1, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_READ_MULTISHOT
        sqe.off = <uint64_t>offset
        sqe.buf_index = group
        return self.put_file(&sqe, fd, user_data, flags | URING_SQE_BUFFER_SELECT, "read_multishot")

    def fsync(self, fd, user_data=0, int flags=0, *, bint data_only=False, uint64_t offset=0, uint32_t length=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FSYNC
        sqe.off = offset
        sqe.len = length
        sqe.op_flags = 1 if data_only else 0
        return self.put_file(&sqe, fd, user_data, flags, "fsync")

    def sync_file_range(self, fd, uint64_t offset, uint32_t length, uint32_t sync_flags, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SYNC_FILE_RANGE
        sqe.off = offset
        sqe.len = length
        sqe.op_flags = sync_flags
        return self.put_file(&sqe, fd, user_data, flags, "sync_file_range")

    def fallocate(self, fd, uint32_t mode, uint64_t offset, uint64_t length, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FALLOCATE
        sqe.off = offset
        sqe.addr = length
        sqe.len = mode
        return self.put_file(&sqe, fd, user_data, flags, "fallocate")

    def ftruncate(self, fd, uint64_t length, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FTRUNCATE
        sqe.off = length
        return self.put_file(&sqe, fd, user_data, flags, "ftruncate")

    def fadvise(self, fd, uint64_t offset, uint32_t length, uint32_t advice, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FADVISE
        sqe.off = offset
        sqe.len = length
        sqe.op_flags = advice
        return self.put_file(&sqe, fd, user_data, flags, "fadvise")

    def madvise(self, buffer, uint32_t advice, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_MADVISE
        sqe.op_flags = advice
        return self.put_buffer(&sqe, -1, buffer, False, user_data, flags, "madvise")

    def close_file(self, fd, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_CLOSE
        return self.put_file(&sqe, fd, user_data, flags, "close_file")

    def close_direct(self, index, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_CLOSE
        sqe.file_index = as_file_slot(index, "close_direct")
        return self.put(&sqe, NULL, user_data, flags)

    def splice(
        self, fd_in, int64_t offset_in, fd_out, int64_t offset_out, uint32_t length, user_data=0, int flags=0, *,
        uint32_t splice_flags=0,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SPLICE
        sqe.addr = <uint64_t>offset_in
        sqe.off = <uint64_t>offset_out
        sqe.len = length
        sqe.op_flags = splice_flags
        sqe.file_index = <uint32_t>as_file(fd_in, 0, "splice")
        return self.put_file(&sqe, fd_out, user_data, flags, "splice")

    def tee(self, fd_in, fd_out, uint32_t length, user_data=0, int flags=0, *, uint32_t splice_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_TEE
        sqe.len = length
        sqe.op_flags = splice_flags
        sqe.file_index = <uint32_t>as_file(fd_in, 0, "tee")
        return self.put_file(&sqe, fd_out, user_data, flags, "tee")

    def pipe(self, buffer, uint32_t pipe_flags=0, user_data=0, int flags=0, *, file_index=None):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_PIPE
        sqe.op_flags = pipe_flags
        sqe.file_index = as_file_slot(file_index, "pipe")
        need_room(buffer, 8, "pipe")
        return self.put_room(&sqe, buffer, user_data, flags, "pipe")

    cdef object put_room(self, UringSqe *sqe, object buffer, object user_data, int flags, str method):
        """Where the entry's length means something else than the buffer's."""
        cdef Hold hold
        cdef uint32_t length = sqe.len
        memset(&hold, 0, sizeof(hold))
        hold_view(&hold, sqe, buffer, True, method)
        sqe.len = length
        return self.put_held(sqe, &hold, user_data, flags)

    def files_update(self, uint32_t start, fds, user_data=0, int flags=0):
        cdef UringSqe sqe
        cdef Hold hold
        cdef list numbers = [as_exact_int(fd, "files_update", "a descriptor") for fd in fds]
        cdef Py_ssize_t i
        cdef int32_t *at
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_FILES_UPDATE
        sqe.off = start
        sqe.len = <uint32_t>len(numbers)
        at = <int32_t *>hold_memory(&hold, max(4, len(numbers) * 4))
        sqe.addr = <uint64_t><size_t>at
        try:
            for i in range(len(numbers)):
                at[i] = numbers[i]
        except BaseException:
            hold_release(&hold)
            raise
        return self.put_held(&sqe, &hold, user_data, flags)

    def fixed_fd_install(self, index, user_data=0, int flags=0, *, uint32_t install_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_FIXED_FD_INSTALL
        sqe.op_flags = install_flags
        return self.put_file(&sqe, index, user_data, flags | URING_SQE_FIXED_FILE, "fixed_fd_install")


cdef int need_room(object buffer, Py_ssize_t wanted, str method) except -1:
    """TypeError or ValueError for what has not room for a struct that the kernel writes."""
    cdef Py_buffer view
    if get_buffer(buffer, &view, PyBUF_WRITABLE) < 0:
        refused_buffer(buffer, True, method)
    room = view.len
    PyBuffer_Release(&view)
    if room < wanted:
        raise ValueError(f"{method}(): the kernel writes {wanted} bytes, and the buffer has {room}")
    return 0
