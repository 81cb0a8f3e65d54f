# Entries for sockets.

cdef extern from "sys/socket.h" nogil:
    ctypedef struct MessageHeader "struct msghdr":
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    cdef struct cmsghdr:
        size_t cmsg_len
        int cmsg_level, cmsg_type
    cmsghdr *CMSG_FIRSTHDR(MessageHeader *)
    cmsghdr *CMSG_NXTHDR(MessageHeader *, cmsghdr *)
    unsigned char *CMSG_DATA(cmsghdr *)
    int getsockopt(int, int, int, void *, socklen_t *)
    int SOL_SOCKET, SO_DOMAIN


cdef class Message:
    """struct msghdr; see compl_uring.ring."""

    cdef MessageHeader header
    cdef Hold hold               # the buffers
    cdef Py_buffer control
    cdef SocketAddress to        # where it is sent
    cdef Extra came              # of which only the address is used: where it came from
    cdef bint receiving

    def __cinit__(self, buffers, *, SocketAddress address=None, control=None, bint writable=True):
        cdef UringSqe sqe
        hold_vector(&self.hold, &sqe, buffers, writable, "Message")
        self.header.msg_iov = <iovec *><size_t>sqe.addr
        self.header.msg_iovlen = sqe.len
        self.to = address
        if control is not None and get_buffer(control, &self.control, PyBUF_WRITABLE if writable else PyBUF_SIMPLE) < 0:
            refused_buffer(control, writable, "Message")

    def __dealloc__(self):
        # SAFETY: an operation that uses this holds a reference to it
        hold_release(&self.hold)
        if self.control.obj != NULL:
            PyBuffer_Release(&self.control)

    @property
    def flags(self):
        return self.header.msg_flags

    @property
    def control_length(self):
        return self.header.msg_controllen if self.receiving else 0

    @property
    def ancillary(self):
        cdef list found = []
        cdef cmsghdr *part
        cdef Py_ssize_t size
        if not self.receiving or self.control.obj == NULL:
            return found
        part = CMSG_FIRSTHDR(&self.header)
        while part != NULL:
            size = <Py_ssize_t>part.cmsg_len - (CMSG_DATA(part) - <unsigned char *>part)
            found.append((part.cmsg_level, part.cmsg_type, (<char *>CMSG_DATA(part))[:size]))
            part = CMSG_NXTHDR(&self.header, part)
        return found

    @property
    def address(self):
        cdef SocketAddress made
        if not self.receiving:
            return self.to
        if self.header.msg_namelen == 0:
            return None
        made = SocketAddress.__new__(SocketAddress)
        made.extra.address = self.came.address
        made.extra.address_length = min(self.header.msg_namelen, <socklen_t>sizeof(sockaddr_storage))
        return made

    cdef void prime(self, bint receiving) noexcept:
        """Say how much room there is: what was received last time has overwritten it."""
        self.receiving = receiving
        self.header.msg_flags = 0
        self.header.msg_control = self.control.buf
        self.header.msg_controllen = self.control.len if self.control.obj != NULL else 0
        if receiving:
            self.header.msg_name = &self.came.address
            self.header.msg_namelen = sizeof(sockaddr_storage)
        elif self.to is None:
            self.header.msg_name = NULL
            self.header.msg_namelen = 0
        else:
            self.header.msg_name = &self.to.extra.address
            self.header.msg_namelen = self.to.extra.address_length


cdef SocketAddress as_address(object address, int fd, int flags, str method):
    """A SocketAddress, or an address to be read by the socket's family."""
    cdef int family = 0
    cdef socklen_t size = sizeof(family)
    if isinstance(address, SocketAddress):
        return address
    if flags & URING_SQE_FIXED_FILE:
        raise TypeError(f"{method}(): with FIXED_FILE the family is not known; give a SocketAddress, not {address!r}")
    if getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0:
        raise OSError(errno, f"{_os.strerror(errno)}: {method}(): the address family of fd {fd}; give a SocketAddress")
    return SocketAddress(family, address)


