// expect: gather with a limit takes coroutines: tasks and futures run already
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f(std::vector<asyncio::Task<int>> tasks) { co_await asyncio::gather({.limit = 2}, tasks); }
