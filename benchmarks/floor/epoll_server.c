// The floor of the servers: C and epoll, one thread.
//
//   port=… mode=echo           writes back what was read
//   port=… mode=http           answers a constant to every request, which it does not parse
//   port=… mode=delay delay=1  the same after `delay` seconds (a constant delay needs a queue, no heap of timers)
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/bench.h"

static const char answer[] =
    "HTTP/1.1 200 OK\r\nServer: c\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
enum { most_descriptors = 1 << 17, most_due = 1 << 18 };
enum mode { echo, http, delay };

// What waits until its socket has room again.
struct unsent {
    char* bytes;
    size_t size;
    size_t done;
};
static struct unsent unsent[most_descriptors];
static struct due {
    uint64_t when;
    int fd;
} due[most_due];
static size_t due_first, due_last;
static int epoll_fd;

static void watch(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(epoll_fd, operation, fd, &event);
}
static int listen_on(long port) {
    const struct rlimit limit = {most_descriptors, most_descriptors};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setrlimit(RLIMIT_NOFILE, &limit);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bench_prove(bind(fd, (const struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 4096) == 0, "the port is free");
    return fd;
}
static void accept_all(int listener) {
    const int one = 1;
    for (int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK); fd >= 0; fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}
static void send_all(int fd, const char* bytes, size_t size) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0) written = 0;
    if ((size_t)written == size) return;
    struct unsent* const rest = &unsent[fd];
    rest->size = size - (size_t)written;
    rest->done = 0;
    rest->bytes = malloc(rest->size);
    memcpy(rest->bytes, bytes + written, rest->size);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}
static void send_unsent(int fd) {
    struct unsent* const rest = &unsent[fd];
    const ssize_t written = write(fd, rest->bytes + rest->done, rest->size - rest->done);
    if (written > 0) rest->done += (size_t)written;
    if (rest->done < rest->size) return;
    free(rest->bytes);
    rest->bytes = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}
static int wait_ms(void) {
    if (due_first == due_last) return -1;
    const uint64_t now = bench_now_ns();
    const uint64_t when = due[due_first % most_due].when;
    return when > now ? (int)((when - now + 999999) / 1000000) : 0;
}
static void answer_due(void) {
    const uint64_t now = bench_now_ns();
    for (; due_first != due_last && due[due_first % most_due].when <= now; ++due_first) {
        send_all(due[due_first % most_due].fd, answer, sizeof answer - 1);
    }
}

int main(int argc, char** argv) {
    const char* const mode_name = bench_text(argc, argv, "mode", "echo");
    const enum mode mode = bench_is(mode_name, "echo") ? echo : bench_is(mode_name, "http") ? http : delay;
    const uint64_t delay_ns = (uint64_t)(bench_real(argc, argv, "delay", 1) * 1e9);
    const int listener = listen_on(bench_count(argc, argv, "port", 9300));
    epoll_fd = epoll_create1(0);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    static char buffer[1 << 18];
    struct epoll_event events[1024];
    for (;;) {
        const int ready = epoll_wait(epoll_fd, events, 1024, mode == delay ? wait_ms() : -1);
        if (mode == delay) answer_due();
        for (int i = 0; i < ready; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            if (unsent[fd].bytes != NULL) {
                send_unsent(fd);
                continue;
            }
            const ssize_t got = read(fd, buffer, sizeof buffer);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {
                close(fd);
            } else if (mode == echo) {
                send_all(fd, buffer, (size_t)got);
            } else if (got >= 4 && memcmp(buffer + got - 4, "\r\n\r\n", 4) == 0) {
                if (mode == http) send_all(fd, answer, sizeof answer - 1);
                else due[due_last++ % most_due] = (struct due){bench_now_ns() + delay_ns, fd};
            }
        }
    }
}
