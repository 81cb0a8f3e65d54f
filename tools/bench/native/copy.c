/* Row `copy`: a read linked to the write of the same registered buffer, several such pairs in flight; the fastest of
 * `copies`. */
#include "bench.h"
#include "uring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { PIECE = 1 << 19, DEPTH = 4, WRITES = 1 << 8 };

static char *buffers;
static int reading, writing;
static int64_t size, offset;
static unsigned in_flight;

static void piece(int opcode, int fd, uint64_t slot, uint64_t data, unsigned length, uint8_t flags) {
    struct io_uring_sqe *sqe = uring_entry(opcode, fd, data);
    sqe->addr = (uint64_t)(uintptr_t)(buffers + slot * PIECE);
    sqe->len = length;
    sqe->off = (uint64_t)offset;
    sqe->buf_index = (uint16_t)slot;
    sqe->flags = flags;
    in_flight++;
}

static void start(uint64_t slot) {
    unsigned length = size - offset < PIECE ? (unsigned)(size - offset) : PIECE;
    if (length == 0) return;
    piece(IORING_OP_READ_FIXED, reading, slot, slot, length, IOSQE_IO_LINK);
    piece(IORING_OP_WRITE_FIXED, writing, slot, slot | WRITES, length, 0);
    offset += length;
}

static void copy(void) {
    offset = 0;
    for (uint64_t slot = 0; slot < DEPTH; slot++) start(slot);
    while (in_flight) {
        uring_enter(1);
        unsigned ready = uring_ready();
        for (unsigned i = 0; i < ready; i++) {
            struct io_uring_cqe done = *uring_cqe(i);
            if (done.res < 0) {
                fprintf(stderr, "piece %llu: %s\n", (unsigned long long)done.user_data, strerror(-done.res));
                exit(1);
            }
            in_flight--;
            if (done.user_data & WRITES) start(done.user_data & (WRITES - 1));
        }
        uring_taken(ready);
    }
}

int main(int argc, char **argv) {
    const char *source = text_parameter(argc, argv, "source"), *target = text_parameter(argc, argv, "target");
    int cold = parameter(argc, argv, "cold") != 0;
    double fastest = 1e18, used = 0;
    struct iovec each[DEPTH];
    struct stat status;
    buffers = mmap(NULL, DEPTH * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    for (int i = 0; i < DEPTH; i++) each[i] = (struct iovec){buffers + i * PIECE, PIECE};
    uring_open(4 * DEPTH);
    uring_register(IORING_REGISTER_BUFFERS, each, DEPTH);
    CHECK(stat(source, &status));
    size = status.st_size;
    for (int i = 0; i < (int)parameter(argc, argv, "copies"); i++) {
        CHECK(unlink(target) == 0 || errno == ENOENT ? 0 : -1);
        CHECK(reading = open(source, O_RDONLY | O_CLOEXEC));
        if (cold) CHECK(-posix_fadvise(reading, 0, 0, POSIX_FADV_DONTNEED));
        for (int64_t at = 0; !cold && at < size; at += PIECE) CHECK(pread(reading, buffers, PIECE, at));
        int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
        CHECK(writing = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        copy();
        close(reading);
        close(writing);
        wall = now(CLOCK_MONOTONIC) - wall, cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        if ((double)wall < fastest) fastest = (double)wall, used = (double)cpu;
    }
    CHECK(stat(target, &status));
    if (status.st_size != size) return fprintf(stderr, "the copy has %lld bytes\n", (long long)status.st_size), 1;
    printf("{\"rate\": %.1f, \"cpu\": %.2f}\n", (double)size / fastest * 1e3, used / (double)size * 1048576 / 1e3);
    return 0;
}
