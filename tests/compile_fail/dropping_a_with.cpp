// expect: this coroutine has not run: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    asyncio::with(asyncio::TaskGroup(), [](asyncio::TaskGroup& tg) { tg.create_task(f()); });
    co_return;
}
