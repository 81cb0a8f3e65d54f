# What the builders of entries share: where an entry goes, and what of Python's it is made of.

cdef class SocketAddress:
    """struct sockaddr_storage; see compl_uring.ring."""

    cdef Extra extra             # of which only the address is used

    def __cinit__(self, family=0, address=None):
        cdef object number = as_exact_int(family, "SocketAddress", "family")
        if address is not None:
            fill_address(&self.extra, number, address, "SocketAddress")
        self.extra.address.ss_family = number

    @property
    def family(self):
        return self.extra.address.ss_family

    @property
    def value(self):
        return address_object(&self.extra)

    def __bytes__(self):
        return (<char *>&self.extra.address)[:self.extra.address_length]

    def __repr__(self):
        return f"SocketAddress({self.family}, {self.value!r})"


cdef int hold_view(Hold *hold, UringSqe *sqe, object buffer, bint writable, str method) except -1:
    """Export a buffer, which the entry reads from or writes to."""
    if get_buffer(buffer, &hold.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE) < 0:
        refused_buffer(buffer, writable, method)
    if hold.view.len > 0x7FFFFFFF:
        PyBuffer_Release(&hold.view)
        hold.view.obj = NULL
        raise OverflowError(f"{method}(): one operation moves less than 2 GiB; this buffer is larger")
    # SAFETY: `hold` goes where the entry goes, and is released after the operation's last completion
    sqe.addr = <uint64_t><size_t>hold.view.buf
    sqe.len = <uint32_t>hold.view.len
    return 0


cdef int refused_buffer(object buffer, bint writable, str method) except -1:
    """Says what is wrong with something that gave no buffer."""
    cdef Py_buffer view
    PyErr_Clear()
    if not PyObject_CheckBuffer(buffer):
        raise TypeError(
            f"{method}(): a {'writable ' if writable else ''}buffer is needed (bytearray, memoryview ...), "
            f"not {type(buffer).__name__}"
        )
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)   # its own error
    PyBuffer_Release(&view)
    raise BufferError(f"{method}(): {type(buffer).__name__} gave no buffer, and then did")


cdef void *hold_memory(Hold *hold, size_t size) except NULL:
    """Zeroed memory for what the entry points to."""
    hold.memory = calloc(1, size)
    if hold.memory == NULL:
        raise MemoryError()
    return hold.memory


cdef int hold_vector(Hold *hold, UringSqe *sqe, object buffers, bint writable, str method) except -1:
    """Export buffers, and an iovec for each."""
    cdef list given = list(buffers)
    cdef Py_ssize_t count = len(given)
    cdef iovec *iov
    cdef int i
    if not 1 <= count <= 1024:
        raise ValueError(f"{method}(): one operation takes 1 to 1024 buffers, not {count}")
    hold.views = <Py_buffer *>hold_memory(hold, count * (sizeof(Py_buffer) + sizeof(iovec)))
    iov = <iovec *>(hold.views + count)
    for i in range(count):
        if get_buffer(given[i], &hold.views[i], PyBUF_WRITABLE if writable else PyBUF_SIMPLE) < 0:
            refused_buffer(given[i], writable, method)
        hold.count = i + 1
        iov[i].iov_base = hold.views[i].buf
        iov[i].iov_len = hold.views[i].len
    sqe.addr = <uint64_t><size_t>iov
    sqe.len = <uint32_t>count
    return 0


cdef char *hold_paths(Hold *hold, object first, object second) except NULL:
    """Copies of one or two file names, one behind the other, each with its zero."""
    cdef bytes one = _os.fsencode(first)
    cdef bytes two = _os.fsencode(second) if second is not None else b""
    cdef char *at
    if b"\0" in one or b"\0" in two:
        raise ValueError("embedded null byte in a path")
    at = <char *>hold_memory(hold, len(one) + len(two) + 2)
    memcpy(at, <const char *>one, len(one))
    memcpy(at + len(one) + 1, <const char *>two, len(two))
    return at


cdef int hold_object(Hold *hold, object owner) except -1:
    Py_INCREF(<PyObject *>owner)
    hold.owner = <PyObject *>owner
    return 0


cdef uint64_t hold_time(Hold *hold, object seconds, str method) except 0:
    """The address of a struct __kernel_timespec."""
    cdef uint64_t span = as_nanoseconds(seconds, method, "seconds")
    cdef UringTimespec *time = <UringTimespec *>hold_memory(hold, sizeof(UringTimespec))
    if span == NEVER:
        span = 0x7FFFFFFFFFFFFFFF  # 292 years
    time.tv_sec = span // 1000000000
    time.tv_nsec = span % 1000000000
    return <uint64_t><size_t>time


cdef int as_file(object file, int flags, str method) except? -1:
    """A descriptor (-1 for a closed file: the kernel answers EBADF), or the index of a registered file."""
    cdef int fd = descriptor_of(<PyObject *>file)
    if fd == DESCRIPTOR_UNCLEAR:
        fd = unclear_descriptor(file, method)
    if fd < 0:
        if flags & URING_SQE_FIXED_FILE:
            raise ValueError(f"{method}(): the index of a registered file must be at least 0, not {file!r}")
        return -2
    return fd


cdef uint32_t as_file_slot(object index, str method) except? 0xFFFFFFFE:
    """What sqe.file_index says: 0 for none, all bits for any free one, else the index plus one."""
    if index is None:
        return 0
    value = as_exact_int(index, method, "file_index")
    if value == 0xFFFFFFFF:      # IORING_FILE_INDEX_ALLOC
        return 0xFFFFFFFF
    if not 0 <= value < 0xFFFFFFFE:
        raise ValueError(f"{method}(): file_index must be an index of the registered files or FILE_INDEX_ALLOC, not {index}")
    return <uint32_t>value + 1


cdef class _EntryBase:
    """The builders' common base."""

    cdef object put(self, UringSqe *sqe, Hold *hold, object user_data, int flags):
        """Takes the entry and what it holds over; when it raises, all is still the caller's."""
        raise NotImplementedError

    cdef object put_file(self, UringSqe *sqe, object file, object user_data, int flags, str method):
        """An entry that holds nothing."""
        sqe.fd = as_file(file, flags, method)
        return self.put(sqe, NULL, user_data, flags)

    cdef object put_buffer(
        self, UringSqe *sqe, object file, object buffer, bint writable, object user_data, int flags, str method
    ):
        cdef Hold hold
        sqe.fd = as_file(file, flags, method)
        memset(&hold, 0, sizeof(hold))
        hold_view(&hold, sqe, buffer, writable, method)
        return self.put_held(sqe, &hold, user_data, flags)

    cdef object put_buffers(
        self, UringSqe *sqe, object file, object buffers, bint writable, object user_data, int flags, str method
    ):
        cdef Hold hold
        sqe.fd = as_file(file, flags, method)
        memset(&hold, 0, sizeof(hold))
        try:
            hold_vector(&hold, sqe, buffers, writable, method)
        except BaseException:
            hold_release(&hold)
            raise
        return self.put_held(sqe, &hold, user_data, flags)

    cdef object put_held(self, UringSqe *sqe, Hold *hold, object user_data, int flags):
        try:
            return self.put(sqe, hold, user_data, flags)
        except BaseException:
            hold_release(hold)
            raise
