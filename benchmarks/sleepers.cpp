// One million tasks in `sleep` at once: bytes of peak memory per task, CPU seconds, and how late the last one
// is.
//
//   bench_sleepers [TASKS]
//
// Every task counts itself at its end; the count is checked before anything is printed.
#include <sys/resource.h>
#include <asyncio/asyncio.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace std::chrono_literals;

constexpr auto nap = 3s;

asyncio::Coro<> sleeper(asyncio::TimePoint until, long* ended) {
    co_await asyncio::sleep_until(until);
    ++*ended;
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_kib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

asyncio::Coro<> measure(long tasks) {
    long ended = 0;
    const long kib_before = peak_kib();
    const double cpu_before = cpu_seconds();
    auto& loop = asyncio::get_running_loop();
    const auto until = loop.time() + asyncio::Duration(nap);
    for (long i = 0; i < tasks; ++i) asyncio::create_task(sleeper(until, &ended));
    while (ended != tasks) co_await asyncio::sleep(1ms);
    const double late_ms = std::chrono::duration<double, std::milli>(loop.time() - until).count();
    const double bytes = static_cast<double>(peak_kib() - kib_before) * 1024.0 / static_cast<double>(tasks);
    std::printf(
        "{\"job\": \"sleepers\", \"tasks\": %ld, \"bytes_per_task\": %.1f, \"cpu_s\": %.3f, \"late_ms\": "
        "%.1f}\n",
        tasks, bytes, cpu_seconds() - cpu_before, late_ms);
}

}  // namespace

int main(int argc, char** argv) {
    const long tasks = argc > 1 ? std::atol(argv[1]) : 1'000'000;
    if (tasks <= 0) {
        std::fprintf(stderr, "usage: bench_sleepers [TASKS]\n");
        return 2;
    }
    asyncio::run(measure(tasks));
}
