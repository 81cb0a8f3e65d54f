/* Row `echo`: an io_uring server: multishot accept, multishot recv into a ring of provided buffers, a buffer given back
 * when its send is done.  Prints its port and serves until it is ended. */
#include "bench.h"
#include "uring.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { GROUP = 1, ACCEPT, RECV, SEND }; /* the kind of an operation is in the upper half of its data, the socket below */

static struct io_uring_buf_ring *given;
static unsigned count;
static size_t size;
static char *buffers;
static uint16_t given_tail;

static void give(unsigned id) {
    struct io_uring_buf *slot = &given->bufs[given_tail++ & (count - 1)];
    slot->addr = (uint64_t)(uintptr_t)(buffers + id * size);
    slot->len = (uint32_t)size;
    slot->bid = (uint16_t)id;
    __atomic_store_n(&given->tail, given_tail, __ATOMIC_RELEASE);
}

static void provide(void) {
    given = aligned_alloc(4096, (count * sizeof(struct io_uring_buf) + 4095) & ~(size_t)4095);
    buffers = aligned_alloc(4096, count * size);
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)given, .ring_entries = count, .bgid = GROUP};
    given->tail = 0;
    uring_register(IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned id = 0; id < count; id++) give(id);
}

static void receive(int fd) {
    struct io_uring_sqe *sqe = uring_entry(IORING_OP_RECV, fd, (uint64_t)RECV << 32 | (unsigned)fd);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
}

static void answer(int fd, unsigned id, unsigned length) {
    struct io_uring_sqe *sqe = uring_entry(IORING_OP_SEND, fd, (uint64_t)SEND << 32 | (uint64_t)id << 48 | (unsigned)fd);
    sqe->addr = (uint64_t)(uintptr_t)(buffers + id * size);
    sqe->len = length;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static void completed(const struct io_uring_cqe *cqe) {
    int fd = (int)(uint32_t)cqe->user_data, one = 1;
    switch (cqe->user_data >> 32 & 0xffff) {
    case ACCEPT:
        CHECK(cqe->res);
        CHECK(setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
        receive(cqe->res);
        break;
    case RECV:
        if (cqe->res > 0) answer(fd, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (unsigned)cqe->res);
        if (cqe->flags & IORING_CQE_F_MORE) break;
        if (cqe->res > 0 || cqe->res == -ENOBUFS) receive(fd);
        else close(fd);
        break;
    case SEND: /* one that failed fails the recv as well */
        give((unsigned)(cqe->user_data >> 48));
        break;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener;
    count = (unsigned)parameter(argc, argv, "buffers");
    size = (size_t)parameter(argc, argv, "buffer");
    CHECK(listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(bind(listener, (struct sockaddr *)&address, length));
    CHECK(listen(listener, 1024));
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length));
    uring_open(1024);
    provide();
    struct io_uring_sqe *sqe = uring_entry(IORING_OP_ACCEPT, listener, (uint64_t)ACCEPT << 32);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_CLOEXEC;
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        uring_enter(1);
        unsigned ready = uring_ready();
        for (unsigned i = 0; i < ready; i++) completed(uring_cqe(i));
        uring_taken(ready);
    }
}
