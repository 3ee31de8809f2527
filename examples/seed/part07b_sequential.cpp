// Part 7, second mistake: awaiting one after another what could run at once.
//
// It is correct, and sometimes wanted: each co_await waits for its coroutine before the next is even created.
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

    const int a = co_await fetch(1);  // one second
    const int b = co_await fetch(2);  // one more
    const int c = co_await fetch(3);  // and one more

    std::printf("%d + %d + %d = %d\n", a, b, c, a + b + c);
    std::printf("Sequential: %.1fs\n", asyncio::Duration(loop.time() - start).seconds());
}

int main() { asyncio::run(amain()); }
