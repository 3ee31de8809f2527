// expect: nothing is called before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    asyncio::to_thread([] { return 1; });
    co_return;
}
