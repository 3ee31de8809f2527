// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
void f(asyncio::Queue<int>& queue) { asyncio::create_task(queue.get()); }
