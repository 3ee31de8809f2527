// expect: calling a coroutine function only makes a coroutine, which nobody would run
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f();
void g(asyncio::LoopHandle loop) { loop.call_soon_threadsafe(f); }
