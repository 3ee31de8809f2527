// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
void f(asyncio::AsyncGenerator<int>& generator) { asyncio::create_task(generator.next()); }
