// n tasks sleep at once and end, then the program goes on quietly: bytes a task that it still holds half a
// second later, and at its peak, above what it held before.
#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> sleeper(long* ended) {
    co_await asyncio::sleep(200ms);
    ++*ended;
}

asyncio::Coro<> measure(long n) {
    long ended = 0;
    const double before = bench_resident();
    for (long i = 0; i < n; ++i) asyncio::create_task(sleeper(&ended));
    while (ended != n) co_await asyncio::sleep(10ms);
    bench_prove(ended == n, "every task ended");
    for (int i = 0; i < 50; ++i) co_await asyncio::sleep(10ms);
    const double tasks = static_cast<double>(n);
    const double kept = (bench_resident() - before) / tasks;
    bench_print("burst_memory", impl, kept, "B", "peak_bytes", (bench_peak() - before) / tasks, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 1'000'000)), run_options(argc, argv));
}
