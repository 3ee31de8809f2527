// expect: deleted
// expect: co_await std::move\(coro\)
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> f();
asyncio::Coro<int> g() {
    auto coro = f();
    co_return co_await coro;
}
