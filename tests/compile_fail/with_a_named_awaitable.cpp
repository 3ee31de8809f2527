// expect: with: pass the awaitable itself, or its awaited result
#include <asyncio/asyncio.hpp>
asyncio::Coro<asyncio::TaskGroup> connect();
asyncio::Coro<> f() {
    auto connecting = connect();
    co_await asyncio::with(connecting, [] {});
}
