// expect: a coroutine runs once|deleted
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> one() { co_return 1; }
void g() {
    auto coro = one();
    asyncio::create_task(coro);
}
