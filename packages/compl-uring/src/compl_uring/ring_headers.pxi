# What the headers of the raw ring offer to Cython; uring_headers.pxi stands before this.

cdef extern from *:
    """
    #include <limits.h>
    #include <sched.h>
    #include <sys/epoll.h>
    #include <sys/random.h>
    #include <sys/stat.h>
    #include "ring_slots.h"
    #include "ring_members.h"
    """

import sys as _sys

from libc.stdint cimport int32_t, uint16_t

cdef extern from "Python.h":
    bint PyObject_CheckBuffer(object)
    unsigned long PyThread_get_thread_ident()
    PyObject *new_long "PyLong_FromLong"(long)
    PyObject *new_unsigned "PyLong_FromUnsignedLongLong"(unsigned long long)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t)

cdef extern from "uring_abi.h" nogil:
    ctypedef struct UringTimespec:
        int64_t tv_sec
        long long tv_nsec
    ctypedef struct UringSyncCancel:
        uint64_t addr
        int fd
        uint32_t flags
        UringTimespec timeout
        uint8_t opcode
    ctypedef struct UringFilesUpdate:
        uint32_t offset
        uint64_t fds
    ctypedef struct UringFilesRegister:
        uint32_t nr, flags
        uint64_t data, tags
    uint32_t URING_SETUP_IOPOLL, URING_SETUP_SQPOLL, URING_SETUP_SQ_AFF, URING_SETUP_ATTACH_WQ, URING_SETUP_R_DISABLED
    uint32_t URING_SETUP_SQE128, URING_SETUP_CQE32, URING_SETUP_NO_MMAP, URING_SETUP_REGISTERED_FD_ONLY
    uint32_t URING_SETUP_CQE_MIXED, URING_SETUP_SQE_MIXED, URING_CQE_SKIP, URING_CQE_32
    uint32_t URING_ENTER_SQ_WAKEUP, URING_ENTER_SQ_WAIT, URING_SQ_CQ_OVERFLOW
    uint32_t URING_CQE_NOTIF
    int URING_SQE_FIXED_FILE, URING_SQE_IO_LINK, URING_SQE_IO_HARDLINK, URING_SQE_BUFFER_SELECT, URING_SQE_CQE_SKIP_SUCCESS
    int URING_REGISTER_BUFFERS, URING_UNREGISTER_BUFFERS, URING_REGISTER_FILES, URING_UNREGISTER_FILES
    int URING_REGISTER_EVENTFD, URING_UNREGISTER_EVENTFD, URING_REGISTER_FILES_UPDATE, URING_REGISTER_ENABLE_RINGS
    int URING_REGISTER_FILES2, URING_REGISTER_SYNC_CANCEL, URING_REGISTER_PBUF_RING, URING_UNREGISTER_PBUF_RING
    int URING_OP_NOP, URING_OP_READV, URING_OP_WRITEV, URING_OP_FSYNC, URING_OP_READ_FIXED, URING_OP_WRITE_FIXED
    int URING_OP_POLL_ADD, URING_OP_POLL_REMOVE, URING_OP_SYNC_FILE_RANGE, URING_OP_SENDMSG, URING_OP_RECVMSG
    int URING_OP_TIMEOUT, URING_OP_TIMEOUT_REMOVE, URING_OP_ACCEPT, URING_OP_ASYNC_CANCEL, URING_OP_LINK_TIMEOUT
    int URING_OP_CONNECT, URING_OP_FALLOCATE, URING_OP_OPENAT, URING_OP_CLOSE, URING_OP_FILES_UPDATE, URING_OP_STATX
    int URING_OP_READ, URING_OP_WRITE, URING_OP_FADVISE, URING_OP_MADVISE, URING_OP_SEND, URING_OP_RECV, URING_OP_OPENAT2
    int URING_OP_EPOLL_CTL, URING_OP_SPLICE, URING_OP_PROVIDE_BUFFERS, URING_OP_TEE, URING_OP_SHUTDOWN, URING_OP_RENAMEAT
    int URING_OP_UNLINKAT, URING_OP_MKDIRAT, URING_OP_SYMLINKAT, URING_OP_LINKAT, URING_OP_MSG_RING, URING_OP_FSETXATTR
    int URING_OP_SETXATTR, URING_OP_FGETXATTR, URING_OP_GETXATTR, URING_OP_SOCKET, URING_OP_SEND_ZC, URING_OP_SENDMSG_ZC
    int URING_OP_READ_MULTISHOT, URING_OP_WAITID, URING_OP_FUTEX_WAIT, URING_OP_FUTEX_WAKE, URING_OP_FIXED_FD_INSTALL
    int URING_OP_FTRUNCATE, URING_OP_BIND, URING_OP_LISTEN, URING_OP_EPOLL_WAIT, URING_OP_PIPE

cdef extern from "ring_slots.h":
    ctypedef struct Hold:
        Py_buffer view
        PyObject *owner
        void *memory
        Py_buffer *views
        int count
    cdef struct Slot:
        uint64_t id
        Slot *next
        PyObject *user_data
        Slot *leader
        uint32_t pending
        int sum
        uint8_t skip, holds, message
        Hold hold
    ctypedef struct SlotTable:
        uint32_t count, live
        uint64_t sequence
    Slot *slot_at(const SlotTable *, uint32_t)
    Slot *slot_take(SlotTable *, uint64_t)
    void slot_give(SlotTable *, Slot *)
    Slot *slot_find(const SlotTable *, uint64_t)
    Slot *slot_oldest(const SlotTable *, uint64_t, uint64_t)
    void slot_table_free(SlotTable *)
    void hold_release(Hold *)
    void ring_traverse_install(PyTypeObject *, Py_ssize_t, PyTypeObject *, Py_ssize_t)
    void ring_place(UringRing *, const UringSqe *, bint)
    uint32_t ring_width(const UringRing *, const UringCqe *)
    bint ring_fills(const UringRing *, const UringCqe *)
    bint ring_sleeps(const UringRing *)
    bint ring_overflows(const UringRing *)
    void ring_unregister_fd(UringRing *)
    uint32_t ring_fresh(const UringRing *)
    uint64_t ring_withdraw(UringRing *, bint)

cdef extern from "ring.h" nogil:
    int uring_register(int, uint32_t, void *, uint32_t)

cdef extern from "ring_members.h":
    ctypedef struct EntryParts:
        PyObject *user_data
        PyObject *res
        PyObject *flags
        PyObject *extra
        uint32_t bits
    PyObject *entry_kept()
    int entry_members_install(PyTypeObject *, Py_ssize_t) except -1
    bint plain_u64(PyObject *, uint64_t *)

cdef extern from "sys/epoll.h" nogil:
    ctypedef union RingEpollData "epoll_data_t":
        uint64_t u64
    ctypedef struct RingEpollEvent "struct epoll_event":
        uint32_t events
        RingEpollData data

cdef extern from "sys/mman.h" nogil:
    void *mmap(void *, size_t, int, int, int, off_t)
    int munmap(void *, size_t)
    void *MAP_FAILED
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS

cdef extern from "stdlib.h" nogil:
    void *calloc(size_t, size_t)

cdef extern from "sys/random.h" nogil:
    ssize_t getrandom(void *, size_t, unsigned int)

cdef extern from "unistd.h" nogil:
    int usleep(unsigned int)

cdef extern from "errno.h" nogil:
    int EBUSY, ETIME, ENOSYS
