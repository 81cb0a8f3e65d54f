# What goes into a ring and what comes out of it: SubmissionEntry, CompletionEntry.

cdef object as_u64_object(object number, str method, str argument):
    """0..2**64-1, as an exact int."""
    if not PyLong_CheckExact(number):
        number = as_exact_int(number, method, argument)
    if is_unsigned(<PyObject *>number, 0xFFFFFFFFFFFFFFFF):
        return number
    raise OverflowError(f"{method}(): {argument} {number} is outside 0..2**64-1")


cdef uint64_t as_u64(object number, str method, str argument) except? 0xFFFFFFFFFFFFFFFE:
    return <uint64_t>as_u64_object(number, method, argument)


cdef uint32_t as_u32(object number, str method, str argument) except? 0xFFFFFFFE:
    """0..2**32-1; of negative numbers, those that a C int has, as their bits."""
    if is_small(<PyObject *>number):
        return <uint32_t>number
    value = as_exact_int(number, method, argument)
    if not -0x80000000 <= value <= 0xFFFFFFFF:
        raise OverflowError(f"{method}(): {argument} {value} does not fit 32 bits")
    return <uint32_t>(value & 0xFFFFFFFF)


@cython.final
@cython.no_gc                    # it refers to ints, and to bytes: no cycle can be made of it
cdef class CompletionEntry:
    """What a ring hands back; see compl_uring.ring."""

    cdef EntryParts parts        # exact ints, never NULL in an entry that Python sees; `extra` is bytes

    __match_args__ = ("user_data", "res", "flags")

    def __init__(self, user_data, res=0, flags=0, extra=None):
        cdef object first, second, third
        if self.parts.user_data != NULL:
            raise TypeError("a CompletionEntry does not change")
        first = as_u64_object(user_data, "CompletionEntry", "user_data")
        second = as_exact_int(res, "CompletionEntry", "res")
        if not -0x80000000 <= second <= 0x7FFFFFFF:
            raise OverflowError(f"CompletionEntry(): res {second} does not fit 32 bits")
        self.parts.bits = as_u32(flags, "CompletionEntry", "flags")
        third = self.parts.bits
        if extra is not None and (type(extra) is not bytes or len(extra) != 16):
            raise TypeError(f"CompletionEntry(): extra must be 16 bytes or None, not {extra!r}")
        Py_INCREF(<PyObject *>first)
        Py_INCREF(<PyObject *>second)
        Py_INCREF(<PyObject *>third)
        self.parts.user_data = <PyObject *>first
        self.parts.res = <PyObject *>second
        self.parts.flags = <PyObject *>third
        if extra is not None:
            Py_INCREF(<PyObject *>extra)
            self.parts.extra = <PyObject *>extra

    @property
    def extra(self):
        return None if self.parts.extra == NULL else <object>self.parts.extra

    @property
    def more(self):
        return (self.parts.bits & URING_CQE_MORE) != 0

    @property
    def notification(self):
        return (self.parts.bits & URING_CQE_NOTIF) != 0

    @property
    def buffer_id(self):
        return self.parts.bits >> URING_CQE_BUFFER_SHIFT if self.parts.bits & URING_CQE_BUFFER else None

    cdef tuple all(self):
        return <object>self.parts.user_data, <object>self.parts.res, <object>self.parts.flags

    def __iter__(self):
        return iter(self.all())

    def __eq__(self, other):
        cdef CompletionEntry that
        if not isinstance(other, CompletionEntry):
            return NotImplemented
        that = other
        return self.all() == that.all() and self.extra == that.extra

    def __hash__(self):
        return hash(self.all())

    def __reduce__(self):
        return CompletionEntry, (*self.all(), self.extra)

    def __repr__(self):
        user_data, res, flags = self.all()
        return f"CompletionEntry(user_data={user_data}, res={res}, flags={flags:#x})"


cdef inline PyObject *completion_entry(PyObject *user_data, UringCqe *cqe, int res, bint large) except NULL:
    """A new entry, which takes the reference over, unless this fails."""
    cdef PyObject *self = entry_kept()
    cdef CompletionEntry entry
    if self == NULL:
        entry = CompletionEntry.__new__(CompletionEntry)
        self = <PyObject *>entry
        Py_INCREF(self)
    cdef EntryParts *parts = &(<CompletionEntry>self).parts
    parts.res = new_long(res)
    parts.flags = new_long(<long>cqe.flags)
    if large:
        parts.extra = new_bytes(<char *>&cqe[1], sizeof(UringCqe))
    if parts.res == NULL or parts.flags == NULL or (large and parts.extra == NULL):
        Py_DECREF(self)
        raise MemoryError()
    parts.bits = cqe.flags
    parts.user_data = user_data
    return self


