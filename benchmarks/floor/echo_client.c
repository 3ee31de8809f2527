// The load of the echo jobs: C and epoll, one thread, one message in flight on each connection.
//
//   port=… connections=… size=… seconds=… [pid=SERVER]
//
// Every byte that comes back in the first fifth of the time is compared, later every 16th message. Prints messages per
// second, latencies, and the server's CPU per message from /proc.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/bench.h"

// A histogram of nanoseconds with 64 steps for each power of two.
enum { steps = 64 };
static uint64_t histogram[64 * steps];
static int bucket(uint64_t ns) {
    if (ns < steps) return (int)ns;
    const int exponent = 63 - __builtin_clzll(ns);
    return (exponent - 5) * steps + (int)((ns >> (exponent - 6)) & (steps - 1));
}
static double bucket_us(int i) {
    if (i < steps) return i / 1000.0;
    const int exponent = i / steps + 5;
    return (double)((1ull << exponent) + ((uint64_t)(i % steps) << (exponent - 6))) / 1000.0;
}
static double percentile_us(double part, uint64_t count) {
    const uint64_t wanted = (uint64_t)(part * (double)count);
    uint64_t seen = 0;
    for (int i = 0; i < 64 * steps; ++i) {
        seen += histogram[i];
        if (seen > wanted) return bucket_us(i);
    }
    return 0;
}

// Seconds on a CPU of all threads of a process.
static double process_cpu_s(long pid) {
    char path[512];
    double seconds = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR* const tasks = opendir(path);
    if (pid == 0 || tasks == NULL) return 0;
    for (struct dirent* entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", pid, entry->d_name);
        FILE* const file = fopen(path, "r");
        unsigned long long ns = 0;
        if (file != NULL && fscanf(file, "%llu", &ns) == 1) seconds += (double)ns * 1e-9;
        if (file != NULL) fclose(file);
    }
    closedir(tasks);
    return seconds;
}
// Of which in user mode. The kernel samples this in ticks and scales it: good over seconds and many rounds.
static double process_user_s(long pid) {
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE* const file = pid != 0 ? fopen(path, "r") : NULL;
    if (file == NULL) return 0;
    const size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    const char* const after_name = strrchr(text, ')');
    unsigned long ticks = 0;
    if (after_name == NULL || sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &ticks) != 1) return 0;
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

struct connection {
    int fd;
    size_t got;
    size_t sent;
    uint64_t began;
};
static int epoll_fd;
static size_t size;
static char* message;

static void watch(struct connection* c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, operation, c->fd, &event);
}
static void connect_to(struct connection* c, long port) {
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    for (int tries = 0;; ++tries) {
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (const struct sockaddr*)&address, sizeof address) == 0) break;
        bench_prove(tries < 300, "the server listens");
        close(c->fd);
        usleep(10000);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}
static void send_rest(struct connection* c, int was_waiting) {
    const ssize_t written = write(c->fd, message + c->sent, size - c->sent);
    if (written > 0) c->sent += (size_t)written;
    if (c->sent < size) {
        if (!was_waiting) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    } else if (was_waiting) {
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
}
static void begin_message(struct connection* c, uint64_t now) {
    c->got = 0;
    c->sent = 0;
    c->began = now;
    send_rest(c, 0);
}

int main(int argc, char** argv) {
    const long port = bench_count(argc, argv, "port", 9300);
    const long count = bench_count(argc, argv, "connections", 1);
    const double seconds = bench_real(argc, argv, "seconds", 1);
    const long pid = bench_count(argc, argv, "pid", 0);
    size = (size_t)bench_count(argc, argv, "size", 64);
    const size_t buffer_size = size > 4096 ? 1 << 18 : 4096;
    char* const buffer = malloc(buffer_size);
    message = malloc(size);
    for (size_t i = 0; i < size; ++i) message[i] = (char)('!' + (i * 7 + i / 64) % 90);
    epoll_fd = epoll_create1(0);
    struct connection* const connections = calloc((size_t)count, sizeof *connections);
    for (long i = 0; i < count; ++i) connect_to(&connections[i], port);

    uint64_t now = bench_now_ns();
    const uint64_t warm = now + (uint64_t)(seconds * 0.2e9);
    const uint64_t end = warm + (uint64_t)(seconds * 1e9);
    for (long i = 0; i < count; ++i) begin_message(&connections[i], bench_now_ns());

    int measuring = 0;
    uint64_t messages = 0;
    uint64_t all_messages = 0;
    uint64_t measured_from = 0;
    double cpu_before = 0;
    double user_before = 0;
    struct epoll_event events[1024];
    for (;;) {
        const int ready = epoll_wait(epoll_fd, events, 1024, 3000);
        bench_prove(ready > 0, "the server goes on answering");
        now = bench_now_ns();
        if (!measuring && now >= warm) {
            measuring = 1;
            measured_from = now;
            cpu_before = process_cpu_s(pid);
            user_before = process_user_s(pid);
            messages = 0;
            memset(histogram, 0, sizeof histogram);
        }
        if (now >= end) break;
        for (int i = 0; i < ready; ++i) {
            struct connection* const c = events[i].data.ptr;
            if (c->sent < size) send_rest(c, 1);
            if (!(events[i].events & EPOLLIN)) continue;
            const ssize_t got = read(c->fd, buffer, buffer_size);
            if (got < 0 && errno == EAGAIN) continue;
            bench_prove(got > 0 && c->got + (size_t)got <= size, "the server sends back what it got");
            if (!measuring || messages % 16 == 0) {
                bench_prove(memcmp(buffer, message + c->got, (size_t)got) == 0, "the echo is what was sent");
            }
            c->got += (size_t)got;
            if (c->got < size) continue;
            const uint64_t answered = bench_now_ns();
            ++histogram[bucket(answered - c->began)];
            ++messages;
            ++all_messages;
            begin_message(c, answered);
        }
    }
    const double elapsed = (double)(now - measured_from) * 1e-9;
    const double n = (double)messages;
    const double cpu = process_cpu_s(pid) - cpu_before;
    bench_prove(measuring && messages > 0, "messages were echoed");
    bench_print("echo", "load", n / elapsed, "msg/s", "mb_s", n / elapsed * (double)size / 1e6, "p50_us",
                percentile_us(.5, messages), "p99_us", percentile_us(.99, messages), "cpu_us", cpu * 1e6 / n, "user_us",
                (process_user_s(pid) - user_before) * 1e6 / n, "busy", cpu / elapsed, "messages", n, "all_messages", (double)all_messages, (const char*)NULL);
}
