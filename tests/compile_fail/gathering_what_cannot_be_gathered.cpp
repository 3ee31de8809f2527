// expect: gather takes coroutines, tasks, futures, callables that give coroutines, and the library
#include <asyncio/asyncio.hpp>
asyncio::Coro<> g() { co_await asyncio::gather(1, 2); }
