# struct iocb with the buffers that it points to.
#
# A block is in flight from io_submit until its event has been got.  Meanwhile its context refers to it and its buffers stay
# exported: the kernel writes there, and knows the block by the address of its iocb.

cdef extern from "aio_calls.h" nogil:
    int COMMAND_NOOP


cdef class IoContext             # aio_context.pxi


cdef class IoControlBlock:
    """A struct iocb and the buffers that it points to; see compl_aio.context."""

    cdef ControlBlock block
    cdef Py_buffer *views        # owned, with iovecs behind them in one block of memory
    cdef int view_count
    cdef IoContext context         # None: not in flight
    cdef object file             # kept open as long as the block lives

    def __cinit__(self, *arguments, **named):
        self.view_count = 0

    def __init__(self, aio_lio_opcode, aio_fildes, aio_buf=None, aio_offset=0, *, aio_data=0, aio_rw_flags=0,
                 aio_reqprio=0, aio_flags=0, aio_resfd=None):
        cdef int opcode = as_field(aio_lio_opcode, 0, 0xFFFF, "IoControlBlock: aio_lio_opcode")
        if self.context is not None:
            raise ValueError("IoControlBlock(): it is in flight")
        self.let_go()
        memset(&self.block, 0, sizeof(self.block))
        self.block.opcode = opcode
        self.aio_data = aio_data
        self.aio_offset = aio_offset
        self.aio_rw_flags = aio_rw_flags
        self.aio_reqprio = aio_reqprio
        self.block.fd = as_file_number(aio_fildes, "aio_fildes")
        self.file = aio_fildes
        self.aio_flags = aio_flags
        if aio_resfd is not None:
            self.block.resfd = as_file_number(aio_resfd, "aio_resfd")
            self.block.flags |= BLOCK_RESFD
        if opcode == COMMAND_PREADV or opcode == COMMAND_PWRITEV:
            self.export_all(aio_buf, opcode == COMMAND_PREADV)
        elif opcode == COMMAND_PREAD or opcode == COMMAND_PWRITE:
            self.export_all((aio_buf,), opcode == COMMAND_PREAD)
        elif aio_buf is not None:
            self.block.buffer = as_field(aio_buf, 0, 0xFFFFFFFFFFFFFFFF, "IoControlBlock: aio_buf")

    cdef int export_all(self, object buffers, bint writable) except -1:
        cdef list listed
        cdef iovec *vectors
        cdef int i, count
        try:
            listed = list(buffers)
        except TypeError:
            raise TypeError(f"IoControlBlock(): aio_buf must be a sequence of buffers, not {type(buffers).__name__}") from None
        count = <int>min(len(listed), 1 << 20)
        self.views = <Py_buffer *>calloc(<size_t>max(count, 1), sizeof(Py_buffer) + sizeof(iovec))
        if self.views == NULL:
            raise MemoryError()
        vectors = <iovec *>(self.views + count)
        for i in range(count):
            # SAFETY: exported until let_go(), which is not called while the block is in flight
            PyObject_GetBuffer(listed[i], &self.views[i], PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
            self.view_count += 1
            vectors[i].iov_base = self.views[i].buf
            vectors[i].iov_len = <size_t>self.views[i].len
        if self.block.opcode == COMMAND_PREADV or self.block.opcode == COMMAND_PWRITEV:
            self.block.buffer = <uint64_t><size_t>vectors
            self.block.length = <uint64_t>count
        else:
            self.block.buffer = <uint64_t><size_t>self.views[0].buf
            self.block.length = <uint64_t>self.views[0].len
        return 0

    cdef void let_go(self) noexcept:
        cdef Py_buffer *views = self.views
        cdef int i, count = self.view_count
        self.views = NULL
        self.view_count = 0
        for i in range(count):
            PyBuffer_Release(&views[i])
        free(views)

    def __dealloc__(self):
        self.let_go()            # not in flight: its context would refer to it

    cdef int change(self) except -1:
        if self.context is not None:
            raise ValueError("IoControlBlock: it is in flight, and the kernel was given a copy; wait for its event")
        return 0

    @property
    def in_flight(self):
        """It was submitted, and its event has not been got yet."""
        return self.context is not None

    @property
    def address(self):
        """Address of the struct iocb: IoEvent.obj of its event."""
        return <size_t>&self.block

    @property
    def aio_data(self):
        return self.block.data

    @aio_data.setter
    def aio_data(self, value):
        self.change()
        self.block.data = as_field(value, 0, 0xFFFFFFFFFFFFFFFF, "IoControlBlock: aio_data")

    @property
    def aio_key(self):
        """Written by io_submit."""
        return self.block.key

    @property
    def aio_rw_flags(self):
        return self.block.rw_flags

    @aio_rw_flags.setter
    def aio_rw_flags(self, value):
        self.change()
        self.block.rw_flags = as_field(value, -0x80000000, 0x7FFFFFFF, "IoControlBlock: aio_rw_flags")

    @property
    def aio_lio_opcode(self):
        return self.block.opcode

    @property
    def aio_reqprio(self):
        return self.block.reqprio

    @aio_reqprio.setter
    def aio_reqprio(self, value):
        self.change()
        self.block.reqprio = as_field(value, -0x8000, 0x7FFF, "IoControlBlock: aio_reqprio")

    @property
    def aio_fildes(self):
        return self.block.fd

    @property
    def aio_buf(self):
        """The address, or the mask of a POLL."""
        return self.block.buffer

    @property
    def aio_nbytes(self):
        return self.block.length

    @property
    def aio_offset(self):
        return self.block.offset

    @aio_offset.setter
    def aio_offset(self, value):
        self.change()
        self.block.offset = as_field(value, -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, "IoControlBlock: aio_offset")

    @property
    def aio_flags(self):
        return self.block.flags

    @aio_flags.setter
    def aio_flags(self, value):
        self.change()
        self.block.flags = as_field(value, 0, 0xFFFFFFFF, "IoControlBlock: aio_flags")

    @property
    def aio_resfd(self):
        return self.block.resfd

    def __bytes__(self):
        """The 64 bytes of the struct iocb."""
        return (<char *>&self.block)[:sizeof(self.block)]


cdef object as_field(object value, object least, object most, str name):
    if isinstance(value, (bool, float)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    number = _operator.index(value)
    if not least <= number <= most:
        raise OverflowError(f"{name} {number} is outside {least}..{most}")
    return number


cdef uint32_t as_file_number(object file, str name) except? 0xFFFFFFFE:
    cdef int fd = as_descriptor(file, "IoControlBlock")
    return <uint32_t>fd          # of a closed one: the kernel will say EBADF


cdef Py_ssize_t block_offset = 0     # of the struct iocb in the object: how an event leads back to it


cdef int _learn_block() except -1:
    global block_offset
    cdef IoControlBlock probe = IoControlBlock.__new__(IoControlBlock)
    block_offset = <char *>&probe.block - <char *><PyObject *>probe
    return 0


_learn_block()
