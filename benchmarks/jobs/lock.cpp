// tasks=1: one task acquires and releases a lock that is free. More: so many tasks in turn, each of which
// holds it over a yield. Nanoseconds for each time it was held.
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> holds_alone(asyncio::Lock* lock, long n, long* held) {
    for (long i = 0; i < n; ++i) {
        co_await lock->acquire();
        ++*held;
        lock->release();
    }
}

asyncio::Coro<> holds_in_turn(asyncio::Lock* lock, long n, long* held, long* inside) {
    for (long i = 0; i < n; ++i) {
        const auto hold = co_await lock->scoped();
        bench_prove(++*inside == 1, "one at a time");
        co_await asyncio::sleep(0s);
        --*inside;
        ++*held;
    }
}

asyncio::Coro<> measure(long n, long tasks) {
    asyncio::Lock lock;
    long held = 0;
    long inside = 0;
    std::vector<asyncio::Task<>> all;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < tasks; ++i) {
        all.push_back(asyncio::create_task(tasks == 1 ? holds_alone(&lock, n, &held)
                                                      : holds_in_turn(&lock, n / tasks, &held, &inside)));
    }
    for (const auto& task : all) co_await task;
    const double ns = ns_each(begin, n / tasks * tasks);
    bench_prove(held == n / tasks * tasks && !lock.locked(), "it was held each time");
    bench_print("lock", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 10'000'000), bench_count(argc, argv, "tasks", 1)),
                 run_options(argc, argv));
}
