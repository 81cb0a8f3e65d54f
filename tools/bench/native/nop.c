/* Row `nop`: io_uring NOPs, `batch` submitted and reaped with one system call, beside `pending` recvs that stay silent. */
#include "bench.h"
#include "uring.h"

#include <sys/socket.h>

static int batch;
static volatile uint64_t sink;

static void rounds(int64_t count) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int j = 0; j < batch; j++) uring_entry(IORING_OP_NOP, -1, UINT64_C(0x100000000) + (uint64_t)j);
        uring_enter((unsigned)batch);
        unsigned ready = uring_ready();
        if ((int)ready != batch) {
            fprintf(stderr, "%u completions of %d\n", ready, batch);
            exit(1);
        }
        for (unsigned j = 0; j < ready; j++) sum += uring_cqe(j)->user_data + (uint64_t)uring_cqe(j)->res;
        uring_taken(ready);
    }
    sink = sum;
}

int main(int argc, char **argv) {
    static char never[64];
    batch = (int)parameter(argc, argv, "batch");
    uring_open(1024);
    for (int i = 0; i < (int)parameter(argc, argv, "pending"); i++) {
        int silent;
        CHECK(silent = socket(AF_INET, SOCK_DGRAM, 0));
        struct io_uring_sqe *sqe = uring_entry(IORING_OP_RECV, silent, 0);
        sqe->addr = (uint64_t)(uintptr_t)never;
        sqe->len = sizeof never;
    }
    timed(rounds, batch, parameter(argc, argv, "seconds"));
    return 0;
}
