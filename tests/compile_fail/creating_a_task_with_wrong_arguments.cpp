// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> length(std::string text);
void g() { asyncio::create_task(length, 5); }
