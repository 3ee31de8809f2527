// gather of n trivial coroutines with results: nanoseconds per task, the first time (cold memory) and after
// that.
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<long> number(long i) { co_return i; }

asyncio::Coro<> gather_once(long n) {
    std::vector<asyncio::Coro<long>> jobs;
    jobs.reserve(static_cast<std::size_t>(n));
    for (long i = 0; i < n; ++i) jobs.push_back(number(i));
    const std::vector<long> results = co_await asyncio::gather(std::move(jobs));
    long sum = 0;
    for (const long result : results) sum += result;
    bench_prove(sum == n * (n - 1) / 2 && results.back() == n - 1, "every result is there, in order");
}

asyncio::Coro<> measure(long n, long repeats) {
    const double before = bench_resident();
    std::uint64_t begin = bench_now_ns();
    co_await gather_once(n);
    const double cold = ns_each(begin, n);
    const double bytes = (bench_peak() - before) / static_cast<double>(n);
    begin = bench_now_ns();
    for (long i = 0; i < repeats; ++i) co_await gather_once(n);
    const double warm = ns_each(begin, n * repeats);
    bench_print("gather", impl, warm, "ns", "cold_ns", cold, "bytes", bytes, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 100'000), bench_count(argc, argv, "repeats", 10)),
                 run_options(argc, argv));
}
