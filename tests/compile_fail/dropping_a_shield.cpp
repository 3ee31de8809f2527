// expect: nothing is waited for before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g(asyncio::Task<int> task) {
    asyncio::shield(task);
    co_return;
}
