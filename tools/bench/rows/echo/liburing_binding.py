"""Row `echo` on PyPI's liburing: recv into a bytearray of each connection, send of a copy: it sends ``bytes`` only.

It cannot set up a ring of provided buffers, without which a multishot recv has nowhere to go.
"""

from __future__ import annotations

import socket

from bench.liburing_ring import binding, open_ring

#: The socket is in the lower part of an operation's data, its kind in the upper.
ACCEPT, RECV, SEND, SOCKET = 1 << 32, 2 << 32, 3 << 32, (1 << 32) - 1


def serve(listener: socket.socket, buffer: int, **_load: object) -> None:
    liburing = binding()
    ring, cqe, ready = open_ring(1024), liburing.Cqe(), liburing.CqeIter
    get_sqe, enter = liburing.io_uring_get_sqe, liburing.io_uring_submit_and_wait
    prepare_recv, prepare_send = liburing.io_uring_prep_recv, liburing.io_uring_prep_send
    advance = liburing.io_uring_cq_advance
    sqe = get_sqe(ring)
    liburing.io_uring_prep_multishot_accept(sqe, listener.fileno())
    sqe.user_data = ACCEPT
    clients: dict[int, tuple[socket.socket, bytearray, memoryview]] = {}
    going: dict[int, bytes] = {}  # the binding holds nothing of what the kernel sends from
    while True:
        enter(ring, 1)
        seen = 0
        for _ in ready(ring, cqe):
            seen += 1
            entry = cqe[0]
            data = entry.user_data
            result = entry.res  # raises what failed; this row's client ends nothing and makes nothing fail
            if data >= SEND:
                sqe = get_sqe(ring)
                prepare_recv(sqe, data - SEND, clients[data - SEND][1])
                sqe.user_data = data - SEND + RECV
            elif data >= RECV:
                file = data - RECV
                if result == 0:
                    clients.pop(file)[0].close()
                    continue
                going[file] = out = bytes(clients[file][2][:result])
                sqe = get_sqe(ring)
                prepare_send(sqe, file, out)
                sqe.user_data = file + SEND
            else:
                client = socket.socket(fileno=result)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                own = bytearray(buffer)
                clients[result] = client, own, memoryview(own)
                sqe = get_sqe(ring)
                prepare_recv(sqe, result, own)
                sqe.user_data = result + RECV
        advance(ring, seen)
