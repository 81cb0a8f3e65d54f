# Buffers that the kernel takes from by itself (provided-buffer rings), and what it brought in them.

from cpython.buffer cimport PyBuffer_FillInfo

cdef class BufferRing:
    """A group of buffers; see compl_uring.ring.

    A buffer is the kernel's from the moment it is in the ring of entries until a completion names it, and then the
    caller's until it is put back: only the caller's are ever handed out to Python.
    """

    cdef OfferedBuffers offered
    cdef char *data
    cdef uint8_t *taken          # for each buffer: whether it is the caller's
    cdef size_t data_size
    cdef uint32_t count, size_, out
    cdef uint16_t group_
    cdef object owner            # the ring; None: closed

    cdef int open(self, _RegisteringRing ring, uint16_t group, uint32_t count, uint32_t size) except -1:
        cdef uint32_t i
        cdef int status
        if not 1 <= count <= 32768 or count & (count - 1):
            raise ValueError(f"Ring.buffer_ring(): count must be a power of two up to 32768, not {count}")
        if not 1 <= size <= 0x7FFFFFFF:
            raise ValueError(f"Ring.buffer_ring(): size must be 1 to 2**31-1 bytes, not {size}")
        self.group_, self.count, self.size_ = group, count, size
        self.data_size = <size_t>count * size
        self.data = <char *>mmap(NULL, self.data_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        self.taken = <uint8_t *>calloc(count, 1)
        if self.data == MAP_FAILED or self.taken == NULL:
            raise MemoryError(f"Ring.buffer_ring(): {count} buffers of {size} bytes")
        status = buffer_ring_open(&self.offered, &ring.ring, count, group)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: Ring.buffer_ring(): group {group} of {count} buffers")
        for i in range(count):
            self.offer(i)
        self.owner = ring
        return 0

    cdef void offer(self, int number) noexcept:
        """Let the kernel have a buffer."""
        buffer_ring_add(&self.offered, self.data + <size_t>number * self.size_, self.size_, number)

    def __dealloc__(self):
        # SAFETY: the ring keeps this for as long as the kernel may write; a ProvidedBuffer keeps it as well
        if self.offered.entries != NULL:
            munmap(self.offered.entries, self.offered.length)
        if self.data != NULL and self.data != MAP_FAILED:
            munmap(self.data, self.data_size)
        free(self.taken)

    cdef uint16_t claim(self, CompletionEntry entry, str method) except? 0xFFFF:
        """The buffer that a completion names becomes the caller's."""
        cdef uint32_t number = entry.parts.bits >> URING_CQE_BUFFER_SHIFT
        cdef int length = <object>entry.parts.res
        if not entry.parts.bits & URING_CQE_BUFFER:
            raise ValueError(f"BufferRing.{method}(): {entry} names no buffer")
        if number >= self.count or not 0 <= length <= <int64_t>self.size_:
            raise ValueError(
                f"BufferRing.{method}(): {entry} does not fit group {self.group_} of {self.count} buffers of {self.size_} bytes"
            )
        if self.taken[number]:
            raise ValueError(f"BufferRing.{method}(): buffer {number} of group {self.group_} is in use: was {entry} taken before?")
        self.taken[number] = True
        self.out += 1
        return <uint16_t>number

    cdef void recycle(self, uint16_t number) noexcept:
        self.taken[number] = False
        self.out -= 1
        if self.owner is not None:
            self.offer(number)

    def take(self, CompletionEntry entry not None):
        cdef ProvidedBuffer made = ProvidedBuffer.__new__(ProvidedBuffer)
        made.number = self.claim(entry, "take")
        made.length = <object>entry.parts.res
        made.ring = self
        return made

    def copy(self, CompletionEntry entry not None):
        cdef uint16_t number = self.claim(entry, "copy")
        cdef Py_ssize_t length = <object>entry.parts.res
        try:
            return (self.data + <size_t>number * self.size_)[:length]
        finally:
            self.recycle(number)

    def close(self):
        cdef Ring ring = self.owner
        cdef int status
        if ring is None or ring.closed:
            self.owner = None
            return
        ring.check("BufferRing.close")
        status = buffer_ring_close(&self.offered, &ring.ring)
        if status < 0:
            raise OSError(-status, f"{_os.strerror(-status)}: BufferRing.close(): group {self.group_}")
        self.owner = None
        if not ring.slots.live:
            ring.kept.discard(self)          # else an operation may still be writing: until the ring is closed

    @property
    def closed(self):
        return self.owner is None or self.owner.closed

    @property
    def group(self):
        return self.group_

    @property
    def size(self):
        return self.size_

    @property
    def available(self):
        return self.count - self.out

    def __len__(self):
        return self.count


@cython.final
cdef class ProvidedBuffer:
    """The bytes of one completion; see compl_uring.ring."""

    cdef BufferRing ring         # None: given back
    cdef uint16_t number
    cdef uint32_t exports
    cdef Py_ssize_t length

    def __dealloc__(self):
        if self.ring is not None:
            self.ring.recycle(self.number)

    cdef char *start(self) except NULL:
        if self.ring is None:
            raise ValueError("the ProvidedBuffer was given back")
        return self.ring.data + <size_t>self.number * self.ring.size_

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start(), self.length, 1, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1

    @property
    def buffer_id(self):
        return self.number

    def recycle(self):
        if self.exports:
            raise BufferError(f"the ProvidedBuffer is exported: release {self.exports} memoryview(s) of it first")
        if self.ring is not None:
            self.ring.recycle(self.number)
            self.ring = None

    def __len__(self):
        return self.length

    def __bytes__(self):
        return self.start()[:self.length]

    def __getitem__(self, index):
        return bytes(self)[index]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.recycle()
