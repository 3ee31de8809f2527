// A limit of one second around an operation that ends in time: nanoseconds for the whole.
//
//   scope=with|wait_for   with(timeout(1s), body) or wait_for(coroutine, 1s)
//   operation=ready|yield the operation ends at once, or suspends once
#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<long> ready() { co_return 1; }
asyncio::Coro<long> yielding() {
    co_await asyncio::sleep(0s);
    co_return 1;
}

asyncio::Coro<long> with_ready(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        sum += co_await asyncio::with(asyncio::timeout(1s),
                                      [](asyncio::Timeout&) -> asyncio::Coro<long> { co_return 1; });
    }
    co_return sum;
}
asyncio::Coro<long> with_yield(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        sum += co_await asyncio::with(asyncio::timeout(1s), [](asyncio::Timeout&) -> asyncio::Coro<long> {
            co_await asyncio::sleep(0s);
            co_return 1;
        });
    }
    co_return sum;
}
asyncio::Coro<long> wait_for_ready(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await asyncio::wait_for(ready(), 1s);
    co_return sum;
}
asyncio::Coro<long> wait_for_yield(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) sum += co_await asyncio::wait_for(yielding(), 1s);
    co_return sum;
}

asyncio::Coro<> measure(long n, bool with, bool yields) {
    const std::uint64_t begin = bench_now_ns();
    long sum = 0;
    if (with && yields) {
        sum = co_await with_yield(n);
    } else if (with) {
        sum = co_await with_ready(n);
    } else if (yields) {
        sum = co_await wait_for_yield(n);
    } else {
        sum = co_await wait_for_ready(n);
    }
    const double ns = ns_each(begin, n);
    bench_prove(sum == n, "every operation ended in time and gave its result");
    bench_print("timeout", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 2'000'000),
                         bench_is(bench_text(argc, argv, "scope", "with"), "with"),
                         bench_is(bench_text(argc, argv, "operation", "yield"), "yield")),
                 run_options(argc, argv));
}
