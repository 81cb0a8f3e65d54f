/* Rows `epoll` and `idle`: epoll_wait with `ready` level-triggered eventfds among `idle` silent sockets; each event's
 * data and mask are read. */
#include "bench.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int epoll_fd, ready;
static struct epoll_event *events;
static volatile uint64_t sink;

static void watch(int fd, uint64_t data) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    CHECK(fd);
    CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event));
}

static void rounds(int64_t count) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        int n = epoll_wait(epoll_fd, events, ready, -1);
        if (n != ready) {
            fprintf(stderr, "epoll_wait gave %d of %d events\n", n, ready);
            exit(1);
        }
        for (int j = 0; j < n; j++) sum += events[j].data.u64 + events[j].events;
    }
    sink = sum;
}

int main(int argc, char **argv) {
    ready = (int)parameter(argc, argv, "ready");
    int idle = (int)parameter(argc, argv, "idle");
    events = calloc((size_t)ready, sizeof *events);
    CHECK(epoll_fd = epoll_create1(EPOLL_CLOEXEC));
    for (int i = 0; i < idle; i++) watch(socket(AF_INET, SOCK_DGRAM, 0), (uint64_t)i);
    for (int i = 0; i < ready; i++) watch(eventfd(1, EFD_NONBLOCK), UINT64_C(0x100000000) + (uint64_t)i);
    timed(rounds, ready, parameter(argc, argv, "seconds"));
    return 0;
}
