// Sleeping tasks are cancelled and collected.
//
//   case=one   one task at a time, created, started, cancelled and collected: microseconds for each
//   case=many  n tasks sleep, then all are cancelled and collected: seconds for all, without their creation
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> sleeper() { co_await asyncio::sleep(1h); }

asyncio::Coro<> one_by_one(long n) {
    long cancelled = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        const asyncio::Task<> task = asyncio::create_task(sleeper());
        co_await asyncio::sleep(0s);
        task.cancel();
        const auto outcomes = co_await asyncio::gather(asyncio::return_exceptions, task);
        if (std::get<0>(outcomes).cancelled()) ++cancelled;
    }
    const double us = ns_each(begin, n) / 1000;
    bench_prove(cancelled == n, "every task ended cancelled");
    bench_print("cancel_collect", impl, us, "us", nullptr);
}

asyncio::Coro<> all_at_once(long n) {
    std::vector<asyncio::Task<>> tasks;
    tasks.reserve(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) tasks.push_back(asyncio::create_task(sleeper()));
    co_await asyncio::sleep(0s);
    const std::uint64_t begin = bench_now_ns();
    for (const asyncio::Task<>& task : tasks) task.cancel();
    const auto outcomes = co_await asyncio::gather(asyncio::return_exceptions, tasks);
    const double seconds = ns_each(begin, 1) * 1e-9;
    long cancelled = 0;
    for (const auto& outcome : outcomes) cancelled += outcome.cancelled() ? 1 : 0;
    bench_prove(cancelled == n, "every task ended cancelled");
    bench_print("cancel_collect", impl, seconds, "s", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    const bool one = bench_is(bench_text(argc, argv, "case", "one"), "one");
    const long n = bench_count(argc, argv, "n", 100'000);
    asyncio::run(one ? one_by_one(n) : all_at_once(n), run_options(argc, argv));
}
