// Part 7: the cure for a call that blocks.
//
// to_thread makes the call on another thread, and the loop goes on. It takes the function and its arguments
// by value and gives the function's result. (Where there is an asynchronous call for the same purpose, that
// is better still: here, co_await asyncio::sleep(1s).)
#include <algorithm>
#include <cstdio>

#include "tutorial.hpp"

using namespace std::chrono_literals;

/// Returns the longest time that one beat took; 100 ms is what it should be.
asyncio::Coro<double> heartbeat(int beats) {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    double longest = 0;
    for (int i = 0; i < beats; ++i) {
        const asyncio::TimePoint asleep = loop.time();
        co_await asyncio::sleep(100ms);
        longest = std::max(longest, asyncio::Duration(loop.time() - asleep).seconds());
    }
    co_return longest;
}

int slow_computation(int number) {
    tutorial::block(1s);
    return number * 2;
}

asyncio::Coro<int> good_task() {
    co_await asyncio::sleep(250ms);
    co_return co_await asyncio::to_thread(slow_computation, 21);
}

asyncio::Coro<> amain() {
    auto [longest_beat, result] = co_await asyncio::gather(heartbeat(15), good_task());
    std::printf("The computation gave %d.\n", result);
    std::printf("The longest beat took %.1fs.\n", longest_beat);
    if (longest_beat < 0.35) std::puts("Nothing has blocked the loop.");
}

int main() { asyncio::run(amain(), {.clock = tutorial::clock()}); }
