/* Row `reads`: 4 KiB reads through Linux AIO as libaio's programs do it, `depth` in flight, at the offsets of bench.rows.reads. */
#include "bench.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static aio_context_t context;
static int file;
static int64_t blocks, next, *asked;
static unsigned depth;
static char *buffers;
static struct iocb *requests, **batch;
static struct io_event *events;

static void prepare(unsigned slot) {
    next = (next + 7919) % blocks;
    asked[slot] = next;
    requests[slot].aio_offset = next * BLOCK;
}

static void submit(long count) {
    for (long done = 0; done < count;) {
        long taken = syscall(SYS_io_submit, context, count - done, batch + done);
        CHECK(taken);
        done += taken;
    }
}

static void rounds(int64_t count) {
    int64_t started = 0, finished = 0;
    for (; started < count && started < depth; started++) {
        prepare((unsigned)started);
        batch[started] = &requests[started];
    }
    submit(started);
    while (finished < count) {
        long ready = syscall(SYS_io_getevents, context, 1, depth, events, NULL), again = 0;
        CHECK(ready);
        for (long i = 0; i < ready; i++) {
            unsigned slot = (unsigned)events[i].data;
            uint64_t number;
            memcpy(&number, buffers + slot * BLOCK, 8);
            if (events[i].res != BLOCK || (int64_t)number != asked[slot]) {
                fprintf(stderr, "block %lld: result %lld, or not the one asked for\n", (long long)asked[slot], (long long)events[i].res);
                exit(1);
            }
            if (started < count) {
                prepare(slot);
                batch[again++] = &requests[slot];
                started++;
            }
        }
        submit(again);
        finished += ready;
    }
}

int main(int argc, char **argv) {
    int direct = parameter(argc, argv, "direct") != 0;
    CHECK(file = open(text_parameter(argc, argv, "path"), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    blocks = (int64_t)parameter(argc, argv, "blocks");
    depth = (unsigned)parameter(argc, argv, "depth");
    asked = calloc(depth, sizeof *asked);
    requests = calloc(depth, sizeof *requests);
    batch = calloc(depth, sizeof *batch);
    events = calloc(depth, sizeof *events);
    buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
    memset(buffers, 0, (size_t)depth * BLOCK);
    for (unsigned slot = 0; slot < depth; slot++)
        requests[slot] = (struct iocb){.aio_data = slot, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)file,
                                       .aio_buf = (uint64_t)(uintptr_t)(buffers + slot * BLOCK), .aio_nbytes = BLOCK};
    CHECK(syscall(SYS_io_setup, depth, &context));
    timed(rounds, 1, parameter(argc, argv, "seconds"));
    return 0;
}
