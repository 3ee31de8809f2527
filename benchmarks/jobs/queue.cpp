// One task puts numbers into a queue, another gets them: nanoseconds an item. With shape=pingpong two queues
// of one, a number there and back: nanoseconds a round trip.
#include "common/ours.hpp"

namespace {

using namespace bench;
using Queue = asyncio::Queue<long>;

asyncio::Coro<> produce(Queue* queue, long n) {
    for (long i = 0; i < n; ++i) co_await queue->put(i);
}
asyncio::Coro<long> consume(Queue* queue, long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        const long item = co_await queue->get();
        bench_prove(item == i, "items come in their order");
        sum += item;
    }
    co_return sum;
}

asyncio::Coro<> answer(Queue* there, Queue* back, long n) {
    for (long i = 0; i < n; ++i) {
        const long item = co_await there->get();
        co_await back->put(item);
    }
}
asyncio::Coro<long> ask(Queue* there, Queue* back, long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        co_await there->put(i);
        sum += co_await back->get();
    }
    co_return sum;
}

asyncio::Coro<> measure(long n, long size, bool pingpong) {
    Queue first(size);
    Queue second(size);
    const std::uint64_t begin = bench_now_ns();
    const auto one = asyncio::create_task(pingpong ? answer(&first, &second, n) : produce(&first, n));
    const auto other = asyncio::create_task(pingpong ? ask(&first, &second, n) : consume(&first, n));
    const long sum = co_await other;
    co_await one;
    const double ns = ns_each(begin, n);
    bench_prove(sum == n * (n - 1) / 2, "every item came through");
    bench_print("queue", impl, ns, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    const long n = bench_count(argc, argv, "n", 10'000'000);
    const long size = bench_count(argc, argv, "size", 1);
    const bool pingpong = bench_is(bench_text(argc, argv, "shape", "one"), "pingpong");
    asyncio::run(measure(n, size, pingpong), run_options(argc, argv));
}
