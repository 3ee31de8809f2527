// expect: nothing is waited for before this is awaited: co_await it
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g(std::vector<asyncio::Task<int>> tasks) {
    asyncio::wait(tasks);
    co_return;
}
