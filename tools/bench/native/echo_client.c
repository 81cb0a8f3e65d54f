/* Row `echo`: the load.  `connections` sockets, each with `window` requests of `size` bytes on their way: as soon as one
 * has come back whole, every byte of it is compared and the next is sent.  After `warm` seconds it counts for `seconds`
 * and reads the server's CPU clock at both ends of that time. */
#include "bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* What is on its way stays below every socket buffer, so that no send has to wait for the other side to read. */
enum { BATCH = 256, LARGEST = 16384, WIDEST = 4, SLOTS = 1 << 16 };

struct connection {
    int fd;
    uint32_t number, asked, answered;
    size_t received;
    int64_t sent_at[WIDEST];
    unsigned char in[LARGEST];
};

static size_t size, window;
static uint64_t block[LARGEST / 8];
static uint32_t slots[SLOTS]; /* round trips by microsecond, the last for all that are longer */

/* Put the bytes of a request into `block`. */
static void fill(const struct connection *connection, uint32_t request) {
    uint64_t seed = ((uint64_t)connection->number << 32) + request;
    /* Every 8 bytes of every request differ. */
    for (size_t i = 0; i < (size + 7) / 8; i++) block[i] = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static void request(struct connection *connection) {
    fill(connection, connection->asked);
    connection->sent_at[connection->asked++ % window] = now(CLOCK_MONOTONIC);
    if (send(connection->fd, block, size, MSG_NOSIGNAL) != (ssize_t)size) {
        fprintf(stderr, "client: send: %s\n", strerror(errno));
        exit(1);
    }
}

/* One event on the connection: 1 when a round trip was completed. */
static int answer(struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->in + connection->received, size - connection->received, 0);
    if (got <= 0) {
        fprintf(stderr, "client: connection %u: %s\n", connection->number, got ? strerror(errno) : "server closed it");
        exit(1);
    }
    connection->received += (size_t)got;
    if (connection->received < size) return 0;
    fill(connection, connection->answered);
    if (memcmp(connection->in, block, size) != 0) {
        fprintf(stderr, "client: connection %u: request %u came back changed\n", connection->number, connection->answered);
        exit(1);
    }
    connection->received = 0;
    int64_t micros = (now(CLOCK_MONOTONIC) - connection->sent_at[connection->answered++ % window]) / 1000;
    slots[micros < SLOTS ? micros : SLOTS - 1]++;
    return 1;
}

static double percentile(double part, int64_t total) {
    int64_t seen = 0;
    for (int i = 0; i < SLOTS; i++)
        if ((double)(seen += slots[i]) >= part * (double)total) return i;
    return SLOTS;
}

int main(int argc, char **argv) {
    int connections = (int)parameter(argc, argv, "connections"), one = 1, epoll_fd;
    double warm = parameter(argc, argv, "warm"), seconds = parameter(argc, argv, "seconds");
    size = (size_t)parameter(argc, argv, "size");
    window = (size_t)parameter(argc, argv, "window");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)parameter(argc, argv, "port"))};
    clockid_t server;
    if ((errno = clock_getcpuclockid((pid_t)parameter(argc, argv, "pid"), &server)) != 0 || size < 1 || size > LARGEST ||
        window < 1 || window > WIDEST) {
        fprintf(stderr, "client: no CPU clock of the server (%s), or not 1..%d bytes, 1..%d at a time\n", strerror(errno),
                LARGEST, WIDEST);
        return 1;
    }
    struct connection *all = calloc((size_t)connections, sizeof *all);
    CHECK(epoll_fd = epoll_create1(EPOLL_CLOEXEC));
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = all + i};
        all[i].number = (uint32_t)i;
        CHECK(all[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CHECK(connect(all[i].fd, (struct sockaddr *)&address, sizeof address));
        CHECK(setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
        CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, all[i].fd, &event));
    }
    for (int i = 0; i < connections * (int)window; i++) request(all + i % connections);

    int64_t started = now(CLOCK_MONOTONIC), deadline = started + (int64_t)(warm * 1e9), done = 0, cpu = 0, own = 0;
    for (int measuring = 0;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll_fd, events, BATCH, 10000);
        if (n <= 0) {
            fprintf(stderr, "client: nothing came back for 10 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++)
            if (answer(events[i].data.ptr)) {
                done++;
                request(events[i].data.ptr);
            }
        int64_t at = now(CLOCK_MONOTONIC);
        if (at < deadline) continue;
        int64_t server_cpu = now(server), own_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        if (measuring) {
            double wall = (double)(at - started), requests = (double)done;
            printf("{\"cpu\": %.1f, \"rate\": %.1f, \"p50\": %.0f, \"p99\": %.0f, \"server_cores\": %.3f, "
                   "\"client_cores\": %.3f, \"operations\": %.0f}\n",
                   (double)(server_cpu - cpu) / requests, requests / wall * 1e9, percentile(0.50, done),
                   percentile(0.99, done), (double)(server_cpu - cpu) / wall, (double)(own_cpu - own) / wall, requests);
            return 0;
        }
        measuring = 1;
        started = now(CLOCK_MONOTONIC);
        deadline = started + (int64_t)(seconds * 1e9);
        cpu = server_cpu, own = own_cpu, done = 0;
        memset(slots, 0, sizeof slots);
    }
}
