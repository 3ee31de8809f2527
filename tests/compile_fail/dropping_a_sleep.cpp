// expect: nothing sleeps before this is awaited: co_await asyncio::sleep
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    asyncio::sleep(1s);
    co_return;
}
