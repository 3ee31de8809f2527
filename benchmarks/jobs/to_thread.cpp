// to_thread of a trivial function, one after another: microseconds for a round trip.
#include "common/ours.hpp"

namespace {

using namespace bench;

long plus_one(long i) { return i + 1; }

asyncio::Coro<> measure(long n) {
    long value = co_await asyncio::to_thread(plus_one, -1);  // starts the thread
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < n; ++i) value = co_await asyncio::to_thread(plus_one, value);
    const double us = ns_each(begin, n) / 1000;
    bench_prove(value == n, "every call was made");
    bench_print("to_thread", impl, us, "us", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 20'000)), run_options(argc, argv));
}
