// A chain of `depth` coroutines that await one another: nanoseconds for each call and return.
#include "common/ours.hpp"

namespace {

using namespace bench;

// Not inlined, so that no compiler folds the recursion or keeps the frames on the stack.
[[gnu::noinline]] asyncio::Coro<long> deep(long depth) {
    if (depth == 0) co_return 1;
    co_return 1 + co_await deep(depth - 1);
}

asyncio::Coro<> measure(long n, long depth) {
    long sum = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) sum += co_await deep(depth - 1);
    const double ns = ns_each(begin, n * depth);
    bench_prove(sum == n * depth, "every level was entered");
    bench_print("await_depth", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 200'000), bench_count(argc, argv, "depth", 100)),
                 run_options(argc, argv));
}
