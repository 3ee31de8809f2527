// expect: wait takes tasks or futures: start coroutines with asyncio::create_task first
#include <vector>
#include <asyncio/asyncio.hpp>
asyncio::Coro<> g(std::vector<asyncio::Coro<int>> coros) { co_await asyncio::wait(std::move(coros)); }
