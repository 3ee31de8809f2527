// run_in_executor of a trivial function on an executor of one thread: microseconds a call. in_flight=1: one
// after another, each a round trip; in_flight=64: so many are handed over, then awaited.
#include <algorithm>
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

long plus_one(long i) { return i + 1; }

asyncio::Coro<> measure(long n, long in_flight) {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    asyncio::ThreadPoolExecutor executor({.max_workers = 1});
    long sum = co_await loop.run_in_executor(executor, plus_one, -1L);  // starts the thread
    std::vector<asyncio::Future<long>> calls;
    calls.reserve(static_cast<std::size_t>(in_flight));
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n;) {
        for (const long end = std::min(n, i + in_flight); i < end; ++i)
            calls.push_back(loop.run_in_executor(executor, plus_one, i));
        for (const asyncio::Future<long>& call : calls) {
            const long value = co_await call;
            sum += value;
        }
        calls.clear();
    }
    const double us = ns_each(begin, n) / 1000;
    bench_prove(sum == n * (n + 1) / 2, "every call was made");
    bench_print("run_in_executor", impl, us, "us", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 20'000), bench_count(argc, argv, "in_flight", 1)),
                 run_options(argc, argv));
}
