// expect: deleted
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> f();
asyncio::Coro<int> g() {
    auto coro = f();
    auto copy = coro;
    co_return co_await std::move(copy);
}
