// Part 7: the same, concurrently.
//
// create_task hands a coroutine to the loop, which starts it in its next turn, whatever the caller does
// meanwhile. Awaiting the task gives its result; if it has one already, at once.
#include <asyncio/asyncio.hpp>
#include <cstdio>

using namespace std::chrono_literals;

asyncio::Coro<int> fetch(int number) {
    std::printf("fetch %d: starts\n", number);
    co_await asyncio::sleep(1s);
    std::printf("fetch %d: is done\n", number);
    co_return number * 10;
}

asyncio::Coro<> amain() {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    const asyncio::TimePoint start = loop.time();

    asyncio::Task<int> first = asyncio::create_task(fetch(1));
    asyncio::Task<int> second = asyncio::create_task(fetch(2));
    asyncio::Task<int> third = asyncio::create_task(fetch(3));
    std::puts("three tasks are created, none has started");

    const int a = co_await first;   // here amain waits, so they get their turn, all three
    const int b = co_await second;  // done by now
    const int c = co_await third;

    std::printf("%d + %d + %d = %d\n", a, b, c, a + b + c);
    std::printf("Concurrent: %.1fs\n", asyncio::Duration(loop.time() - start).seconds());
}

int main() { asyncio::run(amain()); }
