# Entries for what has a path: opening, statx, and changes of directories.

cdef extern from *:
    """
    typedef struct { uint64_t flags, mode, resolve; } RingOpenHow;    /* struct open_how of openat2(2) */
    """
    ctypedef struct RingOpenHow:
        uint64_t flags, mode, resolve


cdef class _PathEntries(_FileEntries):
    cdef object put_paths(
        self, UringSqe *sqe, Hold *hold, object first, object second, object user_data, int flags
    ):
        """One path in addr, or two: the second in addr2."""
        cdef char *at = hold_paths(hold, first, second)
        sqe.addr = <uint64_t><size_t>at
        if second is not None:
            sqe.off = <uint64_t><size_t>(at + strlen(at) + 1)
        return self.put_held(sqe, hold, user_data, flags)

    def openat(
        self, path, uint32_t open_flags, uint32_t mode=0, user_data=0, int flags=0, *, int dir_fd=-100, file_index=None
    ):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_OPENAT
        sqe.fd = dir_fd
        sqe.op_flags = open_flags
        sqe.len = mode
        sqe.file_index = as_file_slot(file_index, "openat")
        return self.put_paths(&sqe, &hold, path, None, user_data, flags)

    def openat2(
        self, path, uint64_t open_flags, uint64_t mode=0, user_data=0, int flags=0, *, uint64_t resolve=0,
        int dir_fd=-100, file_index=None,
    ):
        cdef UringSqe sqe
        cdef Hold hold
        cdef bytes name = _os.fsencode(path)
        cdef RingOpenHow *how
        cdef char *at
        if b"\0" in name:
            raise ValueError("embedded null byte in a path")
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_OPENAT2
        sqe.fd = dir_fd
        sqe.file_index = as_file_slot(file_index, "openat2")
        how = <RingOpenHow *>hold_memory(&hold, sizeof(RingOpenHow) + len(name) + 1)
        how.flags, how.mode, how.resolve = open_flags, mode, resolve
        at = <char *>(how + 1)
        memcpy(at, <const char *>name, len(name))
        sqe.addr = <uint64_t><size_t>at
        sqe.off = <uint64_t><size_t>how
        sqe.len = sizeof(RingOpenHow)
        return self.put_held(&sqe, &hold, user_data, flags)

    def statx(
        self, path, buffer, user_data=0, int flags=0, *, int dir_fd=-100, uint32_t statx_flags=0, uint32_t mask=0x7FF
    ):
        cdef UringSqe sqe
        cdef Hold hold
        cdef uint64_t into
        need_room(buffer, 256, "statx")
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_STATX
        sqe.fd = dir_fd
        sqe.op_flags = statx_flags
        hold_view(&hold, &sqe, buffer, True, "statx")
        into = sqe.addr
        try:
            sqe.addr = <uint64_t><size_t>hold_paths(&hold, path, None)
        except BaseException:
            hold_release(&hold)
            raise
        sqe.off = into
        sqe.len = mask
        return self.put_held(&sqe, &hold, user_data, flags)

    def unlinkat(self, path, user_data=0, int flags=0, *, int dir_fd=-100, uint32_t at_flags=0):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_UNLINKAT
        sqe.fd = dir_fd
        sqe.op_flags = at_flags
        return self.put_paths(&sqe, &hold, path, None, user_data, flags)

    def renameat(
        self, old, new, user_data=0, int flags=0, *, int old_dir_fd=-100, int new_dir_fd=-100, uint32_t rename_flags=0
    ):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_RENAMEAT
        sqe.fd = old_dir_fd
        sqe.len = <uint32_t>new_dir_fd
        sqe.op_flags = rename_flags
        return self.put_paths(&sqe, &hold, old, new, user_data, flags)

    def mkdirat(self, path, uint32_t mode=0o777, user_data=0, int flags=0, *, int dir_fd=-100):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_MKDIRAT
        sqe.fd = dir_fd
        sqe.len = mode
        return self.put_paths(&sqe, &hold, path, None, user_data, flags)

    def symlinkat(self, target, path, user_data=0, int flags=0, *, int dir_fd=-100):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_SYMLINKAT
        sqe.fd = dir_fd
        return self.put_paths(&sqe, &hold, target, path, user_data, flags)

    def linkat(
        self, old, new, user_data=0, int flags=0, *, int old_dir_fd=-100, int new_dir_fd=-100, uint32_t at_flags=0
    ):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_LINKAT
        sqe.fd = old_dir_fd
        sqe.len = <uint32_t>new_dir_fd
        sqe.op_flags = at_flags
        return self.put_paths(&sqe, &hold, old, new, user_data, flags)

    cdef object put_xattr(
        self, UringSqe *sqe, object path, object name, object buffer, bint writable, object user_data, int flags,
        object file, str method,
    ):
        """The name in addr, the value in addr2 with its length, a path in addr3."""
        cdef Hold hold
        cdef char *at
        if (path is None) == (file is None):
            raise TypeError(f"{method}(): a path, or None and fd=, is needed")
        if file is not None:
            sqe.fd = as_file(file, flags, method)
        memset(&hold, 0, sizeof(hold))
        hold_view(&hold, sqe, buffer, writable, method)
        try:
            at = hold_paths(&hold, name, path)
        except BaseException:
            hold_release(&hold)
            raise
        sqe.off = sqe.addr
        sqe.addr = <uint64_t><size_t>at
        if path is not None:
            sqe.addr3 = <uint64_t><size_t>(at + strlen(at) + 1)
        return self.put_held(sqe, &hold, user_data, flags)

    def getxattr(self, path, name, buffer, user_data=0, int flags=0, *, fd=None):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_GETXATTR if fd is None else URING_OP_FGETXATTR
        return self.put_xattr(&sqe, path, name, buffer, True, user_data, flags, fd, "getxattr")

    def setxattr(self, path, name, buffer, user_data=0, int flags=0, *, fd=None, uint32_t xattr_flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SETXATTR if fd is None else URING_OP_FSETXATTR
        sqe.op_flags = xattr_flags
        return self.put_xattr(&sqe, path, name, buffer, False, user_data, flags, fd, "setxattr")
