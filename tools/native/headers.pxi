# What the C headers beside this file offer to Cython.

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from posix.types cimport off_t
import cython

cdef extern from "Python.h":
    ctypedef struct Py_buffer:
        void *buf
        PyObject *obj
        Py_ssize_t len
    int PyBUF_WRITABLE, PyBUF_SIMPLE, PyBUF_C_CONTIGUOUS, PyBUF_STRIDED
    int PyObject_GetBuffer(object, Py_buffer *, int) except -1
    void PyBuffer_Release(Py_buffer *)
    bint PyLong_Check(object)
    bint PyLong_CheckExact(object)
    bint PyFloat_CheckExact(object)
    int get_buffer "PyObject_GetBuffer"(object, Py_buffer *, int)    # -1 leaves the exception to the caller
    int PyErr_CheckSignals() except -1
    PyObject *PyWeakref_NewRef(PyObject *, PyObject *)
    void PyErr_Clear()
    void PyObject_GC_Track(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    void Py_INCREF(PyObject *)
    void Py_DECREF(PyObject *)
    void Py_XDECREF(PyObject *)
    void Py_CLEAR(PyObject *)
    PyObject *Py_None
    list PyList_New(Py_ssize_t)
    void PyList_SET_ITEM(list, Py_ssize_t, PyObject *)
    void Py_SET_SIZE(PyObject *, Py_ssize_t)
    object PyLong_FromLongLong(long long)
    object PyLong_FromUnsignedLongLong(unsigned long long)

cdef extern from "errno.h" nogil:
    int errno, EAGAIN, EALREADY, EBADF, ECANCELED, EINTR, EINVAL, EIO, ENOENT, ENOMEM, ENOTSOCK, EPERM, EEXIST

cdef extern from "system.h" nogil:
    int MSG_PEEK, MSG_WAITALL
    ctypedef unsigned int socklen_t
    cdef struct sockaddr_storage:
        int ss_family

cdef extern from "op.h" nogil:
    ctypedef struct Overlapped "OVERLAPPED":
        size_t Internal, InternalHigh
    ctypedef struct SystemOp:    # Windows only, as is Op.system
        Overlapped overlapped
        uint32_t code
        uint8_t domain, lane, in_kernel
        int accepted, chunk
        void *scratch
        void *event
    cdef struct msghdr:
        socklen_t msg_namelen
        int msg_flags
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    ctypedef struct Extra:
        sockaddr_storage address
        socklen_t address_length
        int count
        Py_buffer *views
        iovec *iov
        msghdr message           # not on Windows
    cdef struct Op:
        uint64_t id
        Op *next
        File *file
        PyObject *token
        PyObject *object
        PyObject *key
        Py_buffer view
        PyObject *pool
        Extra *extra
        int64_t offset, result
        uint64_t moved, deadline
        uint32_t heap_index
        int fd, flags
        uint32_t incarnation
        uint8_t verb, state, outcome, cancelled, tries, parked, carried
        SystemOp system
    ctypedef struct OpTable:
        uint32_t count
        uint32_t live
    ctypedef struct OpQueue:
        Op *head
        Op *tail
    int VERB_NOP, VERB_TIMEOUT, VERB_READ, VERB_WRITE, VERB_READV, VERB_WRITEV, VERB_FSYNC
    int VERB_RECV, VERB_SEND, VERB_RECV_EXACTLY, VERB_SEND_ALL, VERB_RECV_FROM, VERB_SEND_TO
    int VERB_ACCEPT, VERB_CONNECT, VERB_POLL, VERB_CLOSE, VERB_SPECIAL, VERB_COUNT
    int OP_FREE, OP_NEW, OP_QUEUED, OP_PREPARED, OP_POOLED, OP_RUNNING, OP_SUBMITTED, OP_READY, OP_LEAVING
    Op *op_take(OpTable *)
    void op_give(OpTable *, Op *)
    Op *op_find(const OpTable *, uint64_t)
    Op *op_at(const OpTable *, uint32_t)
    void op_table_free(OpTable *)
    Extra *op_extra(Op *)
    int op_make_vector(Op *, int)
    void op_append(OpQueue *, Op *)
    void op_unlink(OpQueue *, Op *)

cdef extern from "ready.h" nogil:
    ctypedef union EntryOf:
        Op *op
        File *file
        PyObject *key
    ctypedef struct Entry:
        EntryOf of
        PyObject *token
        PyObject *number
        int64_t result
        int what
    ctypedef struct ReadyQueue:
        Entry *entries
        size_t count
    int ENTRY_FINISHED, ENTRY_MORE, ENTRY_POSTED, ENTRY_READINESS
    int ready_reserve(ReadyQueue *, size_t)
    Entry *ready_push(ReadyQueue *)
    Entry ready_pop(ReadyQueue *)
    void ready_unpop(ReadyQueue *, Entry)
    Entry *ready_at(ReadyQueue *, size_t)

cdef extern from "timers.h" nogil:
    uint64_t NEVER
    ctypedef struct Timers:
        uint32_t count
        Op **heap
    uint64_t clock_now()
    int timers_add(Timers *, Op *)
    void timers_remove(Timers *, Op *)
    uint64_t timers_next(const Timers *)
    Op *timers_expired(Timers *, uint64_t)

cdef extern from "file.h" nogil:
    ctypedef struct SystemFile:  # Windows only, as is File.system
        void *poll
        File *next_armed
        int64_t position
        int base
        uint8_t mode, skips, listening, connecting, armed, accepted
    int FILE_BLOCKING, FILE_STREAM, FILE_MESSAGE, FILE_PIPE, FILE_OTHER
    int CAN_READ, CAN_WRITE, STICKY
    cdef struct File:
        int fd
        uint32_t incarnation
        PyObject *weak
        PyObject *object
        PyObject *key
        uint64_t registration
        OpQueue reading, writing, polling, positioned
        Op *closing
        uint32_t in_flight
        uint32_t mask
        uint32_t watch
        uint32_t watching
        uint8_t enrolled
        int family, protocol, socket_type
        File *next_starved
        uint8_t kind, open, watched, ready, interest, oneshot, disarmed, queued, muted, busy, starved, listed, direct, no_nowait, drains
        SystemFile system
    ctypedef struct FileTable:
        File **files
        int size
        int count
    File *file_at(const FileTable *, int)
    File *file_make(FileTable *, int)
    int file_look(File *, int *)
    bint file_is_socket(const File *)
    bint file_wants_reading(const File *)
    bint file_same(const File *)
    void file_table_free(FileTable *)
    bint weak_is(PyObject *, PyObject *)

cdef extern from "tables.h":
    ctypedef struct Tables:
        OpTable ops
        ReadyQueue ready
        Timers timers
        FileTable files
    void tables_install(PyTypeObject *, Py_ssize_t)
    int adopt_methods(object) except -1

cdef extern from "bell.h" nogil:
    cdef struct Sleeper:
        Sleeper *next
        size_t want
        uint32_t woken
    ctypedef struct SleeperList:
        Sleeper *head
    uint64_t fork_count
    int fork_watch()
    void bell_ring(int)
    void bell_silence(int)
    void sleeper_append(SleeperList *, Sleeper *)
    void sleeper_remove(SleeperList *, Sleeper *)
    Sleeper *sleeper_for(const SleeperList *, size_t)
    int sleeper_sleep(Sleeper *, uint64_t)
    void sleeper_mark(Sleeper *)
    void sleeper_wake(uint32_t *)

cdef extern from "completion.h":
    int KIND_COUNT, FLAG_COUNT
    const uint8_t *kind_of_verb
    bint completion_type_ok(object)
    void completion_keep(object, object)
    PyObject *completion_of(PyObject *, Op *, PyObject *, PyObject *) except NULL
    PyObject *completion_take(PyObject *, PyObject *, PyObject *, PyObject *, PyObject *, PyObject *, PyObject *) except NULL
    PyObject *completion_new(PyObject *, PyObject *, PyObject *, PyObject *, PyObject *, PyObject *, PyObject *) except NULL

cdef extern from "system.h" nogil:
    int c_close "close_number"(int)
    int c_getpid "process_id"()
    bint number_is_open(int)

cdef extern from "stdlib.h" nogil:
    void *malloc(size_t)
    void *calloc(size_t, size_t)
    void *realloc(void *, size_t)
    void free(void *)
