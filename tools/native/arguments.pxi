# Arguments from Python, checked: each error says which method, what came, and what is wanted.

from libc.math cimport isnan


cdef uint64_t as_key(object key, str method) except? 0xFFFFFFFFFFFFFFFF:
    """A u64; bool is no key."""
    if type(key) is not int:
        if isinstance(key, (bool, float)) or not hasattr(key, "__index__"):
            raise TypeError(f"{method}(): key must be an int from 0 to 2**64-1, not {type(key).__name__}")
        key = _operator.index(key)
    try:
        return <uint64_t>key
    except OverflowError:
        raise OverflowError(f"{method}(): key {key} is outside 0..2**64-1") from None


cdef int64_t as_result(object result) except -1:
    """What a post may carry: a u32."""
    cdef int64_t value
    if type(result) is not int:
        if isinstance(result, (bool, float)) or not hasattr(result, "__index__"):
            raise TypeError(f"post(): result must be an int from 0 to 2**32-1, not {type(result).__name__}")
        result = _operator.index(result)
    try:
        value = result
    except OverflowError:
        value = -1
    if not 0 <= value <= 0xFFFFFFFF:
        raise OverflowError(f"post(): result {result} is outside 0..2**32-1")
    return value


cdef uint64_t as_nanoseconds(object seconds, str method, str argument) except? 0xFFFFFFFFFFFFFFFE:
    """Seconds to ns, rounded up; NEVER for infinity and for what is longer than the clock can say."""
    cdef double value
    try:
        value = seconds
    except (TypeError, ValueError):
        raise TypeError(f"{method}(): {argument} must be a number of seconds, not {type(seconds).__name__}") from None
    if isnan(value) or value < 0:
        raise ValueError(f"{method}(): {argument} must be at least 0, not {seconds}")
    if value >= 9e9:
        return NEVER
    cdef double nanoseconds = value * 1e9
    cdef uint64_t whole = <uint64_t>nanoseconds
    return whole + 1 if nanoseconds > whole else whole


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
    if not PyLong_Check(file):
        try:
            fileno = file.fileno
        except AttributeError:
            raise TypeError(
                f"{method}(): a file must be an int or an object with fileno(), not {type(file).__name__}"
            ) from None
        try:
            file = fileno()
        except ValueError:  # a closed io object
            return -2
        if not PyLong_Check(file):
            raise TypeError(f"{method}(): fileno() returned {type(file).__name__}, not an int")
    elif isinstance(file, bool):
        raise TypeError(f"{method}(): a file must be an int or an object with fileno(), not bool")
    if not -0x80000000 <= file <= 0x7FFFFFFF:
        return -2
    return file
