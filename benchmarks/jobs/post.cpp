// call_soon_threadsafe from `producers` threads: nanoseconds per post, until all have run on the loop.
#include <atomic>
#include <thread>
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> measure(long n, long producers) {
    const long each = n / producers;
    long ran = 0;
    asyncio::Future<> all;
    std::atomic<bool> go = false;
    std::vector<std::jthread> threads;
    const asyncio::LoopHandle loop = asyncio::get_running_loop().remote();
    const auto count = [&ran, &all, total = each * producers] {
        if (++ran == total) all.set_result();
    };
    for (long i = 0; i < producers; ++i) {
        threads.emplace_back([&] {
            go.wait(false);
            for (long k = 0; k < each; ++k) loop.call_soon_threadsafe(count);
        });
    }
    co_await asyncio::sleep(10ms);  // all stand at the line
    const std::uint64_t begin = bench_now_ns();
    go = true;
    go.notify_all();
    co_await all;
    const double ns = ns_each(begin, each * producers);
    bench_prove(ran == each * producers, "every post ran");
    bench_print("post", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 1'000'000), bench_count(argc, argv, "producers", 1)),
                 run_options(argc, argv));
}
