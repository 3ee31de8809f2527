// call_later and cancel, with a thousand other timers outstanding that are due before: nanoseconds for both.
//
//   clock=cached  the loop's own time, as call_later uses it
//   clock=read    the caller reads the clock each time and uses call_at
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<> measure(long n, bool read_clock) {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    long fired = 0;
    const auto count = [&fired] { ++fired; };
    std::vector<asyncio::TimerHandle> outstanding;
    std::uint64_t random = 1;
    for (int i = 0; i < 1000; ++i) {
        const auto later =
            std::chrono::hours(1) + std::chrono::nanoseconds(bench_random(&random) % 1'000'000'000);
        outstanding.push_back(loop.call_later(later, count));
    }
    long cancelled = 0;
    const std::uint64_t begin = bench_now_ns();
    if (read_clock) {
        for (long i = 0; i < n; ++i) {
            const asyncio::TimePoint now{std::chrono::nanoseconds(bench_now_ns())};
            asyncio::TimerHandle handle = loop.call_at(now + asyncio::Duration(2h), count);
            handle.cancel();
            cancelled += handle.cancelled() ? 1 : 0;
        }
    } else {
        for (long i = 0; i < n; ++i) {
            asyncio::TimerHandle handle = loop.call_later(2h, count);
            handle.cancel();
            cancelled += handle.cancelled() ? 1 : 0;
        }
    }
    const double ns = ns_each(begin, n);
    for (asyncio::TimerHandle& handle : outstanding) handle.cancel();
    co_await asyncio::sleep(1ms);
    bench_prove(cancelled == n && fired == 0, "every timer was cancelled and none fired");
    bench_print("timer_cancel", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 5'000'000),
                         bench_is(bench_text(argc, argv, "clock", "cached"), "read")),
                 run_options(argc, argv));
}
