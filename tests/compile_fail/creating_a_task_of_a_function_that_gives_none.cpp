// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
void plain();
void g() { asyncio::create_task(plain); }
