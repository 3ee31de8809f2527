// expect: wait takes a range of tasks or futures
#include <asyncio/asyncio.hpp>
asyncio::Coro<> g(asyncio::Task<int> task) { co_await asyncio::wait(task); }
