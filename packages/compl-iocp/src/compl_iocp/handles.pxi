# HANDLEs and SOCKETs: which one a number is now, whose packets it sends, and helper threads for those that block.
#
# Windows has no inode for a socket, and gives a number out again at once.  But a handle can be associated with a port once
# only: that it can be again says that the number is another file now.

from libc.string cimport memcpy, memset

cdef extern from "system.h" nogil:
    ctypedef void *HANDLE
    ctypedef unsigned long DWORD
    HANDLE handle_of(int)
    unsigned long long socket_of(int)
    int CloseHandle(HANDLE)
    DWORD milliseconds_until(uint64_t)

cdef extern from "bell.h" nogil:
    DWORD main_thread
    uint64_t until_handlers(uint64_t)

cdef extern from "error_rows.h" nogil:
    int DOMAIN_NTSTATUS, DOMAIN_WIN32, MEANS_SUCCESS, MEANS_EOF, MEANS_TRUNCATED
    ctypedef struct ErrorRow:
        short *means
    ErrorRow *error_add(int, uint32_t)
    void error_sort()
    int error_means(int, uint32_t, int)

cdef extern from "pool.h" nogil:
    ctypedef struct Pool:
        int running
    Pool *pool_new(int, int64_t (*)(Op *) noexcept)
    int pool_add(Pool *, Op *)
    bint pool_take_back(Pool *, Op *)
    Op *pool_collect(Pool *)
    bint pool_stop(Pool *, int)
    void pool_free(Pool *)

cdef extern from "handles.h" nogil:
    int MODE_NONE, MODE_OWN, MODE_FOREIGN, MODE_SYNC
    ctypedef struct Chunks:
        void *sorted
    bint associate(HANDLE, int)
    bint disassociate(int)
    bint is_synchronous(HANDLE)
    void skip_successes(File *, unsigned long long)
    unsigned long long base_socket(unsigned long long)
    bint is_connected(int)
    bint is_listening(int)
    Op *op_of(Chunks *, const OpTable *, void *)
    void cancel_io(Op *)
    void cancel_blocking(Pool *, Op *)
    int64_t perform_blocking(Op *)

import errno as _errno
import msvcrt as _msvcrt
import threading as _threading

from compl_core import error_table as _error_table

cdef extern from "descriptor.h":
    PyObject *get_osfhandle

cdef object _get_osfhandle = _msvcrt.get_osfhandle
get_osfhandle = <PyObject *>_get_osfhandle
main_thread = _threading.main_thread().native_id

# Windows' C headers have other numbers for these than Winsock and Python.
cdef int _ENOTSOCK = _errno.ENOTSOCK
cdef int _ENOTCONN = _errno.ENOTCONN
cdef int _EACCES = _errno.EACCES
cdef int _EALREADY = _errno.EALREADY
cdef int _ECONNRESET = _errno.ECONNRESET
cdef int _ECONNABORTED = _errno.ECONNABORTED
cdef int _ECONNREFUSED = _errno.ECONNREFUSED

if (_errno.EBADF, _errno.ECANCELED, _errno.EINVAL, _errno.ENOMEM, _errno.EPERM) != (EBADF, ECANCELED, EINVAL, ENOMEM, EPERM):
    raise ImportError("this module was built for a C runtime with other error numbers than Python's")


cdef int _learn_error(int domain, object numbering, uint32_t code, object row) except -1:
    cdef ErrorRow *entry = error_add(domain, code)
    cdef int kind, means
    if entry == NULL:
        raise MemoryError()
    for kind in range(KIND_COUNT):
        if kind == 0 or row.during:
            outcome = _error_table.translate(numbering, code, _Kind(kind))
            means = MEANS_EOF if outcome.eof else MEANS_TRUNCATED if outcome.truncated else outcome.errno
        entry.means[kind] = means
    return 0


def _learn_errors():
    """compl_core's table, row by row; of two rows for one code the later holds."""
    for domain, numbering, column in ((DOMAIN_NTSTATUS, _error_table.Domain.NTSTATUS, "ntstatus"),
                                      (DOMAIN_WIN32, _error_table.Domain.WIN32, "win32")):
        rows = {code: row for row in _error_table.REST + _error_table.TABLE for code in getattr(row, column)}
        for code, row in rows.items():
            _learn_error(domain, numbering, code, row)
    error_sort()


_learn_errors()
del _learn_errors

cdef enum:
    TRUNCATED = 2                # CompletionFlags
    VIA_THREAD = 4
    END_OF_FILE = 8
    READING = 1                  # File.busy: an operation of this direction is with the kernel or a helper thread
    WRITING = 2
    POSITIONED = 4


