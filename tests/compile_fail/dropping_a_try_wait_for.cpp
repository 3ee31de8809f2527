// expect: nothing runs before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    asyncio::try_wait_for(f(), 1s);
    co_return;
}
