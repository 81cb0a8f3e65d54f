# One handle of the socket driver, and the requests that are out on it: AfdHandle.  See compl_iocp.afd.

cdef extern from "afd_calls.h" nogil:
    ctypedef struct SocketPoll:
        pass
    uint32_t driver_open(uintptr_t *)
    uint32_t driver_poll(uintptr_t, SocketPoll *, uintptr_t, uint32_t, int64_t)
    uint32_t driver_cancel(uintptr_t, SocketPoll *)
    uint32_t poll_found(const SocketPoll *)

cdef uint32_t _PENDING = 0x103, _NO_REQUEST = 0xC0000225


cdef class AfdHandle:
    """\\Device\\Afd, associated with a completion port; see compl_iocp.afd."""

    cdef uintptr_t handle
    cdef set out                     # addresses of requests whose packet has not been taken

    def __cinit__(self, Iocp port not None, key):
        cdef uintptr_t wanted = as_key(key, "AfdHandle")
        cdef uintptr_t number = port.number("associate")
        cdef uint32_t failed
        self.out = set()
        failed = driver_open(&self.handle)
        if failed:
            self.handle = 0
            raise _iocp_errors.status_error("NtCreateFile", failed, r"\Device\Afd")
        failed = raw_associate(number, self.handle, wanted)
        if failed:
            raise _iocp_errors.call_error("CreateIoCompletionPort", failed, r"\Device\Afd")

    def poll(self, sock, events, hundreds=None):
        """Ask once; the address that the packet will have as its ``overlapped``."""
        cdef uintptr_t number = as_handle(sock, "AfdHandle.poll")
        cdef uint32_t wanted = as_exact_int(events, "AfdHandle.poll", "events")
        cdef int64_t limit = 0x7FFFFFFFFFFFFFFF if hundreds is None else hundreds
        cdef SocketPoll *request
        cdef uint32_t failed
        if self.handle == 0:
            raise ValueError("AfdHandle.poll(): the handle is closed")
        request = <SocketPoll *>_zeroed(1, sizeof(SocketPoll))
        if request == NULL:
            raise MemoryError()
        address = <uintptr_t>request
        self.out.add(address)
        failed = driver_poll(self.handle, request, number, wanted, limit)
        if failed != 0 and failed != _PENDING:
            self.out.discard(address)
            free(request)
            raise _iocp_errors.status_error("IOCTL_AFD_POLL", failed, f"socket {number:#x}")
        return address

    def take(self, address):
        """Its packet is here: what was found.  None for an address that is no request of this handle."""
        cdef SocketPoll *request
        if address not in self.out:
            return None
        self.out.discard(address)
        request = <SocketPoll *><uintptr_t>address
        found = poll_found(request)
        # SAFETY: its packet has come, so the kernel has let go of it; `out` kept it from being freed twice
        free(request)
        return found

    def cancel(self, address):
        """Ask the driver to end it; its packet still comes.  Whether it was waiting."""
        cdef uint32_t failed
        if address not in self.out or self.handle == 0:
            return False
        failed = driver_cancel(self.handle, <SocketPoll *><uintptr_t>address)
        if failed not in (0, _PENDING, _NO_REQUEST):
            raise _iocp_errors.status_error("NtCancelIoFileEx", failed)
        return failed != _NO_REQUEST

    def __len__(self):
        return len(self.out)

    def fileno(self):
        return self.handle

    def close(self):
        """End all requests.  Their packets still come, and are to be taken: what is not stays allocated for good."""
        if self.handle:
            raw_close(self.handle)
            self.handle = 0

    def __dealloc__(self):
        if self.handle:
            raw_close(self.handle)
        # SAFETY: requests whose packets nobody took are not freed: the kernel may still write into them
