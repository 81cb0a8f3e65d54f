/* Row `reads`: pread of 4 KiB blocks of a cached file, one after the other, at the offsets of bench.rows.reads. */
#include "bench.h"

#include <fcntl.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static int file;
static int64_t blocks, next;
static char buffer[BLOCK];

static void rounds(int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        next = (next + 7919) % blocks;
        uint64_t number;
        if (pread(file, buffer, BLOCK, next * BLOCK) != BLOCK || (memcpy(&number, buffer, 8), (int64_t)number != next)) {
            fprintf(stderr, "block %lld is short or not the one asked for\n", (long long)next);
            exit(1);
        }
    }
}

int main(int argc, char **argv) {
    CHECK(file = open(text_parameter(argc, argv, "path"), O_RDONLY | O_CLOEXEC));
    blocks = (int64_t)parameter(argc, argv, "blocks");
    timed(rounds, 1, parameter(argc, argv, "seconds"));
    return 0;
}
