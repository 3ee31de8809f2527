// Part 4: gather runs coroutines at once.
//
// A starts and reaches its sleep; there it gives the loop back, so B starts. Half a second later B is the
// first to be woken. The order of the lines is the lesson: A starts, B starts, B finishes, A finishes.
#include <asyncio/asyncio.hpp>
#include <cstdio>

using namespace std::chrono_literals;

asyncio::Coro<> task_a() {
    std::puts("A: starts");
    co_await asyncio::sleep(1s);  // "wake me in a second; meanwhile run somebody else"
    std::puts("A: finishes");
}

asyncio::Coro<> task_b() {
    std::puts("B: starts");
    co_await asyncio::sleep(500ms);
    std::puts("B: finishes");
}

asyncio::Coro<> amain() {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    const asyncio::TimePoint start = loop.time();

    co_await asyncio::gather(task_a(), task_b());

    // As long as the longer one, not as both together.
    std::printf("Total time: %.1fs\n", asyncio::Duration(loop.time() - start).seconds());
}

int main() { asyncio::run(amain()); }
