# Arguments from Python, checked: each error says which method, what came, and what is wanted.

from libc.math cimport isnan

cdef extern from "descriptor.h":
    bint is_small(PyObject *)
    bint is_unsigned(PyObject *, uint64_t)
    PyObject *fileno_name
    int DESCRIPTOR_UNCLEAR
    int descriptor_of(PyObject *)
    PyTypeObject *socket_type
    PyTypeObject *file_type
    bint file_peeked
    bint keeps_number(PyObject *)
    int64_t close_by_object(PyObject *)
    bint learn(object, object, int, object, int, object)
    object PyUnicode_InternFromString(const char *)

cdef object _fileno = PyUnicode_InternFromString(b"fileno")
fileno_name = <PyObject *>_fileno


file_type = <PyTypeObject *>_io.FileIO


cdef int _learn() except -1:
    cdef object first, second, closed
    first, second = _socket.socketpair()
    with first, second:
        closed = first.dup()
        closed.close()
        if learn(_socket_class, first, first.fileno(), second, second.fileno(), closed):
            global socket_type
            socket_type = <PyTypeObject *>_socket_class
        if _os.name == "posix":  # elsewhere a descriptor is not the number that the system knows
            global file_peeked
            with _io.FileIO(first.fileno(), closefd=False) as one, _io.FileIO(second.fileno(), closefd=False) as two:
                closed = _io.FileIO(first.fileno(), closefd=False)
                closed.close()
                file_peeked = learn(_io.FileIO, one, one.fileno(), two, two.fileno(), closed)
    return 0


try:
    _learn()
except OSError:
    pass                         # no descriptors left: fileno() will be called


cdef object as_exact_int(object number, str method, str argument):
    """An int that is nothing but an int; bool and float are none."""
    if isinstance(number, (bool, float)) or not hasattr(number, "__index__"):
        raise TypeError(f"{method}(): {argument} must be an int, not {type(number).__name__}")
    return int(_operator.index(number))


cdef inline object as_key_object(object key, str method):
    """A key of 0..2**64-1, as an exact int."""
    if not PyLong_CheckExact(key):
        key = as_exact_int(key, method, "key")
    if is_unsigned(<PyObject *>key, 0xFFFFFFFFFFFFFFFF):
        return key
    raise OverflowError(f"{method}(): key {key} is outside 0..2**64-1")


cdef inline object as_result_object(object result):
    """What a post carries, 0..2**32-1, as an exact int."""
    if not PyLong_CheckExact(result):
        result = as_exact_int(result, "post", "result")
    if is_unsigned(<PyObject *>result, 0xFFFFFFFF):
        return result
    raise OverflowError(f"post(): result {result} is outside 0..2**32-1")


cdef uint64_t as_key(object key, str method) except? 0xFFFFFFFFFFFFFFFF:
    return <uint64_t>as_key_object(key, method)


cdef uint64_t as_nanoseconds(object seconds, str method, str argument) except? 0xFFFFFFFFFFFFFFFE:
    """Seconds to ns, rounded up; NEVER for infinity and for what is longer than the clock can say."""
    cdef double value
    cdef double nanoseconds
    cdef uint64_t whole
    if PyFloat_CheckExact(seconds):
        value = <double>seconds
    else:
        value = as_double(seconds, method, argument)
    if isnan(value) or value < 0:
        raise ValueError(f"{method}(): {argument} must be at least 0, not {seconds}")
    if value >= 9e9:
        return NEVER
    nanoseconds = value * 1e9
    whole = <uint64_t>nanoseconds
    return whole + 1 if nanoseconds > whole else whole


cdef double as_double(object seconds, str method, str argument) except? -1:
    try:
        return seconds
    except (TypeError, ValueError):
        raise TypeError(f"{method}(): {argument} must be a number of seconds, not {type(seconds).__name__}") from None


cdef inline uint64_t after(uint64_t nanoseconds) noexcept nogil:
    """That long from now, on the monotonic clock."""
    if nanoseconds == NEVER:
        return NEVER
    return clock_now() + nanoseconds


cdef int64_t as_offset(object offset, str method) except? -2:
    """A file offset, or -1 for None."""
    cdef int64_t value
    if offset is None:
        return -1
    if is_small(<PyObject *>offset):
        return offset
    if isinstance(offset, float) or not hasattr(offset, "__index__"):
        raise TypeError(f"{method}(): offset must be an int or None, not {type(offset).__name__}")
    value = _operator.index(offset)
    if value < 0:
        raise ValueError(f"{method}(): offset must be at least 0, not {value}; None uses the file's own position")
    return value


cdef int as_interest(object interest, str method) except -1:
    """READABLE and WRITABLE bits."""
    if isinstance(interest, (bool, float)) or not hasattr(interest, "__index__"):
        raise TypeError(f"{method}(): interest must be a compl_core.Interest, not {type(interest).__name__}")
    value = _operator.index(interest)
    if value & ~3:
        raise ValueError(
            f"{method}(): interest {interest!r} asks for more than READABLE and WRITABLE; ERROR and HANGUP are reported unasked"
        )
    return value


cdef int as_descriptor(object file, str method) except? -1:
    """The number of an int or of an object with fileno(); negative when it is closed."""
    cdef int fd = descriptor_of(<PyObject *>file)
    return fd if fd != DESCRIPTOR_UNCLEAR else unclear_descriptor(file, method)


cdef int unclear_descriptor(object file, str method) except? -1:
    """descriptor_of() could not tell: the file is no file, is closed, or is an int of a subclass."""
    PyErr_Clear()
    if isinstance(file, int) and not isinstance(file, bool):
        return as_descriptor(int(file), method)
    if isinstance(file, bool) or not hasattr(file, "fileno"):
        raise TypeError(f"{method}(): a file must be an int or an object with fileno(), not {type(file).__name__}")
    try:
        number = file.fileno()
    except ValueError:           # a closed io object
        return -2
    if not isinstance(number, int):
        raise TypeError(f"{method}(): fileno() of {type(file).__name__} returned {type(number).__name__}, not an int")
    return as_descriptor(int(number), method)
