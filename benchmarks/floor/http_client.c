// The floor of the HTTP clients, and a load for HTTP servers where wrk is missing: C and epoll, one thread.
//
//   port=… connections=… total=…                 so many requests: seconds
//   port=… connections=… seconds=… [pid=SERVER]  as many as it can: requests per second
//
// Frames responses by Content-Length alone; each body must be "Hello, World!".
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/bench.h"

struct connection {
    int fd;
    int got;
    char bytes[2048];
};
static char request[128];
static int request_size;

static void ask(const struct connection* c) {
    bench_prove(write(c->fd, request, (size_t)request_size) == request_size, "a request is sent at once");
}
// Whether a whole answer is there.
static int answered(struct connection* c) {
    c->bytes[c->got] = 0;
    const char* const head_end = strstr(c->bytes, "\r\n\r\n");
    const char* const length = head_end != NULL ? strcasestr(c->bytes, "content-length:") : NULL;
    if (length == NULL) return 0;
    const char* const body = head_end + 4;
    if (c->got < body - c->bytes + atoi(length + 15)) return 0;
    bench_prove(strncmp(c->bytes, "HTTP/1.1 200", 12) == 0 && bench_is(body, "Hello, World!"), "the answer is 200 and Hello, World!");
    c->got = 0;
    return 1;
}

int main(int argc, char** argv) {
    const long port = bench_count(argc, argv, "port", 9280);
    const long count = bench_count(argc, argv, "connections", 100);
    const double seconds = bench_real(argc, argv, "seconds", 0);
    const long total = seconds > 0 ? 1L << 40 : bench_count(argc, argv, "total", 10000);
    const struct rlimit limit = {1 << 17, 1 << 17};
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    setrlimit(RLIMIT_NOFILE, &limit);
    request_size = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n\r\n", port);

    const uint64_t begin = bench_now_ns();
    const int epoll_fd = epoll_create1(0);
    struct connection* const connections = calloc((size_t)count, sizeof *connections);
    long sent = 0;
    long done = 0;
    for (long i = 0; i < count && sent < total; ++i, ++sent) {
        struct connection* const c = &connections[i];
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        bench_prove(connect(c->fd, (const struct sockaddr*)&address, sizeof address) == 0, "the server listens");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
        ask(c);
    }
    struct epoll_event events[1024];
    while (done < total) {
        const int ready = epoll_wait(epoll_fd, events, 1024, 5000);
        bench_prove(ready > 0, "the server goes on answering");
        if (seconds > 0 && (double)(bench_now_ns() - begin) * 1e-9 >= seconds) break;
        for (int i = 0; i < ready; ++i) {
            struct connection* const c = events[i].data.ptr;
            const ssize_t got = read(c->fd, c->bytes + c->got, sizeof c->bytes - 1 - (size_t)c->got);
            bench_prove(got > 0, "the server keeps its connections");
            c->got += (int)got;
            if (!answered(c)) continue;
            ++done;
            if (sent < total) {
                ++sent;
                ask(c);
            }
        }
    }
    const double elapsed = (double)(bench_now_ns() - begin) * 1e-9;
    if (seconds > 0) {
        bench_print("http_server", "load", (double)done / elapsed, "req/s", "requests", (double)done, (const char*)NULL);
    } else {
        bench_print("http_client", "floor", elapsed, "s", "cpu_s", bench_cpu_s(), "peak_mib", bench_peak() / 1048576, (const char*)NULL);
    }
}
