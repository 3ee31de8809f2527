// expect: nothing is put before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(asyncio::Queue<int>& queue) {
    queue.put(1);
    co_return;
}