cdef class _SocketEntries(_PathEntries):
    def socket(self, int family, int kind, int protocol=0, user_data=0, int flags=0, *, file_index=None):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SOCKET
        sqe.fd = family
        sqe.off = <uint32_t>kind
        sqe.len = <uint32_t>protocol
        sqe.file_index = as_file_slot(file_index, "socket")
        return self.put(&sqe, NULL, user_data, flags)

    cdef object put_address(self, int opcode, object fd, object address, object user_data, int flags, str method):
        cdef UringSqe sqe
        cdef Hold hold
        cdef SocketAddress where
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = opcode
        sqe.fd = as_file(fd, flags, method)
        where = as_address(address, sqe.fd, flags, method)
        sqe.addr = <uint64_t><size_t>&where.extra.address
        sqe.off = where.extra.address_length
        hold_object(&hold, where)
        return self.put_held(&sqe, &hold, user_data, flags)

    def bind(self, fd, address, user_data=0, int flags=0):
        return self.put_address(URING_OP_BIND, fd, address, user_data, flags, "bind")

    def connect(self, fd, address, user_data=0, int flags=0):
        return self.put_address(URING_OP_CONNECT, fd, address, user_data, flags, "connect")

    def listen(self, fd, uint32_t backlog, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_LISTEN
        sqe.len = backlog
        return self.put_file(&sqe, fd, user_data, flags, "listen")

    def shutdown(self, fd, uint32_t how, user_data=0, int flags=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SHUTDOWN
        sqe.len = how
        return self.put_file(&sqe, fd, user_data, flags, "shutdown")

    def accept(
        self, fd, user_data=0, int flags=0, *, SocketAddress address=None, uint32_t accept_flags=0o2000000,
        file_index=None, uint16_t ioprio=0,
    ):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = URING_OP_ACCEPT
        sqe.ioprio = ioprio
        sqe.file_index = as_file_slot(file_index, "accept")
        sqe.op_flags = accept_flags if not sqe.file_index else accept_flags & ~0o2000000  # no descriptor, no close-on-exec
        if address is None:
            return self.put_file(&sqe, fd, user_data, flags, "accept")
        sqe.fd = as_file(fd, flags, "accept")
        address.extra.address_length = sizeof(sockaddr_storage)
        sqe.addr = <uint64_t><size_t>&address.extra.address
        sqe.off = <uint64_t><size_t>&address.extra.address_length
        hold_object(&hold, address)
        return self.put_held(&sqe, &hold, user_data, flags)

    def accept_multishot(
        self, fd, user_data=0, int flags=0, *, uint32_t accept_flags=0o2000000, file_index=None, uint16_t ioprio=0
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_ACCEPT
        sqe.ioprio = ioprio | 1
        sqe.file_index = as_file_slot(file_index, "accept_multishot")
        sqe.op_flags = accept_flags if not sqe.file_index else accept_flags & ~0o2000000
        return self.put_file(&sqe, fd, user_data, flags, "accept_multishot")

    def recv(self, fd, buffer, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_RECV
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio
        return self.put_buffer(&sqe, fd, buffer, True, user_data, flags, "recv")

    cdef object put_send(
        self, UringSqe *sqe, object fd, object buffer, SocketAddress address, object user_data, int flags, str method
    ):
        cdef Hold hold
        if address is None:
            return self.put_buffer(sqe, fd, buffer, False, user_data, flags, method)
        sqe.fd = as_file(fd, flags, method)
        memset(&hold, 0, sizeof(hold))
        hold_view(&hold, sqe, buffer, False, method)
        hold_object(&hold, address)
        sqe.off = <uint64_t><size_t>&address.extra.address
        sqe.addr_len = <uint16_t>address.extra.address_length
        return self.put_held(sqe, &hold, user_data, flags)

    def send(
        self, fd, buffer, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0, *,
        SocketAddress address=None,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SEND
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio
        return self.put_send(&sqe, fd, buffer, address, user_data, flags, "send")

    def send_zc(
        self, fd, buffer, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0, *,
        SocketAddress address=None,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SEND_ZC
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio
        return self.put_send(&sqe, fd, buffer, address, user_data, flags, "send_zc")

    def send_zc_fixed(
        self, fd, RegisteredBuffers buffers not None, int index, user_data=0, int flags=0, uint32_t msg_flags=0,
        uint16_t ioprio=0, *, Py_ssize_t start=0, length=None,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_SEND_ZC
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio | 4  # IORING_RECVSEND_FIXED_BUF
        return self.put_fixed(&sqe, fd, buffers, index, start, length, user_data, flags, "send_zc_fixed")

    def recv_provided(
        self, fd, uint16_t group, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0, *,
        uint32_t length=0,
    ):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_RECV
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio
        sqe.len = length
        sqe.buf_index = group
        return self.put_file(&sqe, fd, user_data, flags | URING_SQE_BUFFER_SELECT, "recv_provided")

    def recv_multishot(self, fd, uint16_t group, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0):
        cdef UringSqe sqe
        memset(&sqe, 0, sizeof(sqe))
        sqe.opcode = URING_OP_RECV
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio | 2  # IORING_RECV_MULTISHOT
        sqe.buf_index = group
        return self.put_file(&sqe, fd, user_data, flags | URING_SQE_BUFFER_SELECT, "recv_multishot")

    cdef object put_message(
        self, int opcode, object fd, Message message, object user_data, int flags, uint32_t msg_flags, uint16_t ioprio,
        str method,
    ):
        cdef UringSqe sqe
        cdef Hold hold
        memset(&sqe, 0, sizeof(sqe))
        memset(&hold, 0, sizeof(hold))
        sqe.opcode = opcode
        sqe.fd = as_file(fd, flags, method)
        sqe.op_flags = msg_flags
        sqe.ioprio = ioprio
        sqe.addr = <uint64_t><size_t>&message.header
        sqe.len = 1
        message.prime(opcode == URING_OP_RECVMSG)
        hold_object(&hold, message)
        return self.put_held(&sqe, &hold, user_data, flags)

    def recvmsg(
        self, fd, Message message not None, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0
    ):
        return self.put_message(URING_OP_RECVMSG, fd, message, user_data, flags, msg_flags, ioprio, "recvmsg")

    def sendmsg(
        self, fd, Message message not None, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0
    ):
        return self.put_message(URING_OP_SENDMSG, fd, message, user_data, flags, msg_flags, ioprio, "sendmsg")

    def sendmsg_zc(
        self, fd, Message message not None, user_data=0, int flags=0, uint32_t msg_flags=0, uint16_t ioprio=0
    ):
        return self.put_message(URING_OP_SENDMSG_ZC, fd, message, user_data, flags, msg_flags, ioprio, "sendmsg_zc")
