// An async generator that is always ready, iterated: nanoseconds for each item.
#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::AsyncGenerator<long> numbers(long count) {
    for (long i = 0; i < count; ++i) co_yield i;
}

asyncio::Coro<> measure(long n) {
    long sum = 0;
    auto all = numbers(n);
    const std::uint64_t begin = bench_now_ns();
    while (auto item = co_await all.next()) sum += *item;
    const double ns = ns_each(begin, n);
    bench_prove(sum == n * (n - 1) / 2, "every item arrived");
    bench_print("generator", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 10'000'000)), run_options(argc, argv));
}
