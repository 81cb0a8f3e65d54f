/* Row `reads`: 4 KiB reads through io_uring, `depth` in flight, at the offsets of bench.rows.reads. */
#include "bench.h"
#include "uring.h"

#include <fcntl.h>

enum { BLOCK = 4096 };

static int file;
static int64_t blocks, next, *asked;
static unsigned depth;
static char *buffers;

static void start(unsigned slot) {
    next = (next + 7919) % blocks;
    asked[slot] = next;
    struct io_uring_sqe *sqe = uring_entry(IORING_OP_READ, file, slot);
    sqe->addr = (uint64_t)(uintptr_t)(buffers + slot * BLOCK);
    sqe->len = BLOCK;
    sqe->off = (uint64_t)(next * BLOCK);
}

static void rounds(int64_t count) {
    int64_t started = 0, finished = 0;
    for (; started < count && started < depth; started++) start((unsigned)started);
    while (finished < count) {
        uring_enter(1);
        unsigned ready = uring_ready();
        for (unsigned i = 0; i < ready; i++) {
            unsigned slot = (unsigned)uring_cqe(i)->user_data;
            uint64_t number;
            memcpy(&number, buffers + slot * BLOCK, 8);
            if (uring_cqe(i)->res != BLOCK || (int64_t)number != asked[slot]) {
                fprintf(stderr, "block %lld: result %d, or not the one asked for\n", (long long)asked[slot], uring_cqe(i)->res);
                exit(1);
            }
            if (started < count) start(slot), started++;
        }
        uring_taken(ready);
        finished += ready;
    }
}

int main(int argc, char **argv) {
    int direct = parameter(argc, argv, "direct") != 0;
    CHECK(file = open(text_parameter(argc, argv, "path"), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    blocks = (int64_t)parameter(argc, argv, "blocks");
    depth = (unsigned)parameter(argc, argv, "depth");
    asked = calloc(depth, sizeof *asked);
    buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
    memset(buffers, 0, (size_t)depth * BLOCK);
    uring_open(256);
    timed(rounds, 1, parameter(argc, argv, "seconds"));
    return 0;
}
