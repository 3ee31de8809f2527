// n tasks in one TaskGroup: all sleep, the last one fails, the group cancels and collects the rest.
// Nanoseconds per task, from the group's entry to the exception.
#include "common/ours.hpp"

namespace {

using namespace bench;

struct Failure : std::exception {};

struct CountEnd {
    long* ended;
    explicit CountEnd(long* counter) noexcept : ended(counter) {}
    ~CountEnd() { ++*ended; }
};

asyncio::Coro<> sleeper(long* begun, long* ended) {
    const CountEnd count(ended);
    ++*begun;
    co_await asyncio::sleep(1h);
}

asyncio::Coro<> failing() {
    co_await asyncio::sleep(0s);
    throw Failure();
}

asyncio::Coro<> measure(long n) {
    long begun = 0;
    long ended = 0;
    std::size_t failures = 0;
    const std::uint64_t begin = bench_now_ns();
    try {
        co_await asyncio::with(asyncio::TaskGroup{}, [&](asyncio::TaskGroup& group) -> asyncio::Coro<> {
            for (long i = 1; i < n; ++i) group.create_task(sleeper(&begun, &ended));
            group.create_task(failing());
            co_return;
        });
    } catch (const asyncio::ExceptionGroup& group) {
        failures = group.exceptions().size();
    }
    const double ns = ns_each(begin, n);
    bench_prove(failures == 1 && begun == n - 1 && ended == n - 1,
                "one failed, all others were started and cancelled");
    bench_print("task_group", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 100'000)), run_options(argc, argv));
}
