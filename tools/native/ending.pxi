# Ending operations: cancel() and close_file().

cdef extern from "system.h" nogil:
    bint lingers(int)


cdef class _EndingPort(_OperationsPort):
    cdef bint stopping           # all of a file's operations are being cancelled

    @cython.critical_section
    def cancel(self, operation_id):
        cdef Op *op
        cdef bint in_flight
        if isinstance(operation_id, bool) or not PyLong_Check(operation_id):
            raise TypeError(f"cancel(): an operation id is an int, not {type(operation_id).__name__}")
        self.check("cancel")
        if not 0 <= operation_id <= 0xFFFFFFFFFFFFFFFF:
            return False
        op = op_find(&self.tables.ops, operation_id)
        in_flight = op != NULL and self.stop(op)
        if self.inside or self.eager:
            self.poke()
        return in_flight

    @cython.critical_section
    def cancel_all(self, file):
        cdef File *known
        cdef uint32_t stopped = 0
        self.check("cancel_all")
        known = self.file_of(file, "cancel_all")
        self.check("cancel_all")
        if known == NULL:
            raise _errors.bad_descriptor(self.name, as_descriptor(file, "cancel_all"), "cancel_all")
        stopped = self.stop_all(known)
        if self.inside or self.eager:
            self.poke()
        return stopped

    @cython.critical_section
    def close_file(self, file, token=None):
        cdef File *known
        cdef Op *op
        cdef uint64_t identity
        self.check("close_file")
        known = self.file_of(file, "close_file")
        if known != NULL and known.object != NULL and PyLong_Check(file):
            file = <object>known.object      # the object that has the number closes it, not somebody beside it
        if known != NULL and known.closing == NULL and isinstance(file, _socket_class):
            file.detach()        # the number is the port's to close from here on
        self.check("close_file")
        op = self.begin(VERB_CLOSE, token)
        identity = op.id
        self.commit(op)
        op.fd = -1
        op.offset = 0
        if known == NULL or known.closing != NULL:
            self.finish(op, -EBADF)
        else:
            op.file = known
            op.fd = known.fd
            op.key = known.key
            if op.key != NULL:
                Py_INCREF(op.key)
            op.state = OP_QUEUED
            if not PyLong_Check(file) and not isinstance(file, _socket_class):
                op.object = <PyObject *>file
                Py_INCREF(op.object)
            self.stop_all(known)
            if known.registration:
                self.end_registration(known)
            known.closing = op
            if known.in_flight == 0:
                self.close_now(known)
        if self.inside or self.eager:
            self.poke()
        return identity

    cdef uint32_t stop_all(self, File *file) noexcept:
        """Cancel what is in flight on the file; how many there were."""
        cdef uint32_t i, stopped = 0
        cdef Op *op
        if file.in_flight == 0:
            return 0
        self.stopping = True
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.state != OP_FREE and op.state != OP_NEW and op.file == file and op.verb != VERB_CLOSE and self.stop(op):
                stopped += 1
        self.stopping = False
        return stopped

    cdef void close_now(self, File *file) noexcept:
        """The last operation on the file has ended: close the number, or leave that to the object at delivery."""
        cdef Op *op = file.closing
        cdef int status = 0
        cdef PyObject *weak = file.weak
        self.unwatch_closing(file)
        file.watched = 0
        file.mask = 0
        file.weak = NULL
        if op.object == NULL:
            file.closing = NULL
            file.open = False
            if file_is_socket(file) and lingers(file.fd) and self.close_elsewhere(op):
                Py_XDECREF(weak)
                return
            # SAFETY: the port owns the number: it came as an int to be closed, or from a detached socket.  After EINTR
            # Linux has closed it all the same.
            if c_close(file.fd) < 0 and errno != EINTR:
                status = -errno
        self.finish(op, status)
        Py_XDECREF(weak)

    cdef int close_object(self, Op *op) except -1:
        """close() of a file object that is no socket; until then its number takes no operations."""
        cdef PyObject *held = op.object
        op.object = NULL
        op.result = close_by_object(held)
        if op.file.closing == op:
            op.file.closing = NULL
            op.file.open = False
        Py_DECREF(held)
        return 0

    cdef bint close_elsewhere(self, Op *op) noexcept:
        """Close a descriptor that would block (SO_LINGER) without holding the GIL; whether that is possible."""
        return False

    # ---- for the backend ------------------------------------------------------------------------------------------------

    cdef bint stop(self, Op *op) noexcept:
        """Cancel the operation; whether it was in flight."""
        return False

    cdef void unwatch_closing(self, File *file) noexcept:
        """The number is about to be closed."""
