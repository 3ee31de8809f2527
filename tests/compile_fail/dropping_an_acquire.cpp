// expect: nothing is acquired before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(asyncio::Lock& lock) {
    lock.acquire();
    co_return;
}
