# Memory that the port fills: a pool of buffers, and the views by which filled ones are handed out.
#
# A view refers to its chunk, a chunk to its pool, a pool to its port: memory outlives everything that shows it.  Giving a
# buffer back is a chunk's end, which may come in any thread, in the garbage collector, in the middle of any other call:
# it pushes a number on a stack, and where a receive has waited for that, rings the port's bell.

cdef extern from "buffers.h" nogil:
    ctypedef struct Buffers:
        char *memory
        size_t size
        uint32_t count, available
        bint wanted
    int64_t FILLED_TRUNCATED
    int64_t FILLED_LENGTH(int64_t)
    int FILLED_INDEX(int64_t)
    int buffers_open(Buffers *, uint32_t, size_t)
    void buffers_close(Buffers *)
    char *buffers_at(const Buffers *, int)
    int buffers_take(Buffers *)
    bint buffers_dry(Buffers *)
    bint buffers_give(Buffers *, int)

cdef extern from "Python.h":
    PyObject *PyMemoryView_GET_BASE(object)
    object PyMemoryView_FromObject(object)
    int PyBuffer_FillInfo(Py_buffer *, object, void *, Py_ssize_t, bint, int) except -1


@cython.no_gc_clear              # its end needs both; every cycle through it has a port or a view, which break it
cdef class _BufferPool:
    cdef _PortBase port
    cdef Buffers buffers
    cdef object __weakref__

    def __init__(self):
        raise TypeError("a buffer pool belongs to a port: make it with port.buffer_pool(count, size)")

    def __dealloc__(self):
        # SAFETY: no chunk and no operation refers to the pool any more, hence nobody writes into its memory
        buffers_close(&self.buffers)

    @property
    def count(self):
        return self.buffers.count

    @property
    def size(self):
        return self.buffers.size

    @property
    def available(self):
        return self.buffers.available

    def __repr__(self):
        return (f"<BufferPool of the {self.port.name} port: {self.buffers.count} buffers of {self.buffers.size} bytes, "
                f"{self.buffers.available} available>")

    # ---- for the port, and for a backend to override --------------------------------------------------------------------

    cdef int take(self) noexcept:
        """The number of a free buffer for the port to fill, or -1; then give() calls refilled()."""
        return buffers_take(&self.buffers)

    cdef bint dry(self) noexcept:
        """Whether a receive that has waited would find none; then give() calls refilled()."""
        return buffers_dry(&self.buffers)

    cdef void give(self, int index) noexcept:
        """A buffer is free again.  In any thread, at any time: runs no Python code."""
        if buffers_give(&self.buffers, index):
            self.port.refilled(self)

    cdef object view(self, int index, Py_ssize_t length):
        """What is handed out of a filled buffer; it gives the buffer back at its end."""
        cdef _Chunk chunk = _Chunk.__new__(_Chunk)
        cdef object shown
        chunk.pool = self
        chunk.length = length
        chunk.memory = buffers_at(&self.buffers, index)
        shown = PyMemoryView_FromObject(chunk)
        chunk.index = index      # its own only now: when there is no view, the caller keeps the buffer
        return shown


_BufferPoolClass.register(_BufferPool)


@cython.final
@cython.freelist(64)
@cython.no_gc_clear              # it gives back at its end, when the collector would have taken the pool out
cdef class _Chunk:
    """The filled part of one buffer: what views refer to."""

    cdef _BufferPool pool
    cdef char *memory
    cdef Py_ssize_t length
    cdef int index               # -1: not (or not any more) its to give back

    def __cinit__(self):
        self.index = -1

    def __dealloc__(self):
        if self.index >= 0:
            self.pool.give(self.index)

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.memory == NULL:
            raise BufferError("a buffer that belongs to no pool")
        Py_CLEAR(view.obj)       # None, which Cython puts there
        # SAFETY: the view holds the chunk, the chunk its pool, and the pool the memory
        PyBuffer_FillInfo(view, self, self.memory, self.length, False, flags)


cdef void disown(object view) noexcept:
    """The view is not handed out after all: its buffer stays with the caller."""
    (<_Chunk>PyMemoryView_GET_BASE(view)).index = -1


cdef object new_pool(type cls, _PortBase port, object count, object size):
    """A pool of that class (_BufferPool, or a backend's own), arguments checked."""
    cdef _BufferPool pool
    count, size = _pool_shape(count, size)
    pool = cls.__new__(cls)
    pool.port = port
    if buffers_open(&pool.buffers, count, size) < 0:
        raise MemoryError(f"{port.name} port: buffer_pool(): {count} buffers of {size} bytes")
    return pool
