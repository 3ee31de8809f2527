// expect: gather takes coroutines, tasks, futures and callables that give coroutines
#include <asyncio/asyncio.hpp>
asyncio::Coro<> g() { co_await asyncio::gather(1, 2); }
