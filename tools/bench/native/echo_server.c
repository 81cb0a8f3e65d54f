/* Row `echo`: an epoll server, level-triggered, recv and send per event.  Prints its port and serves until it is ended. */
#include "bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536, BATCH = 256 };

int main(void) {
    static char buffer[BUFFER];
    struct epoll_event events[BATCH], event = {.events = EPOLLIN};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener, epoll_fd, one = 1;
    CHECK(listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(bind(listener, (struct sockaddr *)&address, length));
    CHECK(listen(listener, 1024));
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length));
    CHECK(epoll_fd = epoll_create1(EPOLL_CLOEXEC));
    event.data.fd = listener;
    CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event));
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                CHECK(fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
                CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
                event.data.fd = fd;
                CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event));
                continue;
            }
            ssize_t got = recv(fd, buffer, BUFFER, 0);
            /* What the client has on its way fits into every socket buffer, so that a short send means a bug. */
            if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got) close(fd);
        }
    }
}