@cython.final
cdef class SubmissionEntry:
    """An entry that no ring has yet; see compl_uring.ring."""

    cdef UringSqe sqe[2]
    cdef Hold hold
    cdef bint large_, pushed_
    cdef object collected        # always None: a member that makes this a type the garbage collector visits

    def __cinit__(self, data=None, *, bint large=False):
        cdef const uint8_t[::1] given
        self.large_ = large
        if data is None:
            return
        given = memoryview(data).cast("B")
        if given.shape[0] != 64 and given.shape[0] != 128:
            raise ValueError(f"SubmissionEntry(): an entry has 64 or 128 bytes, not {given.shape[0]}")
        if large and given.shape[0] == 64:
            raise ValueError("SubmissionEntry(): a large entry has 128 bytes, not 64")
        self.large_ = given.shape[0] == 128
        memcpy(&self.sqe[0], &given[0], given.shape[0])

    def __del__(self):
        hold_release(&self.hold)

    @property
    def large(self):
        return self.large_

    @property
    def pushed(self):
        return self.pushed_

    @property
    def opcode(self):
        return self.sqe[0].opcode

    @opcode.setter
    def opcode(self, uint8_t value):
        self.sqe[0].opcode = value

    @property
    def flags(self):
        return self.sqe[0].flags

    @flags.setter
    def flags(self, uint8_t value):
        self.sqe[0].flags = value

    @property
    def ioprio(self):
        return self.sqe[0].ioprio

    @ioprio.setter
    def ioprio(self, uint16_t value):
        self.sqe[0].ioprio = value

    @property
    def fd(self):
        return self.sqe[0].fd

    @fd.setter
    def fd(self, int value):
        self.sqe[0].fd = value

    @property
    def off(self):
        return self.sqe[0].off

    @off.setter
    def off(self, uint64_t value):
        self.sqe[0].off = value

    @property
    def addr(self):
        return self.sqe[0].addr

    @addr.setter
    def addr(self, uint64_t value):
        self.sqe[0].addr = value

    @property
    def len(self):
        return self.sqe[0].len

    @len.setter
    def len(self, uint32_t value):
        self.sqe[0].len = value

    @property
    def op_flags(self):
        return self.sqe[0].op_flags

    @op_flags.setter
    def op_flags(self, uint32_t value):
        self.sqe[0].op_flags = value

    @property
    def user_data(self):
        return self.sqe[0].user_data

    @user_data.setter
    def user_data(self, uint64_t value):
        self.sqe[0].user_data = value

    @property
    def buf_index(self):
        return self.sqe[0].buf_index

    @buf_index.setter
    def buf_index(self, uint16_t value):
        self.sqe[0].buf_index = value

    @property
    def personality(self):
        return self.sqe[0].personality

    @personality.setter
    def personality(self, uint16_t value):
        self.sqe[0].personality = value

    @property
    def file_index(self):
        return self.sqe[0].file_index

    @file_index.setter
    def file_index(self, uint32_t value):
        self.sqe[0].file_index = value

    @property
    def addr3(self):
        return self.sqe[0].addr3

    @addr3.setter
    def addr3(self, uint64_t value):
        self.sqe[0].addr3 = value

    @property
    def cmd(self):
        if not self.large_:
            raise ValueError("SubmissionEntry.cmd: only an entry of 128 bytes has room for a command")
        return (<char *>&self.sqe[0])[48:128]

    @cmd.setter
    def cmd(self, bytes value not None):
        if not self.large_:
            raise ValueError("SubmissionEntry.cmd: only an entry of 128 bytes has room for a command")
        if len(value) > 80:
            raise ValueError(f"SubmissionEntry.cmd: {len(value)} bytes do not fit the 80 of an entry")
        memset(<char *>&self.sqe[0] + 48, 0, 80)
        memcpy(<char *>&self.sqe[0] + 48, <const char *>value, len(value))

    def __bytes__(self):
        return (<char *>&self.sqe[0])[:len(self)]

    def __len__(self):
        return 128 if self.large_ else 64

    def __repr__(self):
        return f"<SubmissionEntry opcode {self.opcode}, fd {self.fd}, user_data {self.user_data}, flags {self.flags:#x}>"
