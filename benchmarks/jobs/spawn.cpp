// A task is created and awaited, one after another: nanoseconds for each.
#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<long> one() { co_return 1; }

asyncio::Coro<> measure(long n) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) sum += co_await asyncio::create_task(one());
    const double ns = ns_each(begin, n);
    bench_prove(sum == n, "every task gave its result");
    bench_print("spawn", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 2'000'000)), run_options(argc, argv));
}
