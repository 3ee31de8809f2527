// An exception that passes `depth` awaits before it is caught: microseconds for each.
#include <exception>

#include "common/ours.hpp"

namespace {

using namespace bench;

struct Failure : std::exception {};

[[gnu::noinline]] asyncio::Coro<long> failing(long depth) {
    if (depth == 1) throw Failure();
    co_return co_await failing(depth - 1);
}

asyncio::Coro<> measure(long n, long depth) {
    long caught = 0;
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) {
        try {
            caught += co_await failing(depth);
        } catch (const Failure&) {
            ++caught;
        }
    }
    const double us = ns_each(begin, n) / 1000;
    bench_prove(caught == n, "every exception arrived");
    bench_print("exception", impl, us, "us", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 100'000), bench_count(argc, argv, "depth", 1)),
                 run_options(argc, argv));
}
