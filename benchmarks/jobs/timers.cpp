// n tasks that sleep for random times within `range_s` seconds: CPU nanoseconds per task, from creation to
// end.
#include "common/ours.hpp"

namespace {

using namespace bench;

struct Progress {
    long ended = 0;
    long in_order = 0;
    asyncio::TimePoint last{};
};

asyncio::Coro<> ordered_sleeper(asyncio::TimePoint until, Progress* progress) {
    co_await asyncio::sleep_until(until);
    if (progress->last <= until) ++progress->in_order;
    progress->last = until;
    ++progress->ended;
}

asyncio::Coro<> sleeper(asyncio::Duration nap, Progress* progress) {
    co_await asyncio::sleep(nap);
    ++progress->ended;
}

std::int64_t random_ns(std::uint64_t* state, double range_s) {
    return static_cast<std::int64_t>(bench_random(state) % static_cast<std::uint64_t>(range_s * 1e9));
}

asyncio::Coro<> prove_order(long n) {
    Progress progress;
    std::uint64_t random = 88172645463325252u;
    const asyncio::TimePoint base = asyncio::get_running_loop().time();
    for (long i = 0; i < n; ++i) {
        const auto until = base + asyncio::Duration::from_ns(random_ns(&random, 0.01));
        asyncio::create_task(ordered_sleeper(until, &progress));
    }
    while (progress.ended != n) co_await asyncio::sleep(1ms);
    bench_prove(progress.in_order == n, "timers run in the order of their deadlines");
}

asyncio::Coro<> measure(long n, double range_s) {
    co_await prove_order(n < 10'000 ? n : 10'000);
    Progress progress;
    std::uint64_t random = 88172645463325252u;
    const double memory_before = bench_resident();
    const double cpu_before = bench_cpu_s();
    for (long i = 0; i < n; ++i) {
        asyncio::create_task(sleeper(asyncio::Duration::from_ns(random_ns(&random, range_s)), &progress));
    }
    while (progress.ended != n) co_await asyncio::sleep(1ms);
    const double ns = (bench_cpu_s() - cpu_before) * 1e9 / static_cast<double>(n);
    const double bytes = (bench_peak() - memory_before) / static_cast<double>(n);
    bench_print("timers", impl, ns, "ns", "bytes", bytes, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 1'000'000), bench_real(argc, argv, "range_s", 1)),
                 run_options(argc, argv));
}
