// Part 7, third mistake: a call that blocks inside of async code.
//
// The loop runs on one thread. A task that does not come to a co_await keeps every other task from running:
// below, a heartbeat that should beat each 100 ms. It notices, because after each sleep it compares what it
// asked for with what it got.
#include <cstdio>

#include "tutorial.hpp"

using namespace std::chrono_literals;

asyncio::Coro<> heartbeat(int beats) {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    for (int i = 1; i <= beats; ++i) {
        const asyncio::TimePoint asleep = loop.time();
        co_await asyncio::sleep(100ms);
        const double late = asyncio::Duration(loop.time() - asleep).seconds() - 0.1;
        if (late > 0.25) {
            std::printf("beat %d: %.2fs late, something has blocked the loop!\n", i, late);
        } else {
            std::printf("beat %d\n", i);
        }
    }
}

asyncio::Coro<> bad_task() {
    co_await asyncio::sleep(250ms);
    std::puts("bad_task: blocks for a second");
    tutorial::block(1s);  // no co_await: nobody else can run
    std::puts("bad_task: is done");
}

asyncio::Coro<> amain() { co_await asyncio::gather(heartbeat(6), bad_task()); }

int main() { asyncio::run(amain(), {.clock = tutorial::clock()}); }
