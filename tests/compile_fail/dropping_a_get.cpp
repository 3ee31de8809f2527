// expect: nothing is got before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(asyncio::Queue<int>& queue) {
    queue.get();
    co_return;
}
