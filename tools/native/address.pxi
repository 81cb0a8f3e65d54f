# Socket addresses between Python and sockaddr: (host, port), (host, port, flowinfo, scope_id), a path, (family, bytes).

from libc.string cimport memcpy, memset, strlen

cdef extern from "system.h" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    cdef struct in6_addr:
        pass
    cdef struct sockaddr_in6:
        unsigned short sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    int AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, INET6_ADDRSTRLEN
    int inet_pton(int, const char *, void *)
    const char *inet_ntop(int, const void *, char *, socklen_t)
    unsigned short htons(unsigned short)
    unsigned short ntohs(unsigned short)
    uint32_t htonl(uint32_t)
    uint32_t ntohl(uint32_t)
    uint32_t INADDR_ANY, INADDR_BROADCAST

cdef extern from "system.h" nogil:
    cdef struct sockaddr_un:
        char sun_path[108]

cdef enum: _PATH_OFFSET = 2  # offsetof(struct sockaddr_un, sun_path): sun_family is all that precedes it on Linux


cdef int fill_host(int family, object host, void *into, str method) except -1:
    """A numeric host: resolving a name would block."""
    if not isinstance(host, str):
        raise TypeError(f"{method}(): the host must be a str, not {type(host).__name__}")
    if host == "":
        if family == AF_INET:
            (<in_addr *>into).s_addr = htonl(INADDR_ANY)
        else:
            inet_pton(AF_INET6, b"::", into)
        return 0
    if family == AF_INET and host == "<broadcast>":
        (<in_addr *>into).s_addr = htonl(INADDR_BROADCAST)
        return 0
    cdef bytes name = host.encode("ascii", "replace")
    if inet_pton(family, name, into) != 1:
        raise ValueError(
            f"{method}(): {host!r} is not a numeric IPv{4 if family == AF_INET else 6} address; "
            "resolve names first, with socket.getaddrinfo()"
        )
    return 0


cdef int as_port_number(object port, str method) except -1:
    if not PyLong_Check(port):
        raise TypeError(f"{method}(): the port number must be an int, not {type(port).__name__}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"{method}(): port number {port} is outside 0..65535")
    return port


cdef int fill_address(Extra *extra, int family, object address, str method) except -1:
    cdef sockaddr_in *four = <sockaddr_in *>&extra.address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&extra.address
    cdef char *path
    cdef bytes name
    memset(&extra.address, 0, sizeof(extra.address))
    extra.address.ss_family = family
    if family == AF_INET or family == AF_INET6:
        if not isinstance(address, tuple) or not 2 <= len(address) <= (2 if family == AF_INET else 4):
            raise TypeError(
                f"{method}(): the address of an IPv{4 if family == AF_INET else 6} socket is a tuple (host, port"
                + ("" if family == AF_INET else "[, flowinfo[, scope_id]]") + f"), not {address!r}"
            )
        if family == AF_INET:
            fill_host(family, address[0], &four.sin_addr, method)
            four.sin_port = htons(<unsigned short>as_port_number(address[1], method))
            extra.address_length = sizeof(sockaddr_in)
            return 0
        host, _, zone = address[0].partition("%") if isinstance(address[0], str) else (address[0], "", "")
        fill_host(family, host, &six.sin6_addr, method)
        six.sin6_port = htons(<unsigned short>as_port_number(address[1], method))
        if len(address) > 2:
            if not 0 <= address[2] <= 0xFFFFF:
                raise OverflowError(f"{method}(): flowinfo {address[2]} is outside 0..2**20-1")
            six.sin6_flowinfo = htonl(<uint32_t>address[2])
        if len(address) > 3:
            six.sin6_scope_id = address[3]
        elif zone:
            six.sin6_scope_id = int(zone) if zone.isdigit() else _socket.if_nametoindex(zone)
        extra.address_length = sizeof(sockaddr_in6)
        return 0
    if family == AF_UNIX:
        if isinstance(address, str):
            name = address.encode("utf-8", "surrogateescape")
        elif isinstance(address, (bytes, bytearray, memoryview)):
            name = bytes(address)
        else:
            raise TypeError(f"{method}(): the address of a Unix socket is a path (str or bytes), not {type(address).__name__}")
        # an abstract name may fill the array; a path keeps its terminating zero
        if len(name) > <Py_ssize_t>sizeof(sockaddr_un) - _PATH_OFFSET - (0 if name[:1] == b"\0" else 1):
            raise OSError(f"{method}(): AF_UNIX path too long: {len(name)} bytes")
        path = (<sockaddr_un *>&extra.address).sun_path
        memcpy(path, <const char *>name, len(name))
        extra.address_length = _PATH_OFFSET + len(name) + (0 if name[:1] == b"\0" or not name else 1)
        return 0
    if isinstance(address, tuple) and len(address) == 2 and isinstance(address[1], bytes):
        name = address[1]  # (family, raw bytes behind sa_family), as address_object() gives it
        if len(name) > <Py_ssize_t>sizeof(sockaddr_storage) - 2:
            raise ValueError(f"{method}(): {len(name)} bytes are too many for a socket address")
        memcpy(<char *>&extra.address + 2, <const char *>name, len(name))
        extra.address_length = 2 + len(name)
        return 0
    raise ValueError(f"{method}(): addresses of family {family} are given as (family, bytes), not {address!r}")


cdef object address_object(Extra *extra):
    """The peer's address as the socket module gives it; None where a stream has none."""
    cdef sockaddr_in *four = <sockaddr_in *>&extra.address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&extra.address
    cdef char host[64]
    cdef char *path
    cdef Py_ssize_t length
    cdef int family = extra.address.ss_family
    if extra.address_length == 0:
        return None
    if family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, host, sizeof(host))
        return (<bytes>host).decode(), ntohs(four.sin_port)
    if family == AF_INET6:
        inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof(host))
        return (<bytes>host).decode(), ntohs(six.sin6_port), ntohl(six.sin6_flowinfo), six.sin6_scope_id
    length = <Py_ssize_t>extra.address_length - _PATH_OFFSET
    if family == AF_UNIX:
        path = (<sockaddr_un *>&extra.address).sun_path
        if length > 0 and path[0] == 0:
            return <bytes>path[:length]
        return (<bytes>path[:length]).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return family, <bytes>(<char *>&extra.address)[2:2 + length]
