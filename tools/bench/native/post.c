/* Row `post`: packets from thread to thread by a ring, an eventfd and epoll.  The eventfd is written only for a consumer
 * that sleeps, as a port does it.
 *
 * mode=throughput: one thread posts flat out, the other takes.  mode=pingpong: a packet there and one back. */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SIZE = 1 << 16 }; /* packets in the ring; a power of two */

struct queue {
    _Alignas(64) atomic_uint_fast64_t head; /* next to take */
    _Alignas(64) atomic_uint_fast64_t tail; /* next to fill */
    _Alignas(64) atomic_int sleeping;
    int event_fd, epoll_fd;
    uint64_t packets[SIZE];
};

static struct queue there, back;
static int first, second;
static volatile uint64_t sink;

static void open_queue(struct queue *queue) {
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(queue->event_fd = eventfd(0, EFD_CLOEXEC));
    CHECK(queue->epoll_fd = epoll_create1(EPOLL_CLOEXEC));
    CHECK(epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, queue->event_fd, &event));
}

static void post(struct queue *queue, uint64_t packet) {
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed), one = 1;
    while (tail - atomic_load_explicit(&queue->head, memory_order_acquire) == SIZE) sched_yield();
    queue->packets[tail % SIZE] = packet;
    atomic_store(&queue->tail, tail + 1);
    if (atomic_load(&queue->sleeping) && atomic_exchange(&queue->sleeping, 0))
        if (write(queue->event_fd, &one, sizeof one) != sizeof one) exit(1);
}

/* Wait for packets and take all there are, at most `limit`; how many. */
static int64_t take(struct queue *queue, int64_t limit) {
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed), sum = 0, count;
    while (atomic_load(&queue->tail) == head) {
        atomic_store(&queue->sleeping, 1);
        if (atomic_load(&queue->tail) == head) {
            struct epoll_event event;
            CHECK(epoll_wait(queue->epoll_fd, &event, 1, -1));
        }
        /* Whoever cleared `sleeping` has written, or is about to: take that signal, so that it wakes nobody later. */
        if (!atomic_exchange(&queue->sleeping, 0) && read(queue->event_fd, &count, sizeof count) != sizeof count) exit(1);
    }
    int64_t taken = 0;
    for (; head < atomic_load_explicit(&queue->tail, memory_order_acquire) && taken < limit; head++, taken++)
        sum += queue->packets[head % SIZE];
    atomic_store_explicit(&queue->head, head, memory_order_release);
    sink = sum;
    return taken;
}

static void *poster(void *count) {
    pin(second);
    for (int64_t i = 0; i < *(int64_t *)count; i++) post(&there, UINT64_C(0x100000000) + (uint64_t)i);
    return NULL;
}

static void *ponger(void *count) {
    pin(second);
    for (int64_t i = 0; i < *(int64_t *)count; i++) {
        take(&there, 1);
        post(&back, UINT64_C(0x100000000));
    }
    return NULL;
}

static void throughput(int64_t count) {
    pthread_t thread;
    CHECK(-pthread_create(&thread, NULL, poster, &count));
    for (int64_t taken = 0; taken < count;) taken += take(&there, count - taken);
    pthread_join(thread, NULL);
}

static void pingpong(int64_t count) {
    pthread_t thread;
    CHECK(-pthread_create(&thread, NULL, ponger, &count));
    for (int64_t i = 0; i < count; i++) {
        post(&there, UINT64_C(0x100000000));
        take(&back, 1);
    }
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    first = (int)parameter(argc, argv, "first");
    second = (int)parameter(argc, argv, "second");
    pin(first);
    open_queue(&there);
    open_queue(&back);
    int through = strcmp(text_parameter(argc, argv, "mode"), "throughput") == 0;
    timed(through ? throughput : pingpong, 1, parameter(argc, argv, "seconds"));
    return 0;
}
