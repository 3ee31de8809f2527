// expect: calling a coroutine function only makes a coroutine, which nobody would run
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f();
asyncio::Coro<> g() {
    asyncio::get_running_loop().call_later(std::chrono::seconds(1), f);
    co_return;
}