cdef class _HandlesPort(_EndingPort):
    cdef Pool *pool
    cdef Chunks chunks
    cdef uint32_t kernel_ops     # operations whose packet is to come
    cdef bint stubborn           # a helper thread was asked to give up its call, and has not yet

    cdef inline HANDLE handle(self) noexcept:
        return handle_of(self.bell)

    # ---- identity -------------------------------------------------------------------------------------------------------

    cdef int identify(self, File *file, int *same) noexcept:
        cdef int status = file_look(file, same)
        if status < 0:
            return status
        if same[0] and (file.system.mode == MODE_SYNC or not associate(self.handle(), file.fd)):
            return 0
        if same[0] and file.system.mode == MODE_NONE:
            self.made_own(file)  # unregistered meanwhile, and still the same
            return 0
        file.system.position = 0
        file.system.connecting = False
        file.system.listening = file.kind == FILE_STREAM and is_listening(file.fd)
        if same[0]:
            same[0] = 0          # nobody's: the number is another file now
            self.made_own(file)
        else:
            self.adopt(file)
        return 0

    cdef void adopt(self, File *file) noexcept:
        """Have its packets come here, or find out why they cannot."""
        file.system.base = -1
        file.system.skips = False
        if associate(self.handle(), file.fd):
            self.made_own(file)
        elif is_synchronous(handle_of(file.fd)):
            file.system.mode = MODE_SYNC
        else:
            file.system.mode = MODE_FOREIGN

    cdef void made_own(self, File *file) noexcept:
        file.system.mode = MODE_OWN
        file.system.skips = False
        file.system.base = -1
        if file_is_socket(file):
            file.system.base = <int>base_socket(socket_of(file.fd))
            if file.system.accepted:
                skip_successes(file, socket_of(file.system.base))
                file.system.accepted = False

    cdef void let_go(self, File *file) noexcept:
        """Another port may have the file, if Windows can do that and nothing is under way.

        Not one that queues no packets for successes: that cannot be taken back, and a port that does not know would wait for
        ever.  Hence it is asked for only of sockets that this port has accepted, which begin their life here.
        """
        if file.open and file.system.mode == MODE_OWN and not file.system.skips and file.in_flight == 0 and disassociate(file.fd):
            file.system.mode = MODE_NONE

    # ---- helper threads -------------------------------------------------------------------------------------------------

    cdef int offload(self, Op *op) noexcept:
        """To a helper thread.  0 or -errno."""
        if self.pool == NULL:
            self.pool = pool_new(self.bell, perform_blocking)
            if self.pool == NULL:
                return -ENOMEM
        return pool_add(self.pool, op)

    cdef bint close_elsewhere(self, Op *op) noexcept:
        return self.offload(op) == 0

    cdef void collect(self) noexcept:
        """What helper threads have finished."""
        cdef Op *op
        cdef Op *following
        if self.pool == NULL:
            return
        op = pool_collect(self.pool)
        while op != NULL:
            following = op.next
            op.next = NULL
            op.outcome |= VIA_THREAD
            self.via_thread += 1
            if op.verb == VERB_CLOSE:
                self.finish(op, 0 if op.result == 0 else -EBADF)
            else:
                self.ended(op, DOMAIN_WIN32, <uint32_t>-op.result if op.result < 0 else 0, op.result if op.result > 0 else 0)
            op = following
        if self.stubborn:
            self.insist()

    cdef void insist(self) noexcept:
        """Ask the helper threads once more to give up: they may have been on their way into the call."""
        cdef uint32_t i
        cdef Op *op
        self.stubborn = False
        for i in range(self.tables.ops.count):
            op = op_at(&self.tables.ops, i)
            if op.state == OP_RUNNING and not op.system.in_kernel and op.cancelled:
                self.stubborn = True
                cancel_blocking(self.pool, op)

    # ---- for the layers above -------------------------------------------------------------------------------------------

    cdef void ended(self, Op *op, int domain, uint32_t code, uint64_t count) noexcept:
        """A call has ended: go on with the operation, or finish it."""

    cdef bint run(self, Op *op) noexcept:
        """Make the operation's next call; whether its answer is still to come.  If not, the operation is finished."""
        return False

    cdef void proceed(self, File *file, uint8_t lane) noexcept:
        """Start what has waited for the operation before it."""

    cdef void done(self, Op *op, int64_t result) noexcept:
        """Finish an operation of which neither the kernel nor a helper thread has anything any more."""
