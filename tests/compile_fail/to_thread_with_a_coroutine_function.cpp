// expect: to_thread is for functions that block: a coroutine runs on the loop
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> f(int);
asyncio::Coro<> g() { co_await asyncio::to_thread(f, 1); }
