// expect: wait takes tasks or futures: start coroutines with asyncio::create_task first
#include <asyncio/asyncio.hpp>
#include <vector>
asyncio::Coro<> g(std::vector<asyncio::Coro<int>> coros) { co_await asyncio::wait(std::move(coros)); }
