// expect: this coroutine has not run: co_await it, or hand it to asyncio::create_task
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
asyncio::Coro<int> f();
asyncio::Coro<> g() {
    f();
    co_return;
}
