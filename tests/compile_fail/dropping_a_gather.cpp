// expect: a gather starts nothing before it is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    asyncio::gather(f(), f());
    co_return;
}
