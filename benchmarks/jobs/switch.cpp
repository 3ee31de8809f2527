// Two tasks that yield in turn with sleep(0s): nanoseconds for one switch.
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> turns(long count, long* done) {
    for (long i = 0; i < count; ++i) co_await asyncio::sleep(0s);
    *done += count;
}

asyncio::Coro<> recorded_turns(int id, std::vector<int>* order) {
    for (int i = 0; i < 100; ++i) {
        order->push_back(id);
        co_await asyncio::sleep(0s);
    }
}

// A yield lets the other one run: without that, a loop that does nothing would win.
asyncio::Coro<> prove_turns() {
    std::vector<int> order;
    co_await asyncio::gather(recorded_turns(0, &order), recorded_turns(1, &order));
    for (std::size_t i = 0; i < order.size(); ++i) {
        bench_prove(order[i] == static_cast<int>(i % 2), "the tasks take turns");
    }
}

asyncio::Coro<> measure(long n) {
    co_await prove_turns();
    long done = 0;
    const auto first = asyncio::create_task(turns(n / 2, &done));
    const auto second = asyncio::create_task(turns(n / 2, &done));
    const std::uint64_t begin = bench_now_ns();
    co_await first;
    co_await second;
    const double ns = ns_each(begin, n);
    bench_prove(done == n / 2 * 2, "every switch was made");
    bench_print("switch", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 10'000'000)), run_options(argc, argv));
}
