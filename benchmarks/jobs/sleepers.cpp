// n tasks in `sleep` at once: bytes of peak memory per task, CPU seconds, and how late the last one is (their
// creation included).
#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> sleeper(asyncio::Duration nap, long* ended) {
    co_await asyncio::sleep(nap);
    ++*ended;
}

asyncio::Coro<> measure(long n, double seconds) {
    long ended = 0;
    const double memory_before = bench_resident();
    const double cpu_before = bench_cpu_s();
    const std::uint64_t begin = bench_now_ns();
    const asyncio::Duration nap = std::chrono::duration<double>(seconds);
    for (long i = 0; i < n; ++i) asyncio::create_task(sleeper(nap, &ended));
    while (ended != n) co_await asyncio::sleep(1ms);
    const double late_ms = ns_each(begin, 1) * 1e-6 - seconds * 1e3;
    const double bytes = (bench_peak() - memory_before) / static_cast<double>(n);
    bench_prove(late_ms >= 0, "nobody woke early");
    bench_print("sleepers", impl, bytes, "B", "cpu_s", bench_cpu_s() - cpu_before, "late_ms", late_ms,
                nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 1'000'000), bench_real(argc, argv, "seconds", 3)),
                 run_options(argc, argv));
}
